from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from voice_loadtest.audio import FRAME_BYTES, CallerRecording, CallerRecordingError, frames, load_wav, save_wav


def sine(rate: int, seconds: float = 0.5) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)


def riff(samples: bytes, *, rate: int, channels: int, bits: int, kind: int = 1, extensible: bool = False) -> bytes:
    width = bits // 8 * channels
    layout = struct.pack("<HHIIHH", 0xFFFE if extensible else kind, channels, rate, rate * width, width, bits)
    if extensible:
        layout += struct.pack("<HHIH14s", 22, bits, 0, kind, b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71")
    chunks = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # chunks of odd length are padded
    chunks += b"fmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def encode(signal: NDArray[np.float64], bits: int, kind: int) -> bytes:
    if kind == 3:
        return signal.astype("<f4").tobytes()
    if bits == 8:
        return (signal * 127 + 128).astype(np.uint8).tobytes()
    if bits == 24:
        return (signal * 2**31).astype("<i4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    return (signal * 2 ** (bits - 1)).astype(f"<i{bits // 8}").tobytes()


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000])
@pytest.mark.parametrize(("bits", "kind"), [(8, 1), (16, 1), (24, 1), (32, 1), (32, 3)])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("extensible", [False, True])
def test_every_kind_of_wav_becomes_the_same_audio(
    tmp_path: Path, rate: int, bits: int, kind: int, channels: int, extensible: bool
) -> None:
    data = encode(np.repeat(sine(rate), channels), bits, kind)
    path = tmp_path / "clip.wav"
    path.write_bytes(riff(data, rate=rate, channels=channels, bits=bits, kind=kind, extensible=extensible))
    clip = load_wav(path)
    assert clip.name == "clip.wav"
    assert clip.seconds == pytest.approx(0.5, abs=0.001)
    heard = np.frombuffer(clip.pcm, dtype="<i2")[800:-800] / 32768
    assert np.abs(heard - sine(16_000)[800 : 800 + len(heard)]).max() < (0.03 if bits == 8 else 0.01)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = np.full(1600, 0.5), np.full(1600, 0.1)
    data = encode(np.column_stack((left, right)).reshape(-1), 16, 1)
    (tmp_path / "c.wav").write_bytes(riff(data, rate=16_000, channels=2, bits=16))
    assert np.frombuffer(load_wav(tmp_path / "c.wav").pcm, dtype="<i2").mean() == pytest.approx(0.3 * 32768, abs=2)


@pytest.mark.parametrize(
    ("kind", "subtype", "loudest"),
    [(7, "ULAW", 32_124), (6, "ALAW", 32_256)],
)
def test_a_telephone_s_codes_are_read_as_another_program_reads_them(
    tmp_path: Path, kind: int, subtype: str, loudest: int
) -> None:
    every_code = bytes(range(256)) * 4
    path = tmp_path / "phone.wav"
    path.write_bytes(riff(every_code, rate=16_000, channels=1, bits=8, kind=kind))
    decoded = np.frombuffer(load_wav(path).pcm, dtype="<i2")
    expected, _ = soundfile.read(
        io.BytesIO(every_code), format="RAW", subtype=subtype, samplerate=16_000, channels=1, dtype="int16"
    )
    assert decoded.tolist() == expected.tolist()
    assert (decoded.max(), decoded.min()) == (loudest, -loudest)


def test_a_length_that_is_too_large_reads_what_is_there(tmp_path: Path) -> None:
    data = riff(encode(sine(16_000), 16, 1), rate=16_000, channels=1, bits=16)
    position = data.index(b"data") + 4
    (tmp_path / "pipe.wav").write_bytes(data[:position] + struct.pack("<I", 0x7FFFF000) + data[position + 4 :])
    assert load_wav(tmp_path / "pipe.wav").seconds == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a WAV file"),
        (b"ID3\x04 an mp3", "not a WAV file"),
        (riff(b"", rate=16_000, channels=1, bits=16), "without audio"),
        (riff(b"\0" * 64, rate=16_000, channels=1, bits=12), "12 bits"),
        (riff(b"\0" * 64, rate=16_000, channels=1, bits=16, kind=7), "format 7"),
        (riff(b"\0" * 64, rate=16_000, channels=0, bits=16), "0 channels"),
        (riff(b"\0" * 64, rate=3, channels=1, bits=16), "at 3 Hz"),
        (riff(b"\0" * 64, rate=16_000, channels=1, bits=16)[:30], "without audio"),
    ],
)
def test_a_bad_file_is_named_with_a_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(data)
    with pytest.raises(CallerRecordingError, match=rf"bad\.wav: .*{reason}"):
        load_wav(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CallerRecordingError, match=r"gone\.wav: cannot be read"):
        load_wav(tmp_path / "gone.wav")


def test_the_voice_begins_and_ends_with_its_first_and_last_voiced_frame() -> None:
    quiet, loud = bytes(1600), (sine(16_000, 0.1) * 32768).astype("<i2").tobytes()
    clip = CallerRecording.of("c", quiet + loud + quiet)
    assert (clip.voice_begins, clip.voice_ends) == (800, 2400)
    assert clip.voiced


def test_a_frame_35_db_below_the_loudest_is_not_voiced_and_neither_is_anything_below_minus_50_dbfs() -> None:
    loud = sine(16_000, 0.1) * 32768
    for below_db, voiced in ((34.0, True), (36.0, False)):
        tail = loud * 10 ** (-below_db / 20)
        clip = CallerRecording.of("c", np.concatenate((loud, tail)).astype("<i2").tobytes())
        assert clip.voice_ends == (3200 if voiced else 1600)
    # an RMS of -9.03 dBFS less 42 dB is -51 dBFS
    assert not CallerRecording.of("quiet", (loud * 10 ** (-42 / 20)).astype("<i2").tobytes()).voiced
    assert not CallerRecording.of("nothing", b"").voiced


def test_frames_are_20_ms_and_the_last_one_is_filled_with_silence() -> None:
    parts = list(frames(b"\1" * (FRAME_BYTES + 10)))
    assert [len(part) for part in parts] == [FRAME_BYTES, FRAME_BYTES]
    assert parts[1] == b"\1" * 10 + bytes(FRAME_BYTES - 10)


def test_saved_replies_are_a_wav_file_that_loads(tmp_path: Path) -> None:
    pcm = (sine(16_000) * 32768).astype("<i2").tobytes()
    save_wav(tmp_path / "out.wav", [pcm, pcm], gap_s=0.5)
    with wave.open(str(tmp_path / "out.wav")) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (16_000, 1, 2)
    assert load_wav(tmp_path / "out.wav").seconds == pytest.approx(1.5)
