"""What counts as voice: one definition for the clips, the callers and the service.

A 10 ms frame is voiced when its RMS lies above max(-50 dBFS, loudest frame of the clip - 35 dB). Speech ends with its
last voiced frame.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from voice_sandbox.recognizer.features import FRAME_S, Floats

FLOOR_DBFS: Final = -50.0
RANGE_DB: Final = 35.0
_FULL_WEIGHT_DB: Final = 15.0
_WEIGHT_RANGE_DB: Final = 30.0
_LEAST_LOUD_DBFS: Final = -35.0


@dataclass(frozen=True, slots=True)
class VoicedSpan:
    """One word and its place, in seconds from the start of the clip or of the stream."""

    text: str
    start: float
    end: float


def weights(level: Floats, loudest: Floats | float) -> Floats:
    """How much each frame counts when clips are compared: 0 from 30 dB below the loudest frame on, 1 up to 15 dB below.

    Relative to the loudest frame alone, so that a gain changes nothing; a "loudest" under -35 dBFS counts as -35, so
    that the background before a voice is no voice.
    """
    edge = np.maximum(_LEAST_LOUD_DBFS, np.asarray(loudest)) - _WEIGHT_RANGE_DB
    return np.clip((level - edge) / _FULL_WEIGHT_DB, 0.0, 1.0).astype(np.float32)


def spread_words(transcript: str, level: Floats) -> tuple[VoicedSpan, ...]:
    """The words of a clip laid over its voiced frames in proportion to their letters; the last one ends with the voice.

    `level` is dBFS per 10 ms. A clip without a voiced frame has no words.
    """
    texts = transcript.split()
    if not texts or not level.size:
        return ()
    voiced = np.flatnonzero(level > max(FLOOR_DBFS, float(level.max()) - RANGE_DB))
    if not voiced.size:
        return ()
    letters = np.array([max(1, len(re.sub(r"\W", "", text))) for text in texts])
    bounds = np.round(np.concatenate([[0], np.cumsum(letters)]) / letters.sum() * voiced.size).astype(int)
    words: list[VoicedSpan] = []
    for text, first, last in zip(texts, bounds[:-1], bounds[1:], strict=True):
        first = min(int(first), voiced.size - 1)
        last = max(int(last) - 1, first)
        words.append(VoicedSpan(text, float(voiced[first]) * FRAME_S, float(voiced[last] + 1) * FRAME_S))
    return tuple(words)
