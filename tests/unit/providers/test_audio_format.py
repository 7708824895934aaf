"""Audio that is not what was asked for: believed as it says itself, decoded, or refused before it is heard."""

from __future__ import annotations

import base64
import gzip
import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import example, given
from hypothesis import strategies as st

from agent.providers.audio_format import SpeechDecoder, UnknownFormatError

RATE = 16_000
SECONDS = 1.5


def _tone(rate: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    time = np.arange(int(rate * SECONDS)) / rate
    return (np.sin(2 * np.pi * 440 * time) * 8000).astype("<i2")


def _file(form: str, subtype: str, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, _tone(rate) / 32768, rate, format=form, subtype=subtype)
    return file.getvalue()


def _streamed(subtype: str, size: bytes) -> bytes:
    """A WAV file whose header was written before its length was known."""
    file = _file("WAV", subtype)
    at = file.index(b"data") + 4
    return file[:4] + size + file[8:at] + size + file[at + 4 :]


def _noted(*, before: int, after: int) -> bytes:
    """A WAV file with notes around its sound, which are no sound."""
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    sound = _tone(RATE).tobytes()
    chunks = (b"LIST", b"\x7f\x80" * (before // 2)), (b"data", sound), (b"LIST", b"\x7f\x80" * (after // 2))
    body = b"WAVE" + form + b"".join(name + struct.pack("<I", len(data)) + data for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


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
    (_file("WAV", "FLOAT", 24_000), "audio/wav"),
    (_file("WAV", "DOUBLE"), "audio/wav"),
    (_file("WAV", "PCM_32"), "audio/wav"),
    (_file("WAV", "PCM_24"), "audio/wav"),
    (_file("AU", "PCM_16"), "audio/basic"),
    (_file("CAF", "PCM_16"), "audio/x-caf"),
    (_file("RF64", "PCM_16"), "audio/wav"),
    (_file("W64", "PCM_16"), "audio/wav"),
    (_file("RAW", "ALAW", 8_000), "audio/x-alaw"),
    (_tone(8_000).astype(">i2").tobytes(), "audio/l16;rate=8000"),
    (np.repeat(_tone(16_000), 2).tobytes(), "audio/l16;rate=16000;channels=2"),
    (_streamed("PCM_24", b"\x00\x00\x00\x00"), "audio/wav"),
    (_streamed("FLOAT", b"\xff\xff\xff\xff"), "audio/wav"),
    (_streamed("PCM_16", b"\x00\x00\x00\x00"), "audio/wav"),
    (_noted(before=6_000, after=20_000), "audio/wav"),
]


@pytest.mark.parametrize("chunk", [7, 1600, 1_000_000])
@pytest.mark.parametrize("form", range(len(FORMS)))
def test_known_formats_sound_as_they_should(form: int, chunk: int) -> None:
    data, content_type = FORMS[form]
    pcm = _decoded(data, content_type, chunk=chunk)
    assert len(pcm) % 2 == 0
    assert len(pcm) / 2 / RATE == pytest.approx(SECONDS, abs=0.12)
    assert _pitch(pcm) == pytest.approx(440, abs=3)
    assert np.sqrt(np.square(np.frombuffer(pcm, dtype="<i2").astype(float)).mean()) == pytest.approx(5650, rel=0.1)


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
        (_file("WAV", "GSM610", 8_000), "audio/wav"),
        ((b"\xff\xf1\x50\x80\x0f\xff\xfc" + bytes(range(120))) * 200, "audio/aac"),
        ((b"\xff\xf1\x50\x80\x0f\xff\xfc" + bytes(range(120))) * 200, "audio/pcm"),
        (b"upstream connect error or disconnect/reset before headers. " * 9, "application/octet-stream"),
        (b"Service Unavailable", ""),
        ("出错了，请稍后再试。".encode() * 40, "audio/pcm"),
        (b'\xef\xbb\xbf{"detail": {"status": "quota"}}' * 20, "audio/pcm"),
        ('{"detail": "quota"}'.encode("utf-16"), "audio/pcm"),
        (b'[{"error": "x"}]', "audio/pcm"),
        (b'data: {"audio": "AAAA"}\n\n' * 50, "audio/pcm"),
        (base64.b64encode(_tone(RATE).tobytes()), "audio/pcm"),
        (_tone(RATE).tobytes().hex().encode(), "audio/pcm"),
        (gzip.compress(np.random.default_rng(1).bytes(4000)), "audio/pcm"),
        (np.random.default_rng(2).bytes(4000), "audio/pcm"),
        (b"\x28\xb5\x2f\xfd" + bytes(3000), "audio/pcm"),
        (b"#!AMR\n" + bytes(3000), "audio/amr"),
        (_tone(RATE).tobytes(), "audio/x-unheard-of"),
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


def _passes(pcm: bytes) -> bool:
    return _decoded(pcm, "audio/pcm", chunk=len(pcm)) == pcm


CLIPS = sorted((Path(__file__).parents[3] / "voice_sandbox" / "clips").glob("*.wav"))


@pytest.mark.parametrize("gain", [0.001, 0.03, 1, 2])
def test_no_recording_is_refused_wherever_it_begins(gain: float) -> None:
    assert CLIPS
    refused = []
    for path in CLIPS:
        with wave.open(str(path)) as clip:
            samples = np.frombuffer(clip.readframes(clip.getnframes()), dtype="<i2")
        pcm = np.clip(samples * gain, -32768, 32767).astype("<i2").tobytes()
        refused += [(path.name, at) for at in range(0, len(pcm) - 1024, 4096) if not _passes(pcm[at : at + 1024])]
    assert refused == []


@given(st.integers(0, 2**32), st.integers(0, 9000), st.sampled_from([60, 220, 3400]), st.integers(-3000, 3000))
@example(0, 0, 60, 2596)  # bytes 24 0A: "$", and a line break
def test_no_sound_up_to_a_loud_hiss_is_refused(seed: int, loud: int, pitch: int, offset: int) -> None:
    hiss = np.random.default_rng(seed).normal(0, loud / 2 + 1, 600)
    tone = loud * np.sin(2 * np.pi * pitch * np.arange(600) / RATE)
    assert _passes(np.clip(hiss + tone + offset, -32768, 32767).astype("<i2").tobytes())


def test_one_odd_byte_is_nobodys_loss() -> None:
    pcm = _tone(RATE).tobytes()
    assert _decoded(pcm + b"\x01", "audio/pcm") == pcm


def test_quiet_noise_is_not_taken_for_mp3() -> None:
    pcm = np.full(8000, -1025, dtype="<i2").tobytes()  # FF FB, as a frame of MPEG layer III begins
    assert _decoded(pcm, "audio/pcm") == pcm
