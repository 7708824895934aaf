"""The one audio format inside the service: PCM, signed 16-bit little-endian, mono, 16 kHz."""

from __future__ import annotations

from typing import Final

import numpy as np

SAMPLE_RATE: Final = 16_000  # samples per second
SAMPLE_WIDTH: Final = 2  # bytes per sample
BYTES_PER_SECOND: Final = SAMPLE_RATE * SAMPLE_WIDTH

# What counts as voice. The page's detector, the sandbox's recogniser and the load test's caller have the same figures.
VOICE_FLOOR_DBFS: Final = -50.0  # at or below this level nothing is voiced
VOICE_BELOW_PEAK_DB: Final = 35.0  # nor is what is so much quieter than the loudest of its utterance
VOICE_ABOVE_NOISE_DB: Final = 9.0  # a voice is at least so much louder than the noise floor


def amplitude(decibels: float) -> float:
    """Decibels as a ratio of amplitudes: dBFS → share of full scale."""
    return float(10 ** (decibels / 20))


def duration_s(pcm_bytes: int) -> float:
    """Seconds of audio in so many bytes of PCM s16le mono 16 kHz."""
    return pcm_bytes / BYTES_PER_SECOND


def bytes_for(seconds: float) -> int:
    """Whole samples, in bytes, that make up `seconds` of PCM s16le mono 16 kHz (rounded down)."""
    return int(seconds * SAMPLE_RATE) * SAMPLE_WIDTH


def rms(pcm: bytes) -> float:
    """Root mean square of PCM s16le as a share of full scale (0.0 to 1.0); 0.0 for no samples."""
    if len(pcm) < SAMPLE_WIDTH:
        return 0.0
    samples = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // SAMPLE_WIDTH).astype(np.float32)
    return float(np.sqrt(samples.dot(samples) / samples.size) / 32768.0)
