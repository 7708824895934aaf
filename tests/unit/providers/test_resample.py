from __future__ import annotations

import numpy as np

from agent.providers.resample import ToSessionRate, WholeSamples


def test_an_odd_byte_waits_for_its_other_half() -> None:
    whole = WholeSamples()
    assert whole.feed(b"\x01\x02\x03") == b"\x01\x02"
    assert whole.broken_off
    assert whole.feed(b"\x04\x05\x06\x07") == b"\x03\x04\x05\x06"
    assert whole.feed(b"\x08") == b"\x07\x08"
    assert not whole.broken_off
    assert whole.feed(b"") == b""


def test_chunks_resample_like_the_whole() -> None:
    """440 Hz at 24 kHz stays 440 Hz, as loud and as long, at 16 kHz, whatever the chunks."""
    time = np.arange(24_000) / 24_000
    source = (10_000 * np.sin(2 * np.pi * 440 * time)).astype("<i2").tobytes()
    resampler = ToSessionRate(24_000)
    sizes = [960, 2, 4800, 0, 12_000, len(source)]
    parts: list[bytes] = []
    at = 0
    for size in sizes:
        parts.append(resampler.feed(source[at : at + size]))
        at += size
    parts.append(resampler.feed(b"", last=True))
    result = np.frombuffer(b"".join(parts), dtype="<i2").astype(np.float64)

    assert abs(result.size - 16_000) <= 1
    spectrum = np.abs(np.fft.rfft(result[:16_000], 16_000))
    assert int(spectrum.argmax()) == 440
    middle = result[2000:14_000]
    assert abs(np.sqrt(np.mean(middle**2)) - 10_000 / np.sqrt(2)) < 50
