"""Early voice: the first clause of a guess is spoken before its turn is over, and waits unheard.

It is begun when the recogniser is sure enough that the turn is over, more than a guess of the model needs: speech is
the dearest part of a call. When the guess is taken and its reply begins with that clause, its audio is there already.
Else it is cancelled, and what it cost is charged as `speculation`. At most one clause of one guess is held.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from agent.core.calls import Call, CallRecorder, Fallback, FallbackObserver, ProviderError
from agent.providers.base import Audio, ClientSpeech, TextDelta, TextToSpeech
from agent.session.governor import WasteGovernor
from agent.telemetry.events import VoiceGuessOutcome
from agent.turn.clauses import Clause, ClauseCut, ClauseCutter, FirstWords


@dataclass(frozen=True, slots=True)
class EarlyVoiceChoice:
    """How sure the recogniser has to be (`confidence`, 0 to 1), and who watches what is wasted."""

    confidence: float
    governor: WasteGovernor | None = None


@dataclass(slots=True)
class KeptCalls:
    """The recorder of a guess: keeps what is known of its calls until it is clear whose they are."""

    heard: list[Call | Fallback] = field(default_factory=list[Call | Fallback])
    owner: CallRecorder | None = None

    def record(self, call: Call) -> None:
        if self.owner is None:
            self.heard.append(call)
        else:
            self.owner.record(call)

    def fell_back(self, fallback: Fallback) -> None:
        if self.owner is None:
            self.heard.append(fallback)
        elif isinstance(self.owner, FallbackObserver):
            self.owner.fell_back(fallback)

    def hand_over(self, owner: CallRecorder) -> None:
        """Everything belongs to `owner`, what was kept and what still comes."""
        self.owner = owner
        kept, self.heard = self.heard, []
        for one in kept:
            if isinstance(one, Call):
                self.record(one)
            else:
                self.fell_back(one)


class FirstClause:
    """The first clause of a reply, cut as its turn will cut it."""

    def __init__(self, language: str, first: FirstWords) -> None:
        self._cutter = ClauseCutter(language, first)
        self.known = asyncio.Event()
        self.clause: Clause | None = None

    def feed(self, delta: TextDelta) -> None:
        """The model has written this."""
        if not self.known.is_set():
            self._found(self._cutter.end_sentence() if delta.ends else self._cutter.feed(delta.text))

    def finish(self) -> None:
        """The model has written everything, or failed."""
        if not self.known.is_set():
            self._found(self._cutter.finish())
            self.known.set()

    def _found(self, clauses: list[Clause]) -> None:
        if clauses:
            self.clause = clauses[0]
            self.known.set()


class EarlyVoice:
    """The first clause of one guess on its way through the voice. `session` is a name for this one call."""

    def __init__(
        self, first: FirstClause, tts: TextToSpeech, session: str, tell: Callable[[VoiceGuessOutcome], None]
    ) -> None:
        self.tts, self.calls = tts, KeptCalls()
        self.task: asyncio.Task[None] | None = None
        self._first, self._session, self._tell = first, session, tell
        self._pieces: asyncio.Queue[Audio | ClientSpeech | None] = asyncio.Queue()
        self._failure: ProviderError | None = None
        self._begun = self._over = False

    async def run(self) -> None:
        """Speaks the clause when it is known; never raises ProviderError."""
        try:
            await self._first.known.wait()
            clause = self._first.clause
            if clause is None or clause.cut is ClauseCut.OPENING:  # which nobody waits for
                return
            self._begun = True
            async with aclosing(self.tts.speak(self._session, clause.spoken, self.calls)) as speech:
                async for piece in speech:
                    self._pieces.put_nowait(piece)
        except ProviderError as error:
            self._failure = error
        finally:
            self._pieces.put_nowait(None)

    def fits(self, text: str) -> bool:
        """Whether this text is what it says, and nobody has heard it yet."""
        return self._begun and not self._over and self._first.clause is not None and self._first.clause.spoken == text

    async def heard(self, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        """Its audio from the beginning. Raises ProviderError; one that came before any audio leaves it empty."""
        self._over = True
        self.calls.hand_over(recorder)
        delivered = False
        try:
            while (piece := await self._pieces.get()) is not None:
                if not delivered:
                    delivered = True
                    self._tell(VoiceGuessOutcome.TAKEN)
                yield piece
            if not delivered:
                self._tell(VoiceGuessOutcome.FAILED)
            elif self._failure is not None:
                raise self._failure
        finally:
            await self.stop()

    def give_up(self, outcome: VoiceGuessOutcome, owner: CallRecorder) -> None:
        """Nobody will hear it: its calls are `owner`'s."""
        if self._over:
            return
        self._over = True
        self.calls.hand_over(owner)
        if self.task is not None:
            self.task.cancel()
        if self._begun:
            self._tell(outcome)

    async def stop(self) -> None:
        """Ends the synthesis; returns when its call is recorded."""
        if self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.wait({self.task})


class PreparedVoice:
    """A voice of which one clause is there already."""

    def __init__(self, inner: TextToSpeech, early: EarlyVoice) -> None:
        self.provider, self.model = inner.provider, inner.model
        self._inner, self._early = inner, early

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        """Streams the speech of one clause. Raises ProviderError. Closing the generator stops the synthesis."""
        if self._early.fits(text):
            delivered = False
            async with aclosing(self._early.heard(recorder)) as ready:
                async for piece in ready:
                    delivered = True
                    yield piece
            if delivered:
                return
        async with aclosing(self._inner.speak(session, text, recorder)) as speech:
            async for piece in speech:
                yield piece
