"""Seeded noises, 16 kHz, as shares of full scale with an RMS of 1 (steady ones) or a peak of 1 (single events)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
RATE: Final = 16_000


def _unit(samples: Samples) -> Samples:
    return samples / np.sqrt(np.mean(samples**2))


def white(dice: np.random.Generator, size: int) -> Samples:
    """Hiss."""
    return _unit(dice.normal(size=size))


def pink(dice: np.random.Generator, size: int) -> Samples:
    """A room, a street: as much power in every octave."""
    spectrum = np.fft.rfft(dice.normal(size=size))
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.size), 1))
    return _unit(np.fft.irfft(spectrum, size))


def hum(dice: np.random.Generator, size: int) -> Samples:
    """Mains with its harmonics."""
    time = np.arange(size) / RATE
    return _unit(sum((np.sin(2 * np.pi * 50 * k * time + dice.uniform(0, 6)) / k for k in range(1, 9)), np.zeros(size)))


def babble(clips: Sequence[Samples]) -> Callable[[np.random.Generator, int], Samples]:
    """Six voices at once."""

    def make(dice: np.random.Generator, size: int) -> Samples:
        total = np.zeros(size)
        for index in dice.integers(len(clips), size=6):
            voice = np.resize(clips[index], size)
            total += np.roll(voice, int(dice.integers(size)))
        return _unit(total)

    return make


def _event(dice: np.random.Generator, length_s: float, decay_s: float, low_pass: int) -> Samples:
    noise = np.convolve(dice.normal(size=int(length_s * RATE)), np.ones(low_pass) / low_pass, mode="same")
    shaped = noise * np.exp(-np.arange(noise.size) / RATE / decay_s)
    return shaped / np.abs(shaped).max()


def _scattered(dice: np.random.Generator, size: int, per_s: float, make: Callable[[], Samples]) -> Samples:
    out = np.zeros(size)
    for start in np.sort(dice.integers(0, max(1, size - RATE), size=max(1, round(size / RATE * per_s)))):
        event = make()
        out[start : start + event.size] += event * dice.uniform(0.3, 0.8)
    return np.clip(out, -1, 1)


def keys(dice: np.random.Generator, size: int) -> Samples:
    """Two key strokes a second."""
    return _scattered(dice, size, 2.0, lambda: _event(dice, 0.09, 0.02, 2))


def doors(dice: np.random.Generator, size: int) -> Samples:
    """A door every two seconds."""
    return _scattered(dice, size, 0.5, lambda: _event(dice, 0.4, 0.08, 24))


def ring(dice: np.random.Generator, size: int) -> Samples:
    """A telephone that rings: one second in three."""
    time = np.arange(size) / RATE
    tone = np.sin(2 * np.pi * 440 * time) + np.sin(2 * np.pi * 480 * time)
    return 0.2 * tone * ((time + dice.uniform(0, 3)) % 3 < 1)
