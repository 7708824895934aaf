"""What the first bytes of an answer are: a file of sound, a frame of a compressed stream, text, packed bytes or PCM."""

from __future__ import annotations

from typing import Final

import numpy as np

BLOCK: Final = 512  # bytes, 16 ms of PCM at 16 kHz: what is looked at before a sample is given out

_SOUND_FILES: Final = (b"OggS", b"fLaC", b"ID3", b"FORM", b".snd", b"caff", b"RF64", b"RIFX", b"riff\x2e\x91\xcf\x11")
"""How the files begin that libsndfile decodes (WAV, whose PCM is passed on as it comes, is told apart before)."""
_PACKED: Final = (
    b"\x1aE\xdf\xa3", b"\x1f\x8b\x08", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00", b"#!AMR", b"MThd",
    b"wvpk", b"0&\xb2u\x8ef\xcf\x11", b"ADIF", b"MAC ", b"%PDF", b"\x89PNG", b"\xff\xd8\xff\xe0", b"GIF8",
)  # fmt: skip
"""How files begin that are not decoded here: WebM, archives, AMR, MIDI, WavPack, WMA, AAC, pictures, documents."""
_LOUD: Final = 0.47  # of full scale: packed bytes have 0.58, read as samples; no voice begins so loud
_UNRELATED: Final = (1.45, 2.55)  # how much neighbouring samples differ: 2 where neither knows of the other
_SHORTEST_TEXT: Final = 8  # bytes
_BREAKS: Final = "\t\n\r\f"


def is_sound_file(head: bytes) -> bool:
    """Whether it begins as a file that can be decoded, other than WAV."""
    return head.startswith(_SOUND_FILES)


def is_packed(head: bytes) -> bool:
    """Whether it begins as a file that is not decoded here."""
    return head.startswith(_PACKED) or head[4:8] == b"ftyp"


def is_text(head: bytes) -> bool:
    """Whether it is text without control characters: JSON, HTML, SSE, base64, hex, a proxy's sentence.

    Silent and quiet PCM is full of zero and FF bytes, which text never has; loud PCM is no UTF-8 for long. A silence
    that is not at zero (DC) may be bytes of text, but then every second one is a tab or a line break.
    """
    if len(head) < _SHORTEST_TEXT:
        return False
    if head.startswith((b"\xfe\xff", b"\xff\xfe")) and head[2:4] not in (b"\xfe\xff", b"\xff\xfe"):
        return all(byte < 9 for byte in head[2:64:2]) != all(byte < 9 for byte in head[3:64:2]) and (
            head[2:64].replace(b"\0", b"").isascii() and head[2:64].replace(b"\0", b"").decode().isprintable()
        )
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.end < len(head) - 3 or error.reason != "unexpected end of data":
            return False
        text = head[: error.start].decode()
    breaks = sum(char in _BREAKS for char in text)
    return 3 * breaks <= len(text) and all((char >= " " and char != "\x7f") or char in _BREAKS for char in text)


def is_noise(head: bytes) -> bool:
    """Whether its first block, as samples, is as loud and as unrelated as packed bytes are."""
    samples = _samples(head, "<i2")
    if samples.size < BLOCK // 4:
        return False
    loud = float(np.sqrt(samples.dot(samples) / samples.size)) / 32768 > _LOUD
    return loud and _UNRELATED[0] < _roughness(samples) < _UNRELATED[1]


def is_big_endian(head: bytes) -> bool:
    """Whether its first block is PCM in network order, as RFC 3551 has it for L16: smoother that way, by far."""
    return _roughness(_samples(head, ">i2")) * 2 < _roughness(_samples(head, "<i2"))


def _samples(head: bytes, form: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.frombuffer(head[: min(len(head) // 2 * 2, 2 * BLOCK)], dtype=form).astype(np.float64)


def _roughness(samples: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """The power of the differences of neighbours over the power: 0 for a low tone, 2 for noise, 4 for the highest."""
    steps = np.diff(samples)
    return float(steps.dot(steps) / max(samples.dot(samples), 1.0))


_BIT_RATES: Final = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}  # kbit/s of layer III, by whether it is MPEG 1
_MPEG_RATES: Final = (44100, 48000, 32000)


def frame_of_mpeg(data: bytes, at: int) -> int | None:
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


def frame_of_aac(data: bytes, at: int) -> int | None:
    """Where the frame that begins at `at` ends, by a header of ADTS (AAC); None where there is none."""
    if len(data) < at + 6 or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0 or (data[at + 2] >> 2) & 15 > 12:
        return None
    length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    return at + length if length > 7 else None
