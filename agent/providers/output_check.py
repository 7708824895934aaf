"""What counts as useful output: sound in audio, something to say in text."""

from __future__ import annotations

import unicodedata
from typing import Final

import numpy as np

from agent.core.audio import VOICE_FLOOR_DBFS, amplitude

FRAME_SAMPLES: Final = 160
_THRESHOLD: Final = float((32768.0 * amplitude(VOICE_FLOOR_DBFS)) ** 2)  # mean square of a frame that is just silence


def audible(pcm: bytes) -> bool:
    """Whether any 10 ms frame of this PCM s16le mono 16 kHz is over -50 dBFS; a shorter rest counts as a frame."""
    samples = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2).astype(np.float32)
    if samples.size == 0:
        return False
    whole = samples[: samples.size - samples.size % FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    if whole.size and float(np.mean(whole * whole, axis=1).max()) > _THRESHOLD:
        return True
    rest = samples[whole.size :]
    return bool(rest.size) and float(np.mean(rest * rest)) > _THRESHOLD


def first_audible_frame(pcm: bytes) -> int | None:
    """The number of the first 10 ms frame over -50 dBFS; None where there is none. A shorter rest counts as a frame."""
    samples = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2).astype(np.float32)
    padded = np.pad(samples, (0, -samples.size % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES)
    loud = np.flatnonzero(np.mean(padded * padded, axis=1) > _THRESHOLD) if samples.size else samples
    return int(loud[0]) if loud.size else None


def has_words(text: str) -> bool:
    """Whether a typed text says something: a letter, a digit or a picture ("👍"), and not marks alone."""
    return any(character.isalnum() or unicodedata.category(character) == "So" for character in text)


def speakable(text: str) -> bool:
    """Whether there is anything to say: a letter or a digit in any script."""
    return any(character.isalnum() for character in text)
