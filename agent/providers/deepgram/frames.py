"""Frames of audio as a WebSocket client sends them (RFC 6455, 5.2): the client library takes three times as long."""

from __future__ import annotations

import os
from typing import Final

from websockets.frames import apply_mask  # pyright: ignore[reportPrivateImportUsage]  the one in C, where there is one

LARGEST: Final = 65_535  # bytes of a frame whose length has two
_KEY_BYTES: Final = 4
_AT_ONCE: Final = 1_024  # keys that are drawn together: each draw is a system call


class MaskingKeys:
    """Keys that nobody can guess, each of which is given once."""

    def __init__(self) -> None:
        self._drawn = b""
        self._place = 0

    def next(self) -> bytes:
        """Four random bytes."""
        if self._place >= len(self._drawn):
            self._drawn, self._place = os.urandom(_AT_ONCE * _KEY_BYTES), 0
        first = self._place
        self._place = first + _KEY_BYTES
        return self._drawn[first : self._place]


_keys: Final = MaskingKeys()


def binary_frame(data: bytes) -> bytes:
    """A whole binary message of `LARGEST` bytes at most, masked with a fresh key."""
    size, key = len(data), _keys.next()
    head = b"\x82" + bytes((0x80 | size,)) if size < 126 else b"\x82\xfe" + size.to_bytes(2, "big")
    return b"".join((head, key, apply_mask(data, key)))
