"""The fallback chain for speech to text: one stream to the caller, whatever happens to the recognisers behind it.

    Deepgram ──(connection lost: again, with the audio of the open turn)──► Deepgram
             ──(again in vain, or deaf)──► Whisper protocol on segments ──► none: the stream fails,
                                                                            and the client's own recogniser is asked

Audio that no finished turn contains yet is kept (15 s at most) and told to the next connection, so that words count
from the beginning of the turn. Word times always count the audio sent on this stream. Between two turns the chain goes
back to an earlier step that is well again.

**A deaf recogniser** says nothing while the caller is heard to speak. The next step gives a second opinion on the same
audio. Words that it hears make the breaker of the first ask with a probe of its own: they prove nothing by themselves,
since recognisers invent words for music, and a television in one room opens no breaker. A step that is alone gets a
fresh connection and the same probe. There is no second opinion on the last step: when nothing came of what somebody
said before a pause, the stream fails, so that the client is asked, and nobody counts as failed.

**A turn that does not end** is ended here with the words known, after the silence of `ListeningRules.patience`: the
recogniser is asked first, and one that does not even answer to that is connected to anew. One that left out a good deal
of what was said has stalled: the whole turn is told to the next step, or where there is none to a fresh connection.

**A connection that was closed because we had no audio to send** is opened again with the next audio, and is nobody's
failure.

Moves are told as by the other chains; the reason `recovered` is the way back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from agent.core import clock
from agent.core.audio import bytes_for, duration_s
from agent.core.calls import (
    CallRecorder,
    ErrorKind,
    Fallback,
    FallbackObserver,
    ListeningNote,
    ProviderError,
    note,
    note_confidence,
)
from agent.providers.base import EndsTurns, SendsAtOnce, SpeechStream, SpeechToText, SttEvent, SttEventKind
from agent.providers.fallback.chain import ChainStep, StepSkippedError
from agent.providers.fallback.replay_buffer import Unheard
from agent.providers.fallback.stt_signals import ReconnectError, StepBackError, first_cause, shifted
from agent.providers.fallback.stt_steps import SttSteps, allows

_PIECE: Final = bytes_for(0.2)  # audio of the past is told in pieces of this size
_MOST_EVENTS: Final = 256
_WATCH_S: Final = 0.1
_STEADY_S: Final = 2.0  # a connection that brought words for so long was a good one
_SOME_VOICE_S: Final = 0.3  # voiced audio that may be the beginning of a turn
_AGAIN: Final = frozenset({ErrorKind.DISCONNECTED, ErrorKind.STALLED, ErrorKind.REFUSED})


class SttFallback(SttSteps):
    """The recognisers of one session as one recogniser."""

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


class FallbackSttStream:
    """One stream over the steps of a chain. One task sends, one iterates, `run` connects."""

    def __init__(self, chain: SttSteps, session: str, recorder: CallRecorder) -> None:
        self._chain = chain
        self._session = session
        self._recorder = recorder
        self._unheard = Unheard()
        self._audio = asyncio.Event()
        self._direct: SendsAtOnce | None = None  # the connection, while nothing waits to be told to it
        self._events: asyncio.Queue[SttEvent | ProviderError | None] = asyncio.Queue(_MOST_EVENTS)
        self._finishing = False
        self._turn_open = False
        self._offset = 0  # position of the stream at which the present connection began to hear
        self._told = 0  # position up to which it was told
        self._progress = False  # whether it has brought words
        self._heard_at = 0.0  # when the last ones came, or when it was opened
        self._words = SttEvent(SttEventKind.PARTIAL)  # of the open turn
        self._asked_to_end_at: float | None = None
        self._retold = False  # the open turn was told to a fresh connection already
        self._told_again = False  # what is known of it was heard by a connection before this one
        self._connected = False
        self._suspect: ChainStep[SpeechToText] | None = None

    async def send(self, pcm: bytes, *, voiced_s: float = 0.0) -> None:
        """Takes PCM s16le mono 16 kHz. Never waits and never fails: while nobody listens it is kept."""
        self.send_now(pcm, voiced_s=voiced_s)

    def send_now(self, pcm: bytes, *, voiced_s: float = 0.0) -> bool:
        """Takes it without a task: it goes up at once where a connection has been told all that came before."""
        begin = self._unheard.end
        self._unheard.add(pcm, voiced_s=voiced_s, turn_open=self._turn_open or self._unheard.voiced_s > _SOME_VOICE_S)
        direct = self._direct
        follows = self._told == begin >= self._unheard.start and len(pcm) <= _PIECE and not self._audio.is_set()
        if direct is not None and follows and direct.send_now(pcm):
            self._told = self._unheard.end
        else:
            self._audio.set()
        return True

    @property
    def sent_bytes(self) -> int:
        """Bytes of audio that were taken so far."""
        return self._unheard.end

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
                self._tell(chain.steps[0], step, "resting" if allows(chain.steps[0]) else "breaker_open")
            while step is not None:
                try:
                    await self._use(step)
                except StepBackError:
                    following = chain.better(step) or chain.steps[0]
                    self._tell(step, following, "recovered")
                    tried.clear()
                except (ProviderError, StepSkippedError) as error:
                    if self._finishing and not self._turn_open and self._unheard.voiced_s <= _SOME_VOICE_S:
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
                    session = self._session if self._connected else None  # it was refused before it heard this caller
                    step.breaker.failed(error.kind, error.retry_after_s, error.fault, session=session)
                if error.kind not in _AGAIN or attempts >= self._chain.rules.attempts or not allows(step):
                    self._chain.rest(step)
                    raise
                await asyncio.sleep(self._chain.rules.pause_s if attempts else 0)
            except ReconnectError:
                continue
            else:
                if self._finishing:
                    return
                note(self._recorder, ListeningNote.CLOSED_IN_SILENCE)
                self._audio.clear()  # it was closed because there was nothing to send
                await self._audio.wait()

    async def _listen(self, step: ChainStep[SpeechToText]) -> None:
        """One connection, from the first unheard audio on. Returns when it was finished, or closed for our silence."""
        self._offset = self._told = self._unheard.start
        self._heard_at = clock.now()
        self._asked_to_end_at = None
        self._connected = False
        async with self._chain.slot(step), step.provider.open(self._session, self._recorder) as inner:
            self._connected = True
            self._heard_at, self._told_again = clock.now(), self._turn_open  # it hears nothing while it is connected to
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._send(inner)), group.create_task(self._watch(step, inner))]
                    async for heard in inner:
                        await self._heard(heard, step)
                    for task in tasks:
                        task.cancel()
            except ExceptionGroup as group:
                raise first_cause(group) from None

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
            self._direct = inner if isinstance(inner, SendsAtOnce) else None
            try:
                await self._audio.wait()
            finally:
                self._direct = None

    async def _heard(self, heard: SttEvent, step: ChainStep[SpeechToText]) -> None:
        if not self._progress and step.breaker is not None:
            step.breaker.succeeded(None)
        self._progress = True
        self._unheard.voiced_s = 0.0
        if heard.kind is SttEventKind.ENDED:
            note_confidence(self._recorder, step.provider.provider, (word.confidence for word in heard.words))
        if self._suspect is not None:
            if self._suspect is not step and self._suspect.breaker is not None:
                self._suspect.breaker.failed(ErrorKind.EMPTY, session=self._session)
            self._suspect = None
        await self._take(self._shifted(heard))

    async def _take(self, heard: SttEvent) -> None:
        """Passes on what was heard, and notes how the turn stands."""
        ended = heard.kind is SttEventKind.ENDED
        if ended or heard.text != self._words.text:
            self._heard_at = clock.now()
        self._words = SttEvent(SttEventKind.PARTIAL) if ended else heard
        self._turn_open = bool(self._words.text)
        if ended:
            if self._asked_to_end_at is not None:
                note(self._recorder, ListeningNote.TURN_FORCED)
            self._asked_to_end_at, self._retold, self._told_again = None, False, False
            end = heard.end_s
            self._unheard.forget(self._told if end is None else min(bytes_for(end), self._told))
        if ended or heard.text:
            await self._events.put(heard)

    def _shifted(self, heard: SttEvent) -> SttEvent:
        if not self._offset:
            return heard
        by = duration_s(self._offset)
        return replace(heard, words=tuple(shifted(word, by) for word in heard.words))

    async def _watch(self, step: ChainStep[SpeechToText], inner: SpeechStream) -> None:
        """Raises when the step is deaf, or when an earlier one can be asked again; ends turns that do not end."""
        chain = self._chain
        began = clock.now()
        while True:
            await asyncio.sleep(_WATCH_S)
            suspect = self._suspect
            if suspect is not None and clock.now() - began > chain.rules.opinion_s:
                chain.clear_suspicion(suspect)  # nobody else hears words either: it was noise
                note(self._recorder, ListeningNote.SUSPICION_CLEARED)
                self._suspect = None
            if suspect is step and not allows(step):
                raise ProviderError(step.name, ErrorKind.EMPTY)  # alone, and deaf to our own recording too
            if self._suspect is None and self._seems_deaf(step):
                self._suspect = step
                self._unheard.voiced_s = 0.0
                if not chain.alone(step):
                    raise ProviderError(step.name, ErrorKind.EMPTY)
                if step.breaker is not None:
                    step.breaker.failed(ErrorKind.EMPTY, session=self._session)
                note(self._recorder, ListeningNote.RECONNECTED)
                raise ReconnectError
            await self._end_turn(step, inner)
            if not self._turn_open and self._suspect is None and chain.better(step) is not None:
                raise StepBackError

    async def _end_turn(self, step: ChainStep[SpeechToText], inner: SpeechStream) -> None:
        """Ends a turn that its recogniser keeps open: by its own means, else with the words known."""
        rules, now = self._chain.rules, clock.now()
        if not self._turn_open or not self._over(now):
            self._asked_to_end_at = None
            return
        if self._asked_to_end_at is None and isinstance(inner, EndsTurns):
            self._asked_to_end_at = now
            await inner.end_turn()
            return
        if self._asked_to_end_at is not None and now - self._asked_to_end_at < rules.end_answer_s:
            return
        self._asked_to_end_at = None
        if self._unheard.voiced_s > _SOME_VOICE_S and not self._retold:
            self._retold = True  # it stalled in the middle: the whole turn is told again before it is ended
            if self._chain.after(step) is not None:
                self._chain.rest(step)
                if step.breaker is not None:
                    step.breaker.failed(ErrorKind.STALLED, session=self._session)
                raise StepSkippedError(ErrorKind.STALLED)
            note(self._recorder, ListeningNote.RECONNECTED)
            raise ReconnectError
        note(self._recorder, ListeningNote.TURN_ENDED_HERE)
        await self._take(replace(self._words, kind=SttEventKind.ENDED))
        self._unheard.forget(self._told)
        if step.breaker is not None:
            step.breaker.failed(ErrorKind.STALLED, session=self._session)
        raise ReconnectError

    def _over(self, now: float) -> bool:
        """Whether the caller has been silent for long enough, or the line has been loud without a new word."""
        rules, unchanged_s = self._chain.rules, now - self._heard_at
        settled = unchanged_s >= (rules.retold_s if self._retold or self._told_again else rules.settle_s)
        if not settled and unchanged_s < rules.noise_s:
            return False  # whatever the words are: they are looked through only where it matters
        patience = rules.patience(self._words.text)
        return (settled and self._unheard.quiet_s >= patience) or unchanged_s >= patience + rules.noise_s

    def _seems_deaf(self, step: ChainStep[SpeechToText]) -> bool:
        """Whether voiced audio brought no words."""
        chain, unheard = self._chain, self._unheard
        somebody_spoke = unheard.voiced_s >= chain.deaf_s / 3
        if not somebody_spoke:  # which is nearly always so
            return False
        if chain.after(step) is not None or chain.alone(step):
            brief = unheard.quiet_s >= chain.rules.answer_s
            return brief or unheard.voiced_s >= chain.deaf_s
        waits = unheard.quiet_s >= chain.rules.last_answer_s
        return waits and step is not chain.steps[0] and chain.better(step) is None

    def _tell(self, step: ChainStep[SpeechToText], following: ChainStep[SpeechToText] | None, reason: str) -> None:
        if isinstance(self._recorder, FallbackObserver):
            name = self._chain.last if following is None else following.name
            self._recorder.fell_back(Fallback("stt", step.name, name, reason, clock.now()))
