"""The fallback chain for speech to text: one stream to the caller, whatever happens to the recognisers behind it.

    Deepgram ──(connection lost: again, with the audio of the open turn)──► Deepgram
             ──(again in vain, or deaf)──► Whisper protocol on segments ──► none: the stream fails,
                                                                            and the client's own recogniser is asked

Audio that no finished turn contains yet is kept (15 s at most) and told to the next connection, so that words count
from the beginning of the turn. Word times always count the audio sent on this stream. Between two turns the chain goes
back to an earlier step that is well again.

**A deaf recogniser** says nothing while the microphone is loud, or does not end a turn that it has begun. The next step
gives a second opinion on the same audio: only when that hears words, the first one counts as failed (`empty`); a
television in one room opens no breaker. There is no second opinion on the last step: when nothing came of what somebody
said before a pause, the stream fails, so that the client is asked, and nobody counts as failed.

Moves are told as by the other chains; the reason `recovered` is the way back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from agent.core import clock
from agent.core.audio import bytes_for, duration_s
from agent.core.calls import CallRecorder, ErrorKind, Fallback, FallbackObserver, ProviderError
from agent.core.errors import leaves
from agent.providers.base import SpeechStream, SpeechToText, SttEvent, SttEventKind, Word
from agent.providers.fallback.chain import ChainStep, StepSkippedError
from agent.providers.fallback.replay_buffer import Unheard

_PIECE: Final = bytes_for(0.2)  # audio of the past is told in pieces of this size
_MOST_EVENTS: Final = 256
_WATCH_S: Final = 0.1
_STEADY_S: Final = 2.0  # a connection that brought words for so long was a good one
_SOME_VOICE_S: Final = 0.3  # loud audio that may be the beginning of a turn
_AGAIN: Final = frozenset({ErrorKind.DISCONNECTED, ErrorKind.STALLED, ErrorKind.REFUSED})


@dataclass(frozen=True, slots=True)
class ListeningRules:
    """How patient the chain is, in seconds. `attempts`: bad connections to a step in a row before the next is asked."""

    attempts: int = 2
    pause_s: float = 0.2
    rest_s: float = 15.0
    """A step that was given up is asked again after this, when its breaker allows it."""
    deaf_s: float = 3.0
    """Loud audio without a word until a recogniser is suspected; doubles with every suspicion that was wrong."""
    answer_s: float = 1.5
    """Silence after a third of that, still without a word: whoever spoke so briefly waits for an answer."""
    open_s: float = 2.0
    """Silence of the caller and of the recogniser in a turn that it has begun: it does not come to an end."""
    last_answer_s: float = 2.2
    """The same for the last step, which may only have begun when the pause was long enough to end a segment."""
    opinion_s: float = 8.0
    """How long the next step may take to hear words where the suspected one heard none."""


class _StepBackError(Exception):
    """An earlier step is well again."""


class SttFallback:
    """The recognisers of one session, in the order of asking. Remembers between streams who failed a moment ago.

    Slots of its steps are not used: a stream lives as long as its session, so the limit of sessions bounds them. A step
    that takes segments takes a slot for each; one that finds none is `busy`, and passed over for this turn.
    """

    def __init__(
        self, steps: Sequence[ChainStep[SpeechToText]], *, last: str = "none", rules: ListeningRules | None = None
    ) -> None:
        """`last` names what follows the last step in fallbacks: `browser` where the client can listen."""
        self.provider = steps[0].provider.provider
        self.model = steps[0].provider.model
        self.steps = tuple(steps)
        self.last = last
        self.rules = rules or ListeningRules()
        self.deaf_s = self.rules.deaf_s
        self._rest_until: dict[str, float] = {}

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[FallbackSttStream]:
        """A stream that stays open while any step works. It connects behind it: errors come when it is iterated."""
        stream = FallbackSttStream(self, session, recorder)
        task = asyncio.create_task(stream.run())
        try:
            yield stream
        finally:
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.result()

    def choose(self, tried: Collection[str]) -> ChainStep[SpeechToText] | None:
        """The step to ask now: the first that is not resting, else the first that is; None when all were tried."""
        open_to = [step for step in self.steps if step.name not in tried and _allows(step)]
        return next((step for step in open_to if not self._backing_off(step)), open_to[0] if open_to else None)

    def better(self, step: ChainStep[SpeechToText]) -> ChainStep[SpeechToText] | None:
        """The first step before this one that is well."""
        before = self.steps[: self.steps.index(step)]
        return next((one for one in before if _allows(one) and not self._backing_off(one)), None)

    def after(self, step: ChainStep[SpeechToText]) -> ChainStep[SpeechToText] | None:
        """The step that can give a second opinion on this one."""
        return next((one for one in self.steps[self.steps.index(step) + 1 :] if _allows(one)), None)

    def clear_suspicion(self, step: ChainStep[SpeechToText]) -> None:
        """The suspicion was wrong: the step is asked again at once, and believed for longer."""
        self._rest_until.pop(step.name, None)
        self.deaf_s *= 2

    def rest(self, step: ChainStep[SpeechToText]) -> None:
        """Leaves a step alone for some seconds."""
        self._rest_until[step.name] = clock.now() + self.rules.rest_s

    def _backing_off(self, step: ChainStep[SpeechToText]) -> bool:
        return clock.now() < self._rest_until.get(step.name, 0.0)


class FallbackSttStream:
    """One stream over the steps of a chain. One task sends, one iterates, `run` connects."""

    def __init__(self, chain: SttFallback, session: str, recorder: CallRecorder) -> None:
        self._chain = chain
        self._session = session
        self._recorder = recorder
        self._unheard = Unheard()
        self._audio = asyncio.Event()
        self._events: asyncio.Queue[SttEvent | ProviderError | None] = asyncio.Queue(_MOST_EVENTS)
        self._finishing = False
        self._turn_open = False
        self._offset = 0  # position of the stream at which the present connection began to hear
        self._told = 0  # position up to which it was told
        self._progress = False  # whether it has brought words
        self._heard_at = 0.0  # when the last ones came, or when it was opened
        self._suspect: ChainStep[SpeechToText] | None = None

    async def send(self, pcm: bytes) -> None:
        """Takes PCM s16le mono 16 kHz. Never waits and never fails: while nobody listens it is kept."""
        self._unheard.add(pcm, turn_open=self._turn_open or self._unheard.loud_s > _SOME_VOICE_S)
        self._audio.set()

    async def finish(self) -> None:
        """Says that no more audio comes."""
        self._finishing = True
        self._audio.set()

    async def __aiter__(self) -> AsyncIterator[SttEvent]:
        """What is heard. Raises ProviderError when no step is left."""
        while (event := await self._events.get()) is not None:
            if isinstance(event, ProviderError):
                raise event
            yield event

    async def run(self) -> None:
        """Keeps the stream connected to the best step until it is finished or no step is left."""
        chain = self._chain
        tried: set[str] = set()
        failed: ProviderError | None = None
        try:
            step = chain.choose(tried)
            if step is not chain.steps[0]:
                self._tell(chain.steps[0], step, "resting" if _allows(chain.steps[0]) else "breaker_open")
            while step is not None:
                try:
                    await self._use(step)
                except _StepBackError:
                    following = chain.better(step) or chain.steps[0]
                    self._tell(step, following, "recovered")
                    tried.clear()
                except (ProviderError, StepSkippedError) as error:
                    if self._finishing and not self._turn_open and self._unheard.loud_s <= _SOME_VOICE_S:
                        return  # it was lost when nothing was left to be heard
                    failed, reason = (
                        (error, error.kind.value) if isinstance(error, ProviderError) else (failed, error.reason)
                    )
                    tried = {step.name} if self._progress else tried | {step.name}
                    following = chain.choose(tried)
                    self._tell(step, following, reason)
                else:
                    return
                step = following
            await self._events.put(failed or ProviderError(chain.steps[-1].name, ErrorKind.REFUSED))
        finally:
            if self._events.full():
                self._events.get_nowait()
            self._events.put_nowait(None)

    async def _use(self, step: ChainStep[SpeechToText]) -> None:
        """Listens through one step until the stream was finished. Raises the ProviderError that gives the step up."""
        attempts = 0
        while True:
            self._progress = False
            began = clock.now()
            try:
                await self._listen(step)
            except ProviderError as error:
                steady = self._progress and clock.now() - began >= _STEADY_S
                attempts = 0 if steady else attempts + 1
                if self._suspect is not step and step.breaker is not None:
                    step.breaker.failed(error.kind, error.retry_after_s)
                if error.kind not in _AGAIN or attempts >= self._chain.rules.attempts or not _allows(step):
                    self._chain.rest(step)
                    raise
                await asyncio.sleep(self._chain.rules.pause_s if attempts else 0)
            else:
                return

    async def _listen(self, step: ChainStep[SpeechToText]) -> None:
        """One connection, from the first unheard audio on. Returns when the stream was finished."""
        self._offset = self._told = self._unheard.start
        self._heard_at = clock.now()
        async with step.provider.open(self._session, self._recorder) as inner:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._send(inner)), group.create_task(self._watch(step))]
                    async for heard in inner:
                        await self._heard(heard, step)
                    for task in tasks:
                        task.cancel()
            except ExceptionGroup as group:
                raise _cause(group) from None

    async def _send(self, inner: SpeechStream) -> None:
        while True:
            self._audio.clear()
            if self._told < self._unheard.start:  # what was forgotten is no longer told
                self._offset += self._unheard.start - self._told
                self._told = self._unheard.start
            while piece := self._unheard.since(self._told)[:_PIECE]:
                await inner.send(piece)
                self._told += len(piece)
            if self._finishing:
                await inner.finish()
                return
            await self._audio.wait()

    async def _heard(self, heard: SttEvent, step: ChainStep[SpeechToText]) -> None:
        if not self._progress and step.breaker is not None:
            step.breaker.succeeded(None)
        self._progress = True
        self._heard_at = clock.now()
        self._unheard.loud_s = 0.0
        if self._suspect is not None and self._suspect is not step:
            if self._suspect.breaker is not None:
                self._suspect.breaker.failed(ErrorKind.EMPTY)
            self._suspect = None
        heard = self._shifted(heard)
        ended = heard.kind is SttEventKind.ENDED
        self._turn_open = not ended
        if ended:
            end = heard.words[-1].end_s if heard.words else None
            self._unheard.forget(self._told if end is None else min(bytes_for(end), self._told))
        await self._events.put(heard)

    def _shifted(self, heard: SttEvent) -> SttEvent:
        if not self._offset:
            return heard
        by = duration_s(self._offset)
        return replace(heard, words=tuple(_later(word, by) for word in heard.words))

    async def _watch(self, step: ChainStep[SpeechToText]) -> None:
        """Raises when the step is deaf, or when an earlier one can be asked again."""
        chain = self._chain
        began = clock.now()
        while True:
            await asyncio.sleep(_WATCH_S)
            suspect = self._suspect
            if suspect is not None and suspect is not step and clock.now() - began > chain.rules.opinion_s:
                chain.clear_suspicion(suspect)  # nobody else hears words either: it was noise
                self._suspect = None
            if self._suspect is None and self._seems_deaf(step):
                self._suspect = step
                self._unheard.loud_s = 0.0
                raise ProviderError(step.name, ErrorKind.EMPTY)
            if not self._turn_open and self._suspect is None and chain.better(step) is not None:
                raise _StepBackError

    def _seems_deaf(self, step: ChainStep[SpeechToText]) -> bool:
        """Whether loud audio brought no words. A first step that is alone is never suspected."""
        chain, unheard = self._chain, self._unheard
        somebody_spoke = unheard.loud_s >= chain.deaf_s / 3
        if chain.after(step) is not None:
            brief = somebody_spoke and unheard.quiet_s >= chain.rules.answer_s
            return brief or unheard.loud_s >= chain.deaf_s or self._does_not_end()
        waits = somebody_spoke and unheard.quiet_s >= chain.rules.last_answer_s
        return waits and step is not chain.steps[0] and chain.better(step) is None

    def _does_not_end(self) -> bool:
        silent_s = min(self._unheard.quiet_s, clock.now() - self._heard_at)
        return self._turn_open and silent_s >= self._chain.rules.open_s

    def _tell(self, step: ChainStep[SpeechToText], following: ChainStep[SpeechToText] | None, reason: str) -> None:
        if isinstance(self._recorder, FallbackObserver):
            name = self._chain.last if following is None else following.name
            self._recorder.fell_back(Fallback("stt", step.name, name, reason, clock.now()))


def _allows(step: ChainStep[SpeechToText]) -> bool:
    return step.breaker is None or step.breaker.allows


def _later(word: Word, by: float) -> Word:
    start = None if word.start_s is None else word.start_s + by
    end = None if word.end_s is None else word.end_s + by
    return Word(word.text, start, end)


def _cause(group: ExceptionGroup[Exception]) -> Exception:
    """The one error that the stream goes by: a provider's before a way back; any other stays as it is."""
    known, other = group.split((ProviderError, StepSkippedError, _StepBackError))
    if known is None or other is not None:
        return group
    causes = list(leaves(known))
    return next((cause for cause in causes if isinstance(cause, ProviderError)), causes[0])
