"""Local voice activity: does somebody speak, and when did the last voiced audio arrive?

Two tests must agree on each 20 ms frame: WebRTC's detector, which knows speech from hum and hiss but lingers for about
100 ms after its end, and an energy gate above the tracked noise floor, which is exact in time but takes a slammed door
for speech. What is left over (a cough) is settled by the recogniser: no word, no barge-in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import webrtcvad

from agent.core.audio import (
    SAMPLE_RATE,
    SAMPLE_WIDTH,
    VOICE_ABOVE_NOISE_DB,
    VOICE_BELOW_PEAK_DB,
    VOICE_FLOOR_DBFS,
    amplitude,
    rms,
)

FRAME_MS: Final = 20
FRAME_S: Final = FRAME_MS / 1000
FRAME_BYTES: Final = SAMPLE_RATE * FRAME_MS // 1000 * SAMPLE_WIDTH
ONSET_FRAMES: Final = 3  # voiced frames of the last four that make an onset: 60 ms
ONSET_WINDOW: Final = 4
RELEASE_FRAMES: Final = 15  # unvoiced frames that end a voice: 300 ms
MIN_RMS: Final = amplitude(VOICE_FLOOR_DBFS)
BELOW_PEAK: Final = amplitude(-VOICE_BELOW_PEAK_DB)
ABOVE_NOISE: Final = amplitude(VOICE_ABOVE_NOISE_DB)
LOUDEST_NOISE: Final = 0.02  # -34 dBFS: what is louder when a call begins is a voice
FLOOR_RISE: Final = 1.005  # per frame: 28 % a second, so that a louder room is learnt in some seconds
PEAK_DECAY: Final = 0.97  # per frame: a loud moment is forgotten within some seconds of quieter speech


@dataclass(frozen=True, slots=True)
class VoiceStarted:
    """An onset. `at` is when the first voiced frame of it arrived (loop time, seconds)."""

    at: float


@dataclass(frozen=True, slots=True)
class VoiceStopped:
    """The voice ended. `at` is when its last voiced frame arrived (loop time, seconds)."""

    at: float


VoiceEvent = VoiceStarted | VoiceStopped


class VoiceActivity:
    """Feed it PCM s16le mono 16 kHz as it arrives."""

    def __init__(self, aggressiveness: int = 2) -> None:
        self._webrtc = webrtcvad.Vad(aggressiveness)
        self._rest = b""
        self._floor: float | None = None
        self._peak = 0.0
        self._recent: list[float | None] = []  # arrival times of the voiced frames among the last few
        self._unvoiced = 0
        self.speaking = False
        self.last_voiced_at: float | None = None
        self.voiced_s = 0.0
        """Seconds of all the audio so far that were voiced."""

    def feed(self, pcm: bytes, at: float) -> list[VoiceEvent]:
        """Takes audio that arrived at loop time `at` and returns what changed."""
        data = self._rest + pcm if self._rest else pcm
        whole = len(data) - len(data) % FRAME_BYTES
        self._rest = data[whole:]
        events: list[VoiceEvent] = []
        for start in range(0, whole, FRAME_BYTES):
            event = self._frame(data[start : start + FRAME_BYTES], at)
            if event is not None:
                events.append(event)
        return events

    def _frame(self, frame: bytes, at: float) -> VoiceEvent | None:
        voiced = self._voiced(frame)
        self._recent.append(at if voiced else None)
        del self._recent[:-ONSET_WINDOW]
        if voiced:
            self.voiced_s += FRAME_S
            self._unvoiced = 0
            if self.speaking:
                self.last_voiced_at = at
        else:
            self._unvoiced += 1
        if self.speaking:
            if self._unvoiced < RELEASE_FRAMES:
                return None
            self.speaking = False
            self._peak = 0.0
            return VoiceStopped(self.last_voiced_at if self.last_voiced_at is not None else at)
        onset = [time for time in self._recent if time is not None]
        if len(onset) < ONSET_FRAMES:
            return None
        self.speaking = True
        self.last_voiced_at = onset[-1]
        return VoiceStarted(onset[0])

    def _voiced(self, frame: bytes) -> bool:
        level = rms(frame)
        gate = max(MIN_RMS, self._noise_floor(level) * ABOVE_NOISE, self._peak * BELOW_PEAK)
        self._peak = max(level, self._peak * PEAK_DECAY)
        return level > gate and self._webrtc.is_speech(frame, SAMPLE_RATE)

    def _noise_floor(self, level: float) -> float:
        """The quietest frame, slowly forgotten; at the start the first frame, as far as it can be noise."""
        if self._floor is None:
            self._floor = min(level, LOUDEST_NOISE)
        floor = level if level < self._floor else min(self._floor * FLOOR_RISE, 0.1)
        self._floor = max(floor, 1e-5)
        return self._floor
