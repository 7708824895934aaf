"""Streams of PCM from one sample rate to 16 kHz, and whole samples out of arbitrary byte chunks."""

from __future__ import annotations

import numpy as np
import soxr

from agent.core.audio import SAMPLE_RATE, SAMPLE_WIDTH


class WholeSamples:
    """Cuts a byte stream of 16-bit samples at sample borders: an odd byte waits for its other half."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def broken_off(self) -> bool:
        """Whether the stream stands inside a sample: at its end, a sign that the end is missing."""
        return bool(self._rest)

    def feed(self, data: bytes) -> bytes:
        """Whole samples so far; may be empty."""
        data = self._rest + data if self._rest else data
        odd = len(data) % SAMPLE_WIDTH
        self._rest = data[len(data) - odd :]
        return data[: len(data) - odd] if odd else data


class ToSessionRate:
    """Resamples PCM s16le mono of `rate` to 16 kHz, chunk by chunk (soxr, quality HQ)."""

    def __init__(self, rate: int) -> None:
        self._stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="int16")

    def feed(self, pcm: bytes, *, last: bool = False) -> bytes:
        """Resampled PCM; may be empty, since the filter looks ahead. `last` gives out the rest, once."""
        samples = np.frombuffer(pcm, dtype="<i2")
        return self._stream.resample_chunk(samples, last=last).astype("<i2", copy=False).tobytes()
