"""Listening: the caller's audio goes up to the recogniser, what was heard and when comes back.

One `CallerListener` per session. `feed` is called for every frame as it arrives; `run` keeps a recogniser stream open
while there is something to hear; `events` is what the session reads. A session that only types opens no stream, and a
stream that has heard no voice for a while is closed (recognisers bill silence) and opened again on the next voice, with
the audio just before it.

`speech_ended` is the arrival of the caller's last voiced sample: the recogniser's end time of the last word where it
gives one, mapped through the arrival ring of that stream, else the last frame that was voiced here. It is never the
moment at which the recogniser told us. Word times count the audio sent on one `SpeechStream`; a chain that reconnects
below it keeps counting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

from agent.core import clock
from agent.core.audio import BYTES_PER_SECOND, bytes_for
from agent.core.calls import CallRecorder, ProviderError
from agent.core.errors import leaves
from agent.providers.base import SpeechStream, SpeechToText, SttEvent, SttEventKind
from agent.turn.audio_clock import ArrivalRing
from agent.turn.vad import VoiceActivity, VoiceEvent, VoiceStarted, VoiceStopped

COALESCE_VOICE: Final = bytes_for(0.04)  # sent up together while somebody speaks: half of it is latency
COALESCE_SILENCE: Final = bytes_for(0.10)
AFTER_VOICE_S: Final = 1.5  # silence that decides the end of a turn is sent as promptly as speech
FLUSH_S: Final = 0.1  # what is left over goes up after this, also when no further frame comes
PRE_ROLL_BYTES: Final = bytes_for(1.0)  # audio kept while no stream is open
MAX_PENDING: Final = bytes_for(5.0)  # audio that waits for a slow recogniser; older audio is dropped and counted
MAX_EVENTS: Final = 256
REOPEN_S: Final = 0.5  # between two attempts to open a stream that failed


@dataclass(frozen=True, slots=True)
class Words:
    """Words of the turn so far. `sure` once the recogniser stands by them: it may take tentative ones back."""

    text: str
    sure: bool


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """The caller is done. Times are loop times; `ready_at` is when the text was known here."""

    text: str
    speech_ended: float
    ready_at: float


@dataclass(frozen=True, slots=True)
class RecogniserLost:
    """The recogniser failed; the listener opens a new stream."""

    error: ProviderError


ListenEvent = VoiceStarted | VoiceStopped | Words | EndOfTurn | RecogniserLost


class ListenRecorder(CallRecorder, Protocol):
    """Also hears of audio that could not wait any longer."""

    def dropped(self, frames: int) -> None: ...


class CallerListener:
    """Turns frames of PCM s16le mono 16 kHz into `ListenEvent`s."""

    def __init__(self, stt: SpeechToText, session: str, recorder: ListenRecorder, *, idle_s: float) -> None:
        self._stt = stt
        self._session = session
        self._recorder = recorder
        self._idle_s = idle_s
        self._activity = VoiceActivity()
        self._ring = ArrivalRing(BYTES_PER_SECOND)
        self._pending: deque[tuple[bytes, float]] = deque()  # frames with their arrival, not sent up yet
        self._pending_bytes = 0
        self._wake = asyncio.Event()
        self._open = False
        self._voice_stopped_at: float | None = None
        self._quiet_since: float | None = None
        self._heard_audio = False
        self._sure = False
        self.events: asyncio.Queue[ListenEvent] = asyncio.Queue(MAX_EVENTS)

    @property
    def last_voiced_at(self) -> float | None:
        """Arrival of the last frame that was voiced here (loop time)."""
        return self._activity.last_voiced_at

    def feed(self, pcm: bytes, at: float) -> None:
        """Takes a frame that arrived at loop time `at`. Never waits."""
        first = not self._heard_audio
        self._heard_audio = True
        self._pending.append((pcm, at))
        self._pending_bytes += len(pcm)
        self._bound()
        for event in self._activity.feed(pcm, at):
            self._note_voice(event)
        if first and self._quiet_since is None:
            self._quiet_since = at
        if self._open:
            prompt = self._activity.speaking or at - (self._voice_stopped_at or -AFTER_VOICE_S) < AFTER_VOICE_S
            if self._pending_bytes >= (COALESCE_VOICE if prompt else COALESCE_SILENCE):
                self._wake.set()
        elif self._activity.speaking or first:
            self._wake.set()

    async def run(self) -> None:
        """Keeps a stream open while there is something to hear. Runs until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._idle():
                continue  # only silence came while the stream was being closed for silence
            try:
                async with self._stt.open(self._session, self._recorder) as stream:
                    await self._use(stream)
            except ProviderError as error:
                self._put(RecogniserLost(error))
                await asyncio.sleep(REOPEN_S)
                self._wake.set()
            finally:
                self._open = False

    async def _use(self, stream: SpeechStream) -> None:
        self._ring = ArrivalRing(BYTES_PER_SECOND)
        self._open = True
        try:
            async with asyncio.TaskGroup() as group:
                receiver = group.create_task(self._receive(stream))
                await self._send_until_idle(stream)
                await stream.finish()
                await receiver
        except* ProviderError as failed:
            raise next(leaves(failed)) from None

    async def _send_until_idle(self, stream: SpeechStream) -> None:
        while not self._idle():
            if self._pending:
                await stream.send(self._take())
            self._wake.clear()
            try:
                async with asyncio.timeout(FLUSH_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _idle(self) -> bool:
        """Whether no voice was heard for so long that the stream is not worth its price."""
        if self._activity.speaking or self._quiet_since is None:
            return False
        return clock.now() - self._quiet_since > self._idle_s

    def _take(self) -> bytes:
        """All pending audio, entered into the arrival ring as it leaves."""
        for pcm, at in self._pending:
            self._ring.add(len(pcm), at)
        audio = b"".join(pcm for pcm, _ in self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        return audio

    async def _receive(self, stream: SpeechStream) -> None:
        async for heard in stream:
            self._note_heard(heard)

    def _note_heard(self, heard: SttEvent) -> None:
        self._sure = heard.kind is not SttEventKind.ENDED and (self._sure or heard.kind is SttEventKind.STARTED)
        if heard.kind is SttEventKind.ENDED:
            if heard.text.strip():
                ready = clock.now()
                self._put(EndOfTurn(heard.text.strip(), min(self._speech_ended(heard, ready), ready), ready))
        elif heard.text.strip():
            self._put(Words(heard.text.strip(), self._sure))

    def _speech_ended(self, heard: SttEvent, now: float) -> float:
        end = heard.words[-1].end_s if heard.words else None
        arrived = self._ring.arrival(end) if end is not None else None
        if arrived is not None:
            return arrived
        if self._activity.speaking and self._voice_stopped_at is not None:
            return self._voice_stopped_at  # the caller already speaks again: the turn ended at the voice before
        return self._activity.last_voiced_at if self._activity.last_voiced_at is not None else now

    def _note_voice(self, event: VoiceEvent) -> None:
        if isinstance(event, VoiceStopped):
            self._voice_stopped_at = self._quiet_since = event.at
        else:
            self._quiet_since = None
        self._put(event)

    def _bound(self) -> None:
        wanted = self._open or not self._idle()  # while a stream is being opened, speech waits for it
        limit = MAX_PENDING if wanted else PRE_ROLL_BYTES
        frames = 0
        while self._pending_bytes > limit:
            old, _ = self._pending.popleft()
            self._pending_bytes -= len(old)
            frames += 1
        if frames and wanted:
            self._recorder.dropped(frames)

    def _put(self, event: ListenEvent) -> None:
        """Queues an event; partial words give way when the session does not keep up."""
        if self.events.full() and isinstance(event, Words):
            return
        if self.events.full():
            self.events.get_nowait()
        self.events.put_nowait(event)
