"""Early replies: the model is asked when the turn is probably over, and what it answers waits unheard.

The recogniser says that a turn is probably over before it is sure. From then on its last doubt and the model's first
words run side by side instead of one after the other. A guess is taken when the turn ends with the same words and the
model would be asked the same; else it is cancelled, its call is charged as `speculation`, and the model is asked anew.
Nothing of a guess is heard, shown, remembered or routed on before its turn has ended.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from agent.core import clock
from agent.core.calls import Call, CallRecorder, ProviderError
from agent.providers.base import LanguageModel, Prompt, TextDelta, TextToSpeech
from agent.session.early_voice import EarlyVoice, EarlyVoiceChoice, FirstClause, KeptCalls, PreparedVoice
from agent.session.governor import WasteGovernor
from agent.telemetry.events import (
    CallFinished,
    Cause,
    Guessed,
    GuessOutcome,
    SessionInfo,
    Sink,
    VoiceGuessed,
    VoiceGuessOutcome,
)
from agent.turn.clauses import USUAL_FIRST_WORDS, FirstWords

FILLERS: Final = frozenset("um uh uhm erm er hm hmm mm äh ähm öh euh eh ehm".split())
"""Sounds of hesitation, which recognisers add and take back; a question is the same with and without them."""
MOST_UNJUDGED: Final = 8
"""Guesses in vain of a turn that does not end, after which the governor hears of them all the same."""
LEAST_GUESSES: Final = 4
"""Before so many of a session were wasted, it goes on guessing."""


def same_words(one: str, other: str) -> bool:
    """Whether two transcripts say the same: without case, punctuation and fillers."""
    return _words(one) == _words(other)


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+(?:['’]\w+)*", text.casefold()) if word not in FILLERS]


def same_request(one: Prompt, other: Prompt) -> bool:
    """Whether a model would be asked the same. The caller's last words may differ in what `same_words` leaves out."""
    if not same_words(one.messages[-1].text, other.messages[-1].text):
        return False
    return replace(one, messages=one.messages[:-1]) == replace(other, messages=other.messages[:-1])


class _Guess:
    """One call of a model whose turn may not be over. Holds at most the tokens that the prompt allows."""

    def __init__(self, text: str, model: LanguageModel, session: str, prompt: Prompt, first: FirstClause) -> None:
        self.text, self.model, self.prompt, self.first = text, model, prompt, first
        self.began = clock.now()
        self.calls = KeptCalls()
        self.voice: EarlyVoice | None = None
        self.failure: ProviderError | None = None
        self.pieces: asyncio.Queue[TextDelta | None] = asyncio.Queue()
        self._session = session
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Asks the model and keeps what it answers; never raises ProviderError."""
        try:
            async with aclosing(self.model.reply(self._session, self.prompt, self.calls)) as deltas:
                async for delta in deltas:
                    self.pieces.put_nowait(delta)
                    self.first.feed(delta)
        except ProviderError as error:
            self.failure = error
        finally:
            self.pieces.put_nowait(None)
            self.first.finish()

    async def stop(self) -> None:
        """Ends the generation; returns when its call is recorded."""
        if self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.wait({self.task})


class _Taken:
    """A guess in the place of the model that it asked: the first reply is what it got, from its beginning on."""

    def __init__(self, guess: _Guess) -> None:
        self.provider, self.model = guess.model.provider, guess.model.model
        self._guess = guess

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        """Streams the reply of the guess. Raises ProviderError. Closing it stops the generation."""
        guess = self._guess
        try:
            while (piece := await guess.pieces.get()) is not None:
                yield piece
            if guess.failure is not None:
                raise guess.failure
        finally:
            await guess.stop()


@dataclass(frozen=True, slots=True)
class _Wasted:
    """The recorder of guesses that were not taken: they belong to no turn."""

    session: SessionInfo
    sink: Sink
    governor: WasteGovernor | None

    def record(self, call: Call) -> None:
        if self.governor is not None:
            self.governor.wasted(call)
        cause = Cause.HEDGE if call.spare else Cause.SPECULATION
        self.sink.handle(CallFinished(self.session, None, call, cause))


class EarlyReplies:
    """The guesses of one session, at most one at a time. Its tasks run in `group`; its methods never wait."""

    def __init__(
        self,
        session: SessionInfo,
        sink: Sink,
        group: asyncio.TaskGroup,
        enabled: bool,
        governor: WasteGovernor | None = None,
        voice: EarlyVoiceChoice | None = None,
        language: str = "en",
    ) -> None:
        """`governor` hears of what was wasted, and may forbid new guesses for a while. `voice`: when a guess may be
        spoken, unheard; None: never.
        """
        self._session, self._sink, self._group = session, sink, group
        self._enabled, self._governor = enabled, governor
        self._voice, self._language = voice, language
        self._guess: _Guess | None = None
        self._taken: _Guess | None = None
        self._taken_count = self._wasted_count = self._voices = 0
        self._in_vain = 0  # of the open turn; the governor hears of a turn when it is over

    @property
    def enabled(self) -> bool:
        """Whether a guess may be made: not where most of this session's, or too many of its policy's, were wasted."""
        return self._enabled and (self._governor is None or self._governor.allows)

    def asked_already(self, text: str) -> bool:
        """Whether the open guess is about these words."""
        return self._guess is not None and same_words(self._guess.text, text)

    def guess(self, text: str, model: LanguageModel, prompt: Prompt, first: FirstWords = USUAL_FIRST_WORDS) -> None:
        """Asks a model before it is sure that the caller is done. `first`: how hastily its reply would begin."""
        self.drop(GuessOutcome.CHANGED)
        if not self.enabled:
            return
        clause = FirstClause(self._language, first)
        self._guess = guess = _Guess(text, model, self._session.session_id, prompt, clause)
        guess.task = self._group.create_task(guess.run())

    def surer(self, confidence: float | None, tts: TextToSpeech) -> None:
        """The recogniser is so sure by now that the turn is over: sure enough, and the first clause is spoken."""
        guess, choice = self._guess, self._voice
        if guess is None or guess.voice is not None or choice is None or (confidence or 0.0) < choice.confidence:
            return
        if choice.governor is None or choice.governor.allows:
            self._voices += 1
            call = f"{self._session.session_id}.early-{self._voices}"  # its text is nobody's context: it may be unsaid
            guess.voice = EarlyVoice(guess.first, tts, call, self._told_of_voice)
            guess.voice.task = self._group.create_task(guess.voice.run())

    def heard(self, text: str) -> None:
        """The caller is heard to say this so far: other words take the guess back."""
        if not self.asked_already(text):
            self.drop(GuessOutcome.RESUMED)

    def take(self, ready: float, model: LanguageModel, prompt: Prompt, recorder: CallRecorder) -> LanguageModel:
        """The turn is over, since loop time `ready`: the guess in the place of `model`, or `model` itself.

        The calls of a guess that is taken are `recorder`'s from now on, also when nobody comes to read the reply. The
        turn ends with `release`.
        """
        guess = self._guess
        if guess is None:
            self._judge(useful=False)
            return model
        if guess.failure is not None or guess.model is not model or not same_request(guess.prompt, prompt):
            self.drop(GuessOutcome.FAILED if guess.failure is not None else GuessOutcome.CHANGED)
            self._judge(useful=False)
            return model
        self._guess, self._taken = None, guess
        guess.calls.hand_over(recorder)
        self._taken_count += 1
        self._judge(useful=True)
        self._tell(GuessOutcome.TAKEN, max(0.0, ready - guess.began))
        return _Taken(guess)

    def prepared(self, tts: TextToSpeech) -> TextToSpeech:
        """The voice of the turn that took a guess: `tts`, with the first clause where it was spoken already."""
        early = None if self._taken is None else self._taken.voice
        return tts if early is None or early.tts is not tts else PreparedVoice(tts, early)

    async def release(self) -> None:
        """The turn that took a guess is over: what still runs of it ends, and its calls are recorded."""
        taken, self._taken = self._taken, None
        if taken is not None:
            self._give_up(taken, VoiceGuessOutcome.CHANGED)
            await taken.stop()
            if taken.voice is not None:
                await taken.voice.stop()

    def drop(self, outcome: GuessOutcome) -> None:
        """The open guess, if there is one, is not taken."""
        guess, self._guess = self._guess, None
        if guess is None:
            return
        guess.calls.hand_over(_Wasted(self._session, self._sink, self._governor))
        self._give_up(guess, VoiceGuessOutcome.DROPPED)
        if guess.task is not None:
            guess.task.cancel()
        self._tell(outcome, 0.0)
        self._wasted_count += 1
        self._in_vain += 1
        if outcome is GuessOutcome.DROPPED or self._in_vain >= MOST_UNJUDGED:
            self._judge(useful=False)
        if self._enabled and self._wasted_count >= max(LEAST_GUESSES, self._taken_count + 1):
            self._enabled = False
            self._tell(GuessOutcome.SWITCHED_OFF, 0.0)

    def _give_up(self, guess: _Guess, outcome: VoiceGuessOutcome) -> None:
        if guess.voice is not None:
            governor = None if self._voice is None else self._voice.governor
            guess.voice.give_up(outcome, _Wasted(self._session, self._sink, governor))

    def _told_of_voice(self, outcome: VoiceGuessOutcome) -> None:
        if self._voice is not None and self._voice.governor is not None:
            self._voice.governor.attempt(outcome is VoiceGuessOutcome.TAKEN)
        self._sink.handle(VoiceGuessed(self._session, outcome))

    def _judge(self, *, useful: bool) -> None:
        """A turn is over: the governor hears of its guesses together.

        One by one, those in vain would come first, and many calls that begin together look like nothing but waste.
        """
        attempts, self._in_vain = [True] * useful + [False] * self._in_vain, 0
        if self._governor is not None:
            for attempt in attempts:
                self._governor.attempt(attempt)

    def _tell(self, outcome: GuessOutcome, lead_s: float) -> None:
        self._sink.handle(Guessed(self._session, outcome, lead_s))
