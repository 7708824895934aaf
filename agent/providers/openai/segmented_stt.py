"""A recogniser of whole segments as a stream: segments are cut by local voice activity and transcribed in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from agent.core.audio import bytes_for, duration_s
from agent.core.calls import CallRecorder, ErrorKind, ProviderError
from agent.providers.base import SttEvent, SttEventKind, Word

_SLICE: Final = bytes_for(0.02)
_LEAD: Final = bytes_for(0.3)  # audio before the first voiced frame that belongs to a segment
_PAUSE_S: Final = 0.6  # silence after the last voiced audio that ends a segment
_LONGEST: Final = bytes_for(20.0)
_QUEUE: Final = 4  # segments that wait to be transcribed; the oldest gives way
_BLANKS_IN_A_ROW: Final = 3  # segments of at least a second's voice without a word: the recogniser lies
_BLANK_S: Final = 1.0


class VoiceEvent(Protocol):
    @property
    def at(self) -> float: ...


class VoiceDetector(Protocol):
    """Local voice activity detection. `at` is whatever time the audio was fed with."""

    speaking: bool

    def feed(self, pcm: bytes, at: float) -> Sequence[VoiceEvent]: ...


class Transcriber(Protocol):
    provider: str
    model: str

    async def transcribe(self, session: str, pcm: bytes, recorder: CallRecorder) -> str: ...


@dataclass(frozen=True, slots=True)
class Segment:
    """One utterance: PCM s16le mono 16 kHz, and where in the stream its voice began and ended, in seconds."""

    pcm: bytes
    voice_start_s: float
    voice_end_s: float


class Segmenter:
    """Cuts a stream of PCM s16le mono 16 kHz where the voice pauses, or after 20 s."""

    def __init__(self, detector: VoiceDetector) -> None:
        self._detector = detector
        self._audio = bytearray()
        self._rest = b""
        self._position = 0  # bytes seen by the detector
        self._began: float | None = None
        self._stopped: float | None = None

    def feed(self, pcm: bytes) -> list[Segment]:
        """Segments that this audio completes."""
        data = self._rest + pcm
        whole = len(data) - len(data) % _SLICE
        self._rest = data[whole:]
        segments: list[Segment] = []
        for start in range(0, whole, _SLICE):
            segments += self._slice(data[start : start + _SLICE])
        return segments

    def flush(self) -> list[Segment]:
        """The segment that is still open, if there is one."""
        return self._cut(duration_s(self._position)) if self._began is not None else []

    def _slice(self, pcm: bytes) -> list[Segment]:
        self._audio += pcm
        self._position += len(pcm)
        now = duration_s(self._position)
        for event in self._detector.feed(pcm, now):
            if self._detector.speaking:
                self._began = event.at if self._began is None else self._began
                self._stopped = None
            else:
                self._stopped = event.at
        if self._began is None:
            del self._audio[: -(_LEAD + _SLICE)]
            return []
        paused = self._stopped is not None and not self._detector.speaking and now - self._stopped >= _PAUSE_S
        return self._cut(now) if paused or len(self._audio) >= _LONGEST else []

    def _cut(self, now: float) -> list[Segment]:
        began = self._began if self._began is not None else now
        ended = self._stopped if self._stopped is not None else now
        segment = Segment(bytes(self._audio), began, ended)
        self._audio.clear()
        self._began = now if self._detector.speaking else None
        self._stopped = None
        return [segment]


class SegmentedSpeech:
    """Makes a `SpeechToText` of a transcriber. Turns come when their segment was transcribed, without partial words.

    The last word's end time is where the voice ended; the others have none. A segment without words (a cough) is
    passed over; three long ones in a row are an `empty` error.
    """

    def __init__(self, transcriber: Transcriber, detector: Callable[[], VoiceDetector]) -> None:
        self.provider = transcriber.provider
        self.model = transcriber.model
        self._transcriber = transcriber
        self._detector = detector

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[SegmentStream]:
        """Opens a stream: nothing is sent before the first segment is complete."""
        yield SegmentStream(self._transcriber, Segmenter(self._detector()), session, recorder)


class SegmentStream:
    """One stream of segments. One task sends, one iterates."""

    def __init__(self, transcriber: Transcriber, segmenter: Segmenter, session: str, recorder: CallRecorder) -> None:
        self._transcriber = transcriber
        self._segmenter = segmenter
        self._session = session
        self._recorder = recorder
        self._queue: asyncio.Queue[Segment | None] = asyncio.Queue()
        self._blanks = 0

    async def send(self, pcm: bytes, *, voiced_s: float = 0.0) -> None:
        """Takes PCM s16le mono 16 kHz. Never waits."""
        self._put(self._segmenter.feed(pcm))

    async def finish(self) -> None:
        """No more audio comes: what is open is a segment."""
        self._put(self._segmenter.flush())
        self._queue.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[SttEvent]:
        """STARTED and ENDED for every segment with words. Raises ProviderError."""
        while (segment := await self._queue.get()) is not None:
            text = await self._transcribe(segment)
            if text:
                words = _words(text, segment)
                yield SttEvent(SttEventKind.STARTED, text, words)
                yield SttEvent(SttEventKind.ENDED, text, words)

    async def _transcribe(self, segment: Segment) -> str:
        try:
            text = await self._transcriber.transcribe(self._session, segment.pcm, self._recorder)
        except ProviderError as error:
            if error.kind is not ErrorKind.EMPTY:
                raise
            self._blanks += segment.voice_end_s - segment.voice_start_s >= _BLANK_S
            if self._blanks >= _BLANKS_IN_A_ROW:
                raise
            return ""
        self._blanks = 0
        return text

    def _put(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            if self._queue.qsize() >= _QUEUE:
                self._queue.get_nowait()
            self._queue.put_nowait(segment)


def _words(text: str, segment: Segment) -> tuple[Word, ...]:
    *before, last = text.split()
    return (*(Word(word) for word in before), Word(last, None, segment.voice_end_s))
