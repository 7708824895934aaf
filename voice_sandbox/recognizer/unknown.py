"""Tells speech that is in no clip from noise: speech repeats at a pitch for a while, and its spectrum moves."""

from __future__ import annotations

from typing import Final

import numpy as np

from voice_sandbox.recognizer.features import Floats

TEXT: Final = "unintelligible speech"
"""What unknown speech is heard as."""
_PERIODIC: Final = 0.55
_LEAST_WEIGHT: Final = 0.2
_LEAST_PERIODIC_FRAMES: Final = 30
_LEAST_FRAMES: Final = 50
_MOST_STEADY: Final = 0.9


class SpeechLikeness:
    """Pitch and spectrum of the frames of one utterance."""

    def __init__(self) -> None:
        self._periodicity: list[Floats] = []
        self._weight: list[Floats] = []
        self._unit: list[Floats] = []

    def add(self, periodicity: Floats, weight: Floats, unit: Floats) -> None:
        """Frames in order: pitch strength (n,), voice weight (n,), unit spectra (n, BANDS)."""
        self._periodicity.append(periodicity)
        self._weight.append(weight)
        self._unit.append(unit)

    def speech_in(self, first: int, end: int) -> tuple[int, int] | None:
        """The frames of [first, end) that hold unknown speech, or None.

        Speech is 500 ms from the first to the last voiced frame, 300 ms of them with a pitch, whose spectra do not all
        point one way: the mean of the unit spectra of a steady tone has a length near 1.
        """
        if end - first < _LEAST_FRAMES:
            return None
        weight = self._joined(self._weight)[first:end]
        voiced = np.flatnonzero(weight > _LEAST_WEIGHT)
        if not voiced.size or voiced[-1] - voiced[0] + 1 < _LEAST_FRAMES:
            return None
        pitched = (self._joined(self._periodicity)[first:end] > _PERIODIC) & (weight > _LEAST_WEIGHT)
        if pitched.sum() < _LEAST_PERIODIC_FRAMES:
            return None
        steadiness = float(np.linalg.norm(self._joined(self._unit)[first:end][pitched].mean(axis=0)))
        if steadiness > _MOST_STEADY:
            return None
        return first + int(voiced[0]), first + int(voiced[-1]) + 1

    @staticmethod
    def _joined(parts: list[Floats]) -> Floats:
        if len(parts) > 1:
            parts[:] = [np.concatenate(parts)]
        return parts[0]
