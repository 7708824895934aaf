"""Clips: WAV files as PCM s16le mono 16 kHz, and where the voice in them begins and ends."""

from __future__ import annotations

import struct
import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

SAMPLE_RATE: Final = 16_000  # samples per second
BYTES_PER_SECOND: Final = SAMPLE_RATE * 2
FRAME_S: Final = 0.02  # one audio message of a caller
FRAME_SAMPLES: Final = 320
FRAME_BYTES: Final = FRAME_SAMPLES * 2

VOICED_FLOOR_DBFS: Final = -50.0  # quieter 10 ms frames are never voiced
VOICED_BELOW_LOUDEST_DB: Final = 35.0  # nor is a frame that is so much quieter than the loudest of its clip
_VOICE_FRAME: Final = 160  # samples: 10 ms
_MAX_FILE_BYTES: Final = 100_000_000
_PCM: Final = 0x0001
_IEEE_FLOAT: Final = 0x0003
_A_LAW: Final = 0x0006
_MU_LAW: Final = 0x0007
_EXTENSIBLE: Final = 0xFFFE


class CallerRecordingError(ValueError):
    """A file that cannot be played as a clip; the message is one line and names the file."""


@dataclass(frozen=True, slots=True)
class CallerRecording:
    """PCM s16le mono 16 kHz. `voice_begins` and `voice_ends` are sample offsets, both 0 when nothing is voiced.

    A 10 ms frame is voiced when its RMS is above both -50 dBFS and the clip's loudest frame less 35 dB. The voice ends
    with the last voiced frame: `voice_ends - 1` is the last voiced sample.
    """

    name: str
    pcm: bytes
    voice_begins: int
    voice_ends: int

    @staticmethod
    def of(name: str, pcm: bytes) -> CallerRecording:
        """A clip of PCM s16le mono 16 kHz; an odd last byte is dropped."""
        pcm = pcm[: len(pcm) // 2 * 2]
        begins, ends = voiced_span(np.frombuffer(pcm, dtype="<i2"))
        return CallerRecording(name, pcm, begins, ends)

    @property
    def voiced(self) -> bool:
        return self.voice_ends > self.voice_begins

    @property
    def seconds(self) -> float:
        return len(self.pcm) / BYTES_PER_SECOND


def voiced_span(samples: NDArray[np.int16]) -> tuple[int, int]:
    """Sample offsets of the beginning and the end of the voice in mono 16 kHz audio; (0, 0) when nothing is voiced."""
    frames = -(-len(samples) // _VOICE_FRAME)
    if not frames:
        return 0, 0
    padded = np.zeros(frames * _VOICE_FRAME, dtype=np.float32)
    padded[: len(samples)] = samples
    rms = np.sqrt(np.mean(np.square(padded.reshape(frames, _VOICE_FRAME) / 32768.0), axis=1))
    dbfs = 20.0 * np.log10(np.maximum(rms, 1e-9))
    voiced = np.flatnonzero(dbfs > max(VOICED_FLOOR_DBFS, float(dbfs.max()) - VOICED_BELOW_LOUDEST_DB))
    if not voiced.size:
        return 0, 0
    return int(voiced[0]) * _VOICE_FRAME, min(len(samples), (int(voiced[-1]) + 1) * _VOICE_FRAME)


def load_wav(path: Path) -> CallerRecording:
    """Reads a WAV file of any rate and channel count: 8, 16, 24 or 32-bit integers, 32-bit floats,
    or a telephone's µ-law or A-law.

    Channels are averaged, the rate becomes 16 kHz (soxr, high quality). Raises ClipError.
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise CallerRecordingError(f"{path}: larger than {_MAX_FILE_BYTES // 1_000_000} MB")
        data = path.read_bytes()
    except OSError as error:
        raise CallerRecordingError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        samples, rate = _decode(data)
    except (ValueError, struct.error) as error:
        raise CallerRecordingError(f"{path}: {error}") from None
    if rate != SAMPLE_RATE:
        samples = soxr.resample(samples, rate, SAMPLE_RATE, quality="HQ")
    pcm = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2").tobytes()
    return CallerRecording.of(path.name, pcm)


def save_wav(path: Path, parts: Iterable[bytes], *, gap_s: float = 0.3) -> None:
    """Writes parts of PCM s16le mono 16 kHz one after another, `gap_s` seconds of silence between. Raises OSError."""
    silence = bytes(int(gap_s * SAMPLE_RATE) * 2)
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(silence.join(parts))


def frames(pcm: bytes) -> Iterator[bytes]:
    """The audio in 20 ms frames; the last one is filled up with silence."""
    for start in range(0, len(pcm), FRAME_BYTES):
        yield pcm[start : start + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")


# The standard library's `wave` (Python 3.11) refuses WAVE_FORMAT_EXTENSIBLE, which is what 24-bit files come in.


def _decode(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Mono samples between -1 and 1, and the sample rate. Raises ValueError or struct.error."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("not a WAV file")
    layout: bytes | None = None
    for name, body in _chunks(data):
        if name == b"fmt ":
            layout = body
        elif name == b"data" and layout is not None:
            return _samples(layout, body)
    raise ValueError("a WAV file without audio")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 12
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        # programs that write to a pipe leave a length that is too large: what is there is read
        yield name, data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2


def _samples(layout: bytes, body: bytes) -> tuple[NDArray[np.float32], int]:
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", layout)
    if kind == _EXTENSIBLE and len(layout) >= 26:
        (kind,) = struct.unpack_from("<H", layout, 24)
    if not channels or not 1_000 <= rate <= 384_000:
        raise ValueError(f"{channels} channels at {rate} Hz is not audio")
    width = bits // 8
    body = body[: len(body) // max(1, width * channels) * width * channels]
    mono = _to_float(kind, bits, body).reshape(-1, channels).mean(axis=1)
    if not mono.size:
        raise ValueError("a WAV file without audio")
    return mono.astype(np.float32), rate


def _to_float(kind: int, bits: int, body: bytes) -> NDArray[np.float32]:
    if kind == _IEEE_FLOAT and bits == 32:
        return np.nan_to_num(np.frombuffer(body, dtype="<f4"))
    if kind in (_MU_LAW, _A_LAW) and bits == 8:
        codes = np.frombuffer(body, dtype=np.uint8).astype(np.int32)
        return (_mu_law(codes) if kind == _MU_LAW else _a_law(codes)).astype(np.float32) / 32768.0
    if kind != _PCM or bits not in (8, 16, 24, 32):
        raise ValueError(
            f"WAV format {kind} with {bits} bits is not one of PCM 8, 16, 24, 32, float 32, µ-law or A-law"
        )
    if bits == 8:  # the only unsigned one
        return (np.frombuffer(body, dtype=np.uint8).astype(np.float32) - 128.0) / 128.0
    if bits == 24:  # as the upper three bytes of a 32-bit sample
        padded = np.zeros((len(body) // 3, 4), dtype=np.uint8)
        padded[:, 1:] = np.frombuffer(body, dtype=np.uint8).reshape(-1, 3)
        return padded.reshape(-1).view("<i4").astype(np.float32) / 2147483648.0
    scale = 32768.0 if bits == 16 else 2147483648.0
    return np.frombuffer(body, dtype="<i2" if bits == 16 else "<i4").astype(np.float32) / scale


# ITU-T G.711: sign, exponent (segment) and four bits of a mantissa; the values are those of 16-bit samples.


def _mu_law(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    code = ~codes & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return np.where(code & 0x80, -size, size)


def _a_law(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    code = codes ^ 0x55
    segment = code >> 4 & 7
    size = ((code & 0x0F) << 4) + np.where(segment, 0x108, 8) << np.maximum(segment - 1, 0)
    return np.where(code & 0x80, size, -size)
