"""Frames of audio turned into numbers that two recordings of the same clip share.

PCM here is s16le mono at 16 kHz. A frame is 10 ms (160 samples); its spectrum looks at 25 ms that end with the frame,
so nothing waits for audio still to come.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE: Final = 16_000
HOP: Final = 160
FRAME_S: Final = HOP / RATE
WINDOW: Final = 400
CONTEXT: Final = WINDOW - HOP
"""Samples before a stretch of frames that its first spectrum needs."""
BANDS: Final = 32
PITCH_WINDOW: Final = 640
PITCH_CONTEXT: Final = PITCH_WINDOW - HOP
_FFT: Final = 512
_LOW_HZ: Final = 100.0
_HIGH_HZ: Final = 6_000.0  # telephones and noise suppression leave little above
_ROOT: Final = 0.25
_PITCH_LAGS: Final = (40, 229)  # 400 Hz down to 70 Hz

Floats = NDArray[np.float32]
Samples = NDArray[np.int16]


def _mel(hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """O'Shaughnessy's mel scale, 2595 log10(1 + f / 700)."""
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0))


def _filters() -> Floats:
    """Triangular mel filters of equal area, (257, BANDS): white noise comes out flat over the bands."""
    edges_mel = np.linspace(_mel(_LOW_HZ), _mel(_HIGH_HZ), BANDS + 2)
    edges = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    bins = np.arange(_FFT // 2 + 1)[:, None] * (RATE / _FFT)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.clip(np.minimum(rising, falling), 0.0, None)
    return (triangles / triangles.sum(axis=0)).astype(np.float32)


_FILTERS: Final = _filters()
# mean shape of the frames of the bundled clips that lie at most 25 dB below the loudest of their clip
# fmt: off
_AVERAGE_SHAPE: Final = np.array([
    0.196, 0.270, 0.181, 0.177, 0.238, 0.184, 0.140, 0.118, 0.070, 0.037, 0.004,
    -0.023, -0.050, -0.058, -0.061, -0.073, -0.077, -0.082, -0.095, -0.098, -0.093, -0.078,
    -0.069, -0.063, -0.072, -0.081, -0.060, -0.059, -0.065, -0.084, -0.119, -0.152,
], dtype=np.float32)
# fmt: on
_HANN: Final = np.hanning(WINDOW).astype(np.float32)
_PITCH_HANN: Final = np.hanning(PITCH_WINDOW).astype(np.float32)
_PITCH_SHADE: Final = np.fft.irfft(np.abs(np.fft.rfft(_PITCH_HANN, 2048)) ** 2)[: _PITCH_LAGS[1]]


def levels(samples: Samples) -> Floats:
    """RMS of every whole 10 ms frame in dBFS (full scale = 32768), shape (frames,); -200 for digital silence."""
    frames = samples[: samples.size // HOP * HOP].reshape(-1, HOP).astype(np.float32)
    power = np.einsum("ij,ij->i", frames, frames) / (HOP * 32768.0**2)
    return (10.0 * np.log10(power + 1e-20)).astype(np.float32)


def spectra(samples: Samples) -> Floats:
    """Unit vectors (frames, BANDS) of the frames behind the first CONTEXT samples; zeros for digital silence.

    The fourth root of the mel power, less its mean over the bands, at length one: the level falls out (a gain scales
    the root as a whole), and bands 20 dB down weigh little, so that added noise moves the direction only slightly.
    What all speech shares is taken away, so that the cosine of two unrelated frames lies around 0.
    """
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP].astype(np.float32)
    spectrum = np.abs(np.fft.rfft(windows * _HANN, _FFT)).astype(np.float32)
    root = np.power((spectrum * spectrum) @ _FILTERS, np.float32(_ROOT))
    shape = _unit(root - root.mean(axis=1, keepdims=True))
    sounding = np.any(shape, axis=1, keepdims=True)
    return _unit(np.where(sounding, shape - _AVERAGE_SHAPE, np.float32(0)))


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-3))


def periodicity(samples: Samples) -> Floats:
    """How strongly each frame behind the first PITCH_CONTEXT samples repeats at a pitch of 70 to 400 Hz, 0 to 1.

    The highest peak of the autocorrelation over 40 ms, divided by that of the window (Boersma 1993).
    """
    windows = np.lib.stride_tricks.sliding_window_view(samples, PITCH_WINDOW)[::HOP].astype(np.float32)
    windows = (windows - windows.mean(axis=1, keepdims=True)) * _PITCH_HANN
    correlation = np.fft.irfft(np.abs(np.fft.rfft(windows, 2048)) ** 2)[:, : _PITCH_LAGS[1]]
    energy = np.maximum(correlation[:, :1], 1.0)
    shade = _PITCH_SHADE / _PITCH_SHADE[0]
    return np.clip((correlation / energy / shade)[:, _PITCH_LAGS[0] :].max(axis=1), 0.0, 1.0).astype(np.float32)
