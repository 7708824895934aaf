"""What a voice really sent: PCM as it was asked for, PCM of another rate, a file of a known format, or none of these.

The answer's own words count before what was asked for: its first bytes, then its content type. Bare PCM and PCM in a
WAV file are passed on as they come; compressed formats are decoded as far as they are there, again at every doubling.
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
from agent.providers.resample import ToSessionRate, WholeSamples

_SNIFF: Final = 12  # bytes that tell most formats
_SNIFF_MOST: Final = 4096  # bytes after which a doubtful beginning is PCM
_FIRST_DECODE: Final = 4096  # bytes of a compressed file that are worth a first try
_LONGEST: Final = 8 * 1024 * 1024  # bytes of one compressed clause; more is not believed
_RATES: Final = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})
_PCM_TYPES: Final = frozenset({"audio/pcm", "audio/l16", "audio/x-pcm", "audio/raw", "audio/x-raw", "audio/linear16"})
_ANY_TYPES: Final = frozenset({"application/octet-stream", "binary/octet-stream", ""})
_FILE_TYPES: Final = frozenset(
    {"audio/mpeg", "audio/mp3", "audio/mpeg3", "audio/x-mpeg", "audio/ogg", "audio/opus", "audio/flac", "audio/x-flac"}
    | {"audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/aiff", "audio/x-aiff"}
)
_ULAW_TYPES: Final = frozenset({"audio/basic", "audio/mulaw", "audio/x-mulaw", "audio/pcmu", "audio/ulaw"})
_MAGIC: Final = (b"OggS", b"fLaC", b"ID3", b"FORM")
_RATE: Final = re.compile(r"(?:rate|samplerate|sample_rate)=(\d+)")


class UnknownFormatError(Exception):
    """The answer is no audio that can be decoded here. Nothing of it was given out."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What a content type says: `kind` pcm, ulaw, file, any or unknown; the rate where it names one."""

    kind: str
    rate: int | None = None


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
        if len(head) < _SNIFF and not last:
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
        if head.startswith(_MAGIC):
            return _File()
        if head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or _is_text(head):
            raise UnknownFormatError
        frame = _mpeg_frame(head, 0)
        if frame is not None:
            if len(head) < frame + 4 and not last and len(head) < _SNIFF_MOST:
                return None
            if _mpeg_frame(head, frame) is not None:
                return _File()  # a frame that counts the frames stays: without it the length is guessed, too short
        if self._told.kind == "file":
            raise UnknownFormatError
        if self._told.kind == "ulaw":
            return _Pcm(self._told.rate or 8000, ulaw=True)
        return _Pcm(self._rate)


class _Pcm:
    """Samples as they come: s16le or mu-law, of any rate and number of channels."""

    def __init__(self, rate: int, *, channels: int = 1, ulaw: bool = False, skip: int = 0) -> None:
        self._whole = WholeSamples()
        self._channels = channels
        self._ulaw = ulaw
        self._skip = skip
        self._rest = b""
        self._resampler = None if rate == SAMPLE_RATE else ToSessionRate(rate)

    def feed(self, data: bytes) -> bytes:
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        pcm = self._mono(data[skipped:])
        return pcm if self._resampler is None else self._resampler.feed(pcm)

    def finish(self) -> bytes:
        return b"" if self._resampler is None else self._resampler.feed(b"", last=True)

    def _mono(self, data: bytes) -> bytes:
        if self._ulaw:
            return _ULAW[np.frombuffer(data, dtype=np.uint8)].tobytes()
        if self._channels == 1:
            return self._whole.feed(data)
        data = self._rest + data
        whole = len(data) - len(data) % (SAMPLE_WIDTH * self._channels)
        self._rest = data[whole:]
        samples = np.frombuffer(data[:whole], dtype="<i2").reshape(-1, self._channels)
        return samples.mean(axis=1).astype("<i2").tobytes()


class _File:
    """A file that is decoded as a whole, as often as it has doubled."""

    def __init__(self) -> None:
        self._data = bytearray()
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
            with soundfile.SoundFile(io.BytesIO(bytes(self._data))) as file:
                rate, samples = int(file.samplerate), file.read(dtype="int16", always_2d=True)
        except soundfile.SoundFileError:
            if last and not self._given:
                raise UnknownFormatError from None
            return b""
        fresh = samples[self._given :].mean(axis=1).astype("<i2")
        self._given = max(self._given, len(samples))
        if rate == SAMPLE_RATE:
            return fresh.tobytes()
        self._resampler = self._resampler or ToSessionRate(rate)
        return self._resampler.feed(fresh.tobytes(), last=last)


def _told(headers: Mapping[str, str]) -> _Told:
    whole = headers.get("content-type", "").lower()
    kind = whole.partition(";")[0].strip()
    named = _RATE.search(whole)
    rate = int(named[1]) if named is not None and int(named[1]) in _RATES else None
    if kind in _PCM_TYPES:
        return _Told("pcm", rate)
    if kind in _ULAW_TYPES:
        return _Told("ulaw", rate)
    if kind in _FILE_TYPES:
        return _Told("file")
    return _Told("any", rate) if kind in _ANY_TYPES or kind.startswith("audio/") else _Told("unknown")


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
            return _Pcm(rate, channels=channels, skip=at + 8) if plain else _File()
        at += 8 + size + size % 2
    if last or len(head) >= _SNIFF_MOST:
        raise UnknownFormatError
    return None


_BIT_RATES: Final = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}  # kbit/s of layer III, by whether it is MPEG 1
_MPEG_RATES: Final = (44100, 48000, 32000)


def _mpeg_frame(data: bytes, at: int) -> int | None:
    """Where the frame that begins at `at` ends, by a header of MPEG layer III; None where there is none."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return None
    version, bits, rate = (data[at + 1] >> 3) & 3, data[at + 2] >> 4, (data[at + 2] >> 2) & 3
    if version == 1 or bits in (0, 15) or rate == 3:
        return None
    first = version == 3
    hertz = _MPEG_RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    kilobits = _BIT_RATES[first][bits]
    return at + (144 if first else 72) * kilobits * 1000 // hertz + ((data[at + 2] >> 1) & 1)


def _is_text(head: bytes) -> bool:
    """Whether it begins as JSON or HTML: hosts have been seen to send an error with status 200."""
    return head.lstrip()[:1] in (b"{", b"<") and all(32 <= byte < 127 or byte in (9, 10, 13) for byte in head)


def _ulaw_table() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    code = ~np.arange(256, dtype=np.uint8)
    size = ((code & 0x0F).astype(np.int32) << 3) + 0x84 << ((code >> 4) & 7).astype(np.int32)
    return np.where(code & 0x80, 0x84 - size, size - 0x84).astype("<i2")


_ULAW: Final = _ulaw_table()
