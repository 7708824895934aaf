"""Audio that is not what was asked for: believed as it says itself, decoded, or refused before it is heard."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from agent.providers.audio_format import SpeechDecoder, UnknownFormatError

RATE = 16_000
SECONDS = 1.5


def _tone(rate: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    time = np.arange(int(rate * SECONDS)) / rate
    return (np.sin(2 * np.pi * 440 * time) * 8000).astype("<i2")


def _file(form: str, subtype: str, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, _tone(rate), rate, format=form, subtype=subtype)
    return file.getvalue()


def _decoded(data: bytes, content_type: str, *, asked: int = RATE, chunk: int = 1600) -> bytes:
    decoder = SpeechDecoder(asked, {"content-type": content_type})
    pcm = b"".join(decoder.feed(data[at : at + chunk]) for at in range(0, len(data), chunk))
    return pcm + decoder.finish()


def _pitch(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, dtype="<i2")[1000:-1000].astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * RATE / samples.size)


FORMS = [
    (_tone(16_000).tobytes(), "audio/pcm"),
    (_tone(22_050).tobytes(), "audio/pcm;rate=22050"),
    (_tone(24_000).tobytes(), "audio/l16; rate=24000; channels=1"),
    (_file("WAV", "PCM_16"), "audio/wav"),
    (_file("WAV", "PCM_16", 24_000), "audio/pcm"),
    (_file("WAV", "PCM_16", 44_100), "application/octet-stream"),
    (_file("WAV", "ULAW", 8_000), "audio/wav"),
    (_file("RAW", "ULAW", 8_000), "audio/basic"),
    (_file("MP3", "MPEG_LAYER_III"), "audio/mpeg"),
    (_file("MP3", "MPEG_LAYER_III", 44_100), "audio/pcm"),
    (_file("OGG", "VORBIS", 24_000), "audio/ogg"),
    (_file("FLAC", "PCM_16"), "audio/flac"),
    (_file("AIFF", "PCM_16"), "audio/pcm"),
]


@pytest.mark.parametrize("chunk", [7, 1600, 1_000_000])
@pytest.mark.parametrize("form", range(len(FORMS)))
def test_known_formats_sound_as_they_should(form: int, chunk: int) -> None:
    data, content_type = FORMS[form]
    pcm = _decoded(data, content_type, chunk=chunk)
    assert len(pcm) % 2 == 0
    assert len(pcm) / 2 / RATE == pytest.approx(SECONDS, abs=0.12)
    assert _pitch(pcm) == pytest.approx(440, abs=3)


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b'{"detail": "something went wrong"}', "application/json"),
        (b'{"detail": "something went wrong"}', "audio/pcm"),
        (b"<html><body>Bad gateway</body></html>", "text/html"),
        (b"<html><body>Bad gateway</body></html>", ""),
        (b"\x00\x00\x00\x20ftypM4A " + bytes(2000), "audio/mp4"),
        (b"\x1aE\xdf\xa3" + bytes(2000), "audio/webm"),
        (bytes(range(200)) * 20, "audio/mpeg"),
        (b"OggS" + bytes(4000), "audio/ogg"),
        (b"RIFF\x00\x00\x00\x00WAVE" + bytes(6000), "audio/wav"),
    ],
)
def test_what_is_not_known_is_refused_before_a_sample_of_it_is_heard(data: bytes, content_type: str) -> None:
    heard: list[bytes] = []

    def hear() -> None:
        decoder = SpeechDecoder(RATE, {"content-type": content_type})
        heard.extend(decoder.feed(data[at : at + 100]) for at in range(0, len(data), 100))
        heard.append(decoder.finish())

    with pytest.raises(UnknownFormatError):
        hear()
    assert b"".join(heard) == b""


@given(st.binary(max_size=6000), st.integers(1, 700))
def test_pcm_that_begins_like_anything_stays_whole_samples(data: bytes, chunk: int) -> None:
    try:
        pcm = _decoded(data, "audio/pcm", chunk=chunk)
    except UnknownFormatError:
        return
    assert len(pcm) % 2 == 0


def test_one_odd_byte_is_nobodys_loss() -> None:
    pcm = _tone(RATE).tobytes()
    assert _decoded(pcm + b"\x01", "audio/pcm") == pcm


def test_quiet_noise_is_not_taken_for_mp3() -> None:
    pcm = np.full(8000, -1025, dtype="<i2").tobytes()  # FF FB, as a frame of MPEG layer III begins
    assert _decoded(pcm, "audio/pcm") == pcm
