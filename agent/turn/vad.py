"""Local voice activity: does somebody speak, and when did the last voiced audio arrive?

Two tests must agree on each 20 ms frame: WebRTC's detector, which knows speech from hum and hiss but lingers for about
100 ms after its end, and an energy gate above the tracked noise floor, which is exact in time but takes a slammed door
for speech. What is left over (a cough) is settled by the recogniser: no word, no barge-in.

The floor is the quietest frame of the last four seconds (speech is as quiet as its room for a moment in so long), and a
sound that keeps its level for a second is no speech but the room: a vacuum cleaner is learned that quickly.
An offset of the microphone (DC) is taken out first. Digital silence says nothing about a room:
clients send it while they are muted.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
import webrtcvad

from agent.core.audio import (
    SAMPLE_RATE,
    SAMPLE_WIDTH,
    VOICE_ABOVE_NOISE_DB,
    VOICE_BELOW_PEAK_DB,
    VOICE_FLOOR_DBFS,
    amplitude,
)

FRAME_MS: Final = 20
FRAME_S: Final = FRAME_MS / 1000
FRAME_SAMPLES: Final = SAMPLE_RATE * FRAME_MS // 1000
FRAME_BYTES: Final = FRAME_SAMPLES * SAMPLE_WIDTH
ONSET_FRAMES: Final = 3  # voiced frames of the last four that make an onset: 60 ms
ONSET_WINDOW: Final = 4
RELEASE_FRAMES: Final = 15  # unvoiced frames that end a voice: 300 ms
MIN_RMS: Final = amplitude(VOICE_FLOOR_DBFS)
BELOW_PEAK: Final = amplitude(-VOICE_BELOW_PEAK_DB)
ABOVE_NOISE: Final = amplitude(VOICE_ABOVE_NOISE_DB)
LOUDEST_NOISE: Final = 0.02  # -34 dBFS: what is louder when a call begins is a voice, until the floor is known
FLOOR_BLOCK: Final = 5  # frames: the floor is looked for in steps of 100 ms
FLOOR_BLOCKS: Final = 40  # that many steps back: 4 s
STEADY_BLOCKS: Final = 10  # what stays within STEADY for so many steps is noise
STEADY: Final = amplitude(6.0)
DC_SHARE: Final = 0.1  # of a frame's mean that the offset follows
PEAK_DECAY: Final = 0.97  # per frame: a loud moment is forgotten within some seconds of quieter speech

_LEAST_FLOOR: Final = 1e-5
_DIGITAL_SILENCE: Final = bytes(FRAME_BYTES)
_MEAN: Final = np.full(FRAME_SAMPLES, 1 / FRAME_SAMPLES)


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
        self._floor = _NoiseFloor()
        self._dc = 0.0
        self._peak = 0.0
        self._recent: deque[float | None] = deque(maxlen=ONSET_WINDOW)  # arrival times of the voiced frames among them
        self._unvoiced = 0
        self.speaking = False
        self.last_voiced_at: float | None = None
        self.voiced_s = 0.0
        """Seconds of all the audio so far that were voiced."""

    def feed(self, pcm: bytes, at: float) -> list[VoiceEvent]:
        """Takes audio that arrived at loop time `at` and returns what changed."""
        if len(pcm) == FRAME_BYTES and not self._rest:  # as nearly all clients send it
            event = self._frame(pcm, at)
            return [] if event is None else [event]
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
        if not voiced:
            self._unvoiced += 1
            if not self.speaking or self._unvoiced < RELEASE_FRAMES:
                return None  # an onset is told with its last voiced frame
            self.speaking = False
            self._peak = 0.0
            return VoiceStopped(self.last_voiced_at if self.last_voiced_at is not None else at)
        self.voiced_s += FRAME_S
        self._unvoiced = 0
        if self.speaking:
            self.last_voiced_at = at
            return None
        onset = [time for time in self._recent if time is not None]
        if len(onset) < ONSET_FRAMES:
            return None
        self.speaking = True
        self.last_voiced_at = onset[-1]
        return VoiceStarted(onset[0])

    def _voiced(self, frame: bytes) -> bool:
        if frame == _DIGITAL_SILENCE:
            self._floor.begin(0.0)
            return False
        # sums as products of BLAS: numpy's own reductions cost ten times as much on so few samples
        samples = np.frombuffer(frame, dtype="<i2").astype(np.float64)
        mean = float(samples.dot(_MEAN))
        self._dc += DC_SHARE * (mean - self._dc) if self._floor.begun else mean
        samples -= self._dc
        level = math.sqrt(float(samples.dot(samples)) / FRAME_SAMPLES) / 32768.0
        gate = max(MIN_RMS, self._floor.learn(level) * ABOVE_NOISE, self._peak * BELOW_PEAK)
        self._peak = max(level, self._peak * PEAK_DECAY)
        if level <= gate:
            return False
        if abs(self._dc) > 1.0:
            np.minimum(np.maximum(samples, -32768.0, out=samples), 32767.0, out=samples)
            frame = samples.astype("<i2").tobytes()
        return self._webrtc.is_speech(frame, SAMPLE_RATE)


class _NoiseFloor:
    """The level of what is always there, as a share of full scale."""

    def __init__(self) -> None:
        self._block: list[float] = []
        self._quietest: deque[float] = deque(maxlen=FLOOR_BLOCKS)
        self._usual: deque[float] = deque(maxlen=STEADY_BLOCKS)
        self._level = LOUDEST_NOISE
        self.begun = False

    def begin(self, level: float) -> None:
        """The first level is what is there, as far as it can be noise."""
        if not self.begun:
            self.begun = True
            self._level = min(level, LOUDEST_NOISE)

    def learn(self, level: float) -> float:
        """Takes the level of the next frame and returns the floor."""
        self.begin(level)
        self._level = min(self._level, level)
        self._block.append(level)
        if len(self._block) == FLOOR_BLOCK:
            self._quietest.append(min(self._block))
            self._usual.append(sum(self._block) / FLOOR_BLOCK)
            self._block.clear()
            self._look_back()
        return max(self._level, _LEAST_FLOOR)

    def _look_back(self) -> None:
        if len(self._usual) == STEADY_BLOCKS and max(self._usual) < min(self._usual) * STEADY:
            self._level = min(self._usual)
        elif len(self._quietest) == FLOOR_BLOCKS:
            self._level = min(self._quietest)
