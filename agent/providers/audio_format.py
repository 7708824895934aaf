"""What a voice really sent: PCM as it was asked for, PCM of another rate, a file of a known format, or none of these.

The answer's own words count before what was asked for: its first bytes, then its content type. Bare PCM and PCM in a
WAV file are passed on as they come; compressed formats are decoded as far as they are there, again at every doubling.
No sample is given out before the first block looks like PCM: it is no text, and no loud noise, as packed bytes are.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import soundfile

from agent.core.audio import SAMPLE_RATE, SAMPLE_WIDTH
from agent.providers.audio_sniff import (
    BLOCK,
    frame_of_aac,
    frame_of_mpeg,
    is_big_endian,
    is_noise,
    is_packed,
    is_sound_file,
    is_text,
)
from agent.providers.resample import ToSessionRate, WholeSamples

_SNIFF_MOST: Final = 4096  # bytes after which a doubtful beginning is PCM
_WAV_HEADER_MOST: Final = 64 * 1024  # bytes before the sound of a WAV file: notes, a cover
_ENDLESS: Final = b"\xff\xff\xff\xff"  # what decoders take for "to the end"
_UNKNOWN_SIZES: Final = 0x7FFF_0000  # from here on, and 0: the header of a file that was streamed
_FIRST_DECODE: Final = 4096  # bytes of a compressed file that are worth a first try
_LONGEST: Final = 8 * 1024 * 1024  # bytes of one compressed clause; more is not believed
_RATES: Final = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})
_PCM_TYPES: Final = frozenset({"audio/pcm", "audio/l16", "audio/x-pcm", "audio/raw", "audio/x-raw", "audio/linear16"})
_ANY_TYPES: Final = frozenset({"application/octet-stream", "binary/octet-stream", ""})
_ULAW_TYPES: Final = frozenset({"audio/basic", "audio/mulaw", "audio/x-mulaw", "audio/pcmu", "audio/ulaw"})
_ALAW_TYPES: Final = frozenset({"audio/alaw", "audio/x-alaw", "audio/pcma", "audio/g711-alaw"})
_RATE: Final = re.compile(r"(?:rate|samplerate|sample_rate)=(\d+)")
_CHANNELS: Final = re.compile(r"channels=([1-8])(?!\d)")


class UnknownFormatError(Exception):
    """The answer is no audio that can be decoded here. Nothing of it was given out."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What a content type says: `kind` pcm, l16, ulaw, alaw, file, any or unknown; rate and channels if it names them.

    `file` is every other kind of audio: its first bytes have to say which.
    """

    kind: str
    rate: int | None = None
    channels: int = 1


class SpeechDecoder:
    """Turns one answer into PCM s16le mono 16 kHz. `rate` is that of the bare PCM that was asked for, in Hz."""

    def __init__(self, rate: int, headers: Mapping[str, str]) -> None:
        """Raises UnknownFormatError for a content type that is no audio."""
        self._told = _told(headers)
        if self._told.kind == "unknown":
            raise UnknownFormatError
        self._rate = self._told.rate or rate
        self._head = bytearray()
        self._form: _Pcm | _File | None = None

    def feed(self, data: bytes) -> bytes:
        """PCM of what can be decoded by now; may be empty. Raises UnknownFormatError before any was given out."""
        if self._form is not None:
            return self._form.feed(data)
        self._head += data
        return self._begin(last=False)

    def finish(self) -> bytes:
        """The rest. A single byte that is left over is no half of a sample that anybody misses."""
        begun = self._begin(last=True) if self._form is None else b""
        return begun + (self._form.finish() if self._form is not None else b"")

    def _begin(self, *, last: bool) -> bytes:
        head = bytes(self._head)
        if len(head) < BLOCK and not last:
            return b""
        form = self._sniffed(head, last=last)
        if form is None:
            return b""
        self._form = form
        self._head.clear()
        return form.feed(head)

    def _sniffed(self, head: bytes, *, last: bool) -> _Pcm | _File | None:
        """The form that the first bytes have; None while it takes more of them. Raises UnknownFormatError."""
        if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
            return _wav(head, last=last)
        if is_sound_file(head):
            return _File()
        if is_packed(head) or is_text(head):
            raise UnknownFormatError
        for frame_of, known in ((frame_of_mpeg, True), (frame_of_aac, False)):
            frame = frame_of(head, 0)
            if frame is None:
                continue
            if len(head) < frame + 6 and not last and len(head) < _SNIFF_MOST:
                return None
            if frame_of(head, frame) is None and (known or head.count(head[:3]) < 4):
                continue
            if not known:
                raise UnknownFormatError
            return _File()  # a frame that counts the frames stays: without it the length is guessed, too short
        return self._bare(head)

    def _bare(self, head: bytes) -> _Pcm:
        """Samples without a header, if the content type may mean them and the first block agrees."""
        told = self._told
        if told.kind == "file":
            raise UnknownFormatError
        if told.kind in ("ulaw", "alaw"):
            return _Pcm(told.rate or 8000, table=_ULAW if told.kind == "ulaw" else _ALAW)
        swapped = told.kind == "l16" and is_big_endian(head)
        if not swapped and is_noise(head):
            raise UnknownFormatError
        return _Pcm(self._rate, channels=told.channels, swapped=swapped)


class _Pcm:
    """Samples as they come: of 16 bits, mu-law or A-law (by its table), of any rate and number of channels."""

    def __init__(
        self,
        rate: int,
        *,
        channels: int = 1,
        table: np.ndarray[tuple[int], np.dtype[np.int16]] | None = None,
        swapped: bool = False,
        skip: int = 0,
        length: int | None = None,
    ) -> None:
        self._whole = WholeSamples()
        self._channels = channels
        self._table = table
        self._swapped = swapped
        self._skip = skip
        self._left = length  # bytes of sound that are still to come; None: all that comes
        self._rest = b""
        self._resampler = None if rate == SAMPLE_RATE else ToSessionRate(rate)

    def feed(self, data: bytes) -> bytes:
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        data = data[skipped:]
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        pcm = self._mono(data)
        return pcm if self._resampler is None else self._resampler.feed(pcm)

    def finish(self) -> bytes:
        return b"" if self._resampler is None else self._resampler.feed(b"", last=True)

    def _mono(self, data: bytes) -> bytes:
        if self._table is not None:
            return self._table[np.frombuffer(data, dtype=np.uint8)].tobytes()
        if self._channels == 1 and not self._swapped:
            return self._whole.feed(data)
        data = self._rest + data
        whole = len(data) - len(data) % (SAMPLE_WIDTH * self._channels)
        self._rest = data[whole:]
        samples = np.frombuffer(data[:whole], dtype=">i2" if self._swapped else "<i2").reshape(-1, self._channels)
        return samples.mean(axis=1).astype("<i2").tobytes()


class _File:
    """A file that is decoded as a whole, as often as it has doubled.

    patched: what its beginning should be: a decoder believes a size of 0 that was written before there was any sound.
    """

    def __init__(self, patched: bytes = b"") -> None:
        self._data = bytearray()
        self._patched = patched
        self._next = _FIRST_DECODE
        self._given = 0  # samples given out
        self._resampler: ToSessionRate | None = None

    def feed(self, data: bytes) -> bytes:
        self._data += data
        if len(self._data) > _LONGEST:
            raise UnknownFormatError
        if len(self._data) < self._next:
            return b""
        self._next = 2 * len(self._data)
        return self._decode(last=False)

    def finish(self) -> bytes:
        return self._decode(last=True)

    def _decode(self, *, last: bool) -> bytes:
        try:
            whole = self._patched + bytes(self._data[len(self._patched) :])
            with soundfile.SoundFile(io.BytesIO(whole)) as file:
                rate, samples = int(file.samplerate), _read(file)
        except (soundfile.SoundFileError, ValueError):  # ValueError: a coding without a length, as GSM
            if last and not self._given:
                raise UnknownFormatError from None
            return b""
        fresh = samples[self._given :].mean(axis=1).astype("<i2")
        self._given = max(self._given, len(samples))
        if rate == SAMPLE_RATE:
            return fresh.tobytes()
        self._resampler = self._resampler or ToSessionRate(rate)
        return self._resampler.feed(fresh.tobytes(), last=last)


def _read(file: soundfile.SoundFile) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """All samples of a file: read as shares of full scale, since samples of floats are not scaled when read as int."""
    shares = np.nan_to_num(file.read(dtype="float32", always_2d=True))
    return np.clip(np.rint(shares * 32768), -32768, 32767).astype("<i2")


def _told(headers: Mapping[str, str]) -> _Told:
    whole = headers.get("content-type", "").lower()
    kind = whole.partition(";")[0].strip()
    named = _RATE.search(whole)
    rate = int(named[1]) if named is not None and int(named[1]) in _RATES else None
    several = _CHANNELS.search(whole)
    channels = int(several[1]) if several is not None else 1
    if kind in _PCM_TYPES:
        return _Told("l16" if kind == "audio/l16" else "pcm", rate, channels)
    if kind in _ULAW_TYPES:
        return _Told("ulaw", rate)
    if kind in _ALAW_TYPES:
        return _Told("alaw", rate)
    if kind in _ANY_TYPES:
        return _Told("any", rate)
    return _Told("file") if kind.startswith("audio/") or kind == "application/ogg" else _Told("unknown")


def _wav(head: bytes, *, last: bool) -> _Pcm | _File | None:
    """The sound of a WAV file, from what its header says of it."""
    at, form = 12, None
    while at + 8 <= len(head):
        name, size = head[at : at + 4], struct.unpack_from("<I", head, at + 4)[0]
        if name == b"fmt " and at + 24 <= len(head):
            form = struct.unpack_from("<HHIIHH", head, at + 8)
        if name == b"data":
            if form is None:
                raise UnknownFormatError
            coding, channels, rate, _, _, bits = form
            plain = coding in (1, 0xFFFE) and bits == 16 and 1 <= channels <= 8 and rate in _RATES
            streamed = size == 0 or size >= _UNKNOWN_SIZES
            if plain:
                return _Pcm(rate, channels=channels, skip=at + 8, length=None if streamed else size)
            return _File(head[:4] + _ENDLESS + head[8 : at + 4] + _ENDLESS if streamed else b"")
        at += 8 + size + size % 2
    if last or len(head) >= _WAV_HEADER_MOST:
        raise UnknownFormatError
    return None


def _ulaw_table() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    code = ~np.arange(256, dtype=np.uint8)
    size = ((code & 0x0F).astype(np.int32) << 3) + 0x84 << ((code >> 4) & 7).astype(np.int32)
    return np.where(code & 0x80, 0x84 - size, size - 0x84).astype("<i2")


def _alaw_table() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    step, size = (code >> 4) & 7, ((code & 0x0F) << 4) + 8
    size = np.where(step == 0, size, (size + 0x100) << np.maximum(step - 1, 0))
    return np.where(code & 0x80, size, -size).astype("<i2")


_ULAW: Final = _ulaw_table()
_ALAW: Final = _alaw_table()
