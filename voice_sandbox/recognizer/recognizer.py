"""Streaming recognition of one connection: feed it audio as it arrives, ask what was heard so far.

Silence costs next to nothing: a chunk whose every sample is below the voice threshold is only counted. From the first
voiced frame an utterance is open, and its frames are matched in batches. The caller of this class decides when the
utterance is over and says so with `end_utterance`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from voice_sandbox.recognizer.decoder import BATCH, Decoder
from voice_sandbox.recognizer.features import CONTEXT, FRAME_S, HOP, PITCH_CONTEXT, RATE, levels, periodicity, spectra
from voice_sandbox.recognizer.library import ClipLibrary
from voice_sandbox.recognizer.unknown import SpeechLikeness
from voice_sandbox.recognizer.voicing import FLOOR_DBFS, RANGE_DB, VoicedSpan, weights
from voice_sandbox.recognizer.words import RecognizedWord, hear

_QUIET: Final = int(10 ** (FLOOR_DBFS / 20) * 32768)
"""A frame whose samples all stay within this has an RMS below the voice threshold."""
_LEAD_FRAMES: Final = 5
_HISTORY_FRAMES: Final = PITCH_CONTEXT // HOP + _LEAD_FRAMES
_FLOOR_BLOCK: Final = 10
_FLOOR_BLOCKS: Final = 15
_FLOOR_MIN_BLOCKS: Final = 10
_ABOVE_FLOOR_DB: Final = 8.0
_SILENT_DB: Final = -200.0
_NOTHING: Final = RecognizedWord((), complete=False)


@dataclass(slots=True)
class _Utterance:
    """An open utterance. `first` is the stream's frame number of the decoder's frame 0."""

    first: int
    decoder: Decoder
    likeness: SpeechLikeness
    loudest: float
    last_voiced: int
    heard: RecognizedWord = _NOTHING
    heard_at: int = -1


class StreamingRecogniser:
    """Audio in (PCM s16le mono 16 kHz), words out. Not thread-safe; one per connection.

    Keeps at most the utterance: two numbers per library frame, and small numbers per frame of the utterance.
    """

    def __init__(self, library: ClipLibrary) -> None:
        self._library = library
        self._rest = b""
        self._frames = 0
        self._bytes = 0
        self._history = np.zeros(_HISTORY_FRAMES * HOP, np.int16)
        self._pending: list[np.ndarray] = []
        self._pending_frames = 0
        self._utterance: _Utterance | None = None
        self._floor: deque[float] = deque(maxlen=_FLOOR_BLOCKS)
        self._block: list[float] = []
        self._voiced_frames = 0

    @property
    def seconds(self) -> float:
        """Audio received on this stream, in seconds: the clock of all word times."""
        return self._bytes / 2 / RATE

    @property
    def open(self) -> bool:
        """Whether something voiced was received since the last utterance ended."""
        return self._utterance is not None

    @property
    def opened_at(self) -> float:
        """Stream time in seconds of the first voiced frame of the open utterance; `seconds` if none is open."""
        if self._utterance is None:
            return self.seconds
        return (self._utterance.first + _LEAD_FRAMES) * FRAME_S

    @property
    def last_voiced(self) -> float:
        """Stream time in seconds at which the last voiced frame of the open utterance ends; 0.0 if none is open."""
        return 0.0 if self._utterance is None else (self._utterance.last_voiced + 1) * FRAME_S

    @property
    def silence(self) -> float:
        """Seconds of audio since the last voiced frame of the open utterance."""
        return 0.0 if self._utterance is None else max(0.0, self.seconds - self.last_voiced)

    def feed(self, pcm: bytes) -> bool:
        """Takes in audio of any length; True when a voiced frame was completed by it."""
        self._bytes += len(pcm)
        data = self._rest + pcm if self._rest else pcm
        whole = len(data) // (2 * HOP) * (2 * HOP)
        self._rest = data[whole:]
        if not whole:
            return False
        samples = np.frombuffer(data, dtype="<i2", count=whole // 2)
        if self._utterance is None and samples.max() <= _QUIET and samples.min() >= -_QUIET:
            self._skip(samples)
            return False
        return self._listen(samples)

    def heard(self) -> RecognizedWord:
        """The words heard so far in the open utterance, and whether they make whole clips."""
        utterance = self._utterance
        if utterance is None:
            return _NOTHING
        self.flush()
        if utterance.heard_at != utterance.decoder.frames:
            utterance.heard_at = utterance.decoder.frames
            utterance.heard = self._read(utterance)
        return utterance.heard

    def flush(self) -> None:
        """Matches frames that wait for their batch to fill."""
        utterance = self._utterance
        if utterance is None or not self._pending_frames:
            return
        fresh = np.concatenate(self._pending)
        self._pending.clear()
        self._pending_frames = 0
        level = levels(fresh)
        loudest = np.maximum(np.maximum.accumulate(level), utterance.loudest)
        utterance.loudest = float(loudest[-1])
        weight = weights(level, loudest)
        padded = np.concatenate([self._history, fresh])
        unit = spectra(padded[self._history.size - CONTEXT :])
        utterance.decoder.advance(unit, weight)
        utterance.likeness.add(periodicity(padded[self._history.size - PITCH_CONTEXT :]), weight, unit)
        self._history = padded[-self._history.size :]

    def end_utterance(self) -> None:
        """Forgets the open utterance; the next voiced frame opens another one."""
        self.flush()
        self._utterance = None

    def _skip(self, samples: np.ndarray) -> None:
        self._frames += samples.size // HOP
        self._history = np.concatenate([self._history, samples])[-self._history.size :]
        self._note_floor([_SILENT_DB] * (samples.size // HOP))

    def _listen(self, samples: np.ndarray) -> bool:
        any_voiced = False
        level = levels(samples)
        for index, loudness in enumerate(level.tolist()):
            frame = samples[index * HOP : (index + 1) * HOP]
            voiced = self._is_voiced(loudness)
            if voiced and self._utterance is None:
                self._open()
            if self._utterance is not None:
                self._pending.append(frame)
                self._pending_frames += 1
            else:
                self._history = np.concatenate([self._history[HOP:], frame])
            if voiced and self._utterance is not None:
                self._utterance.last_voiced = self._frames
                self._utterance.loudest = max(self._utterance.loudest, loudness)
                any_voiced = True
            self._frames += 1
        self._note_floor(level.tolist())
        if self._pending_frames >= BATCH:
            self.flush()
        return any_voiced

    def _is_voiced(self, loudness: float) -> bool:
        edge = FLOOR_DBFS
        if self._utterance is not None:
            edge = max(edge, self._utterance.loudest - RANGE_DB)
        if len(self._floor) >= _FLOOR_MIN_BLOCKS:
            floor = min(self._floor)
            if floor > edge:  # a steady noise that would count as voice for ever
                edge = floor + _ABOVE_FLOOR_DB
        return loudness > edge

    def _note_floor(self, level: list[float]) -> None:
        self._block.extend(level)
        while len(self._block) >= _FLOOR_BLOCK:
            self._floor.append(min(self._block[:_FLOOR_BLOCK]))
            del self._block[:_FLOOR_BLOCK]

    def _open(self) -> None:
        """Opens an utterance that starts a few frames back, for a voice begins below the threshold."""
        lead = self._history[-_LEAD_FRAMES * HOP :].copy()
        kept = np.zeros(_LEAD_FRAMES * HOP, np.int16)
        self._history = np.concatenate([kept, self._history[: -_LEAD_FRAMES * HOP]])
        self._pending = [lead]
        self._pending_frames = _LEAD_FRAMES
        self._utterance = _Utterance(
            self._frames - _LEAD_FRAMES, Decoder(self._library), SpeechLikeness(), _SILENT_DB, self._frames
        )

    def _read(self, utterance: _Utterance) -> RecognizedWord:
        heard = hear(utterance.decoder.stretches(), utterance.decoder.frames, utterance.likeness)
        shift = utterance.first * FRAME_S
        words = [
            VoicedSpan(word.text, round(word.start + shift, 2), round(word.end + shift, 2)) for word in heard.words
        ]
        ends = (utterance.last_voiced + 1) * FRAME_S
        if heard.complete and words and abs(words[-1].end - ends) < 0.15:
            words[-1] = VoicedSpan(words[-1].text, words[-1].start, round(ends, 2))
        return RecognizedWord(tuple(words), complete=heard.complete)


def transcribe(library: ClipLibrary, pcm: bytes) -> str:
    """The text of a whole recording (PCM s16le mono 16 kHz), empty when nothing was said. Takes CPU time."""
    recogniser = StreamingRecogniser(library)
    recogniser.feed(pcm)
    return recogniser.heard().text
