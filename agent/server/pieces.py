"""What has arrived on a connection is taken in pieces, so that nobody keeps all the others waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl

PIECE: Final = 4_096  # bytes that are taken at once: 4 ms of the smallest frames or chunks
AUDIO_FRAME: Final = b"\x82\xfe"  # the end of a binary message, masked, of 126 to 65,535 bytes


class Pieces:
    """What has arrived on one connection: it is taken in pieces, between which everybody else has his turn.

    Nothing is read meanwhile, whoever resumes reading; `may_read` says whether it goes on after the last piece.
    `length` says how long the first piece of what waits is, at most `PIECE` and more than nothing.
    """

    def __init__(
        self,
        take: Callable[[bytes], None],
        may_read: Callable[[], bool],
        length: Callable[[bytearray], int] = lambda _: PIECE,
    ) -> None:
        self._take = take
        self._may_read = may_read
        self._length = length
        self._unread = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether something has not been taken yet."""
        return bool(self._unread)

    def arrived(self, data: bytes, transport: asyncio.Transport) -> None:
        """Takes the first piece at once, and each other one in a later round of the event loop."""
        if self._unread:
            self._unread += data
        elif len(data) <= PIECE:
            self._take(data)
        else:
            self._unread += data
            self._next(transport)

    def forget(self) -> None:
        """Nothing more of it is taken."""
        self._unread.clear()

    def _next(self, transport: asyncio.Transport) -> None:
        if transport.is_closing():
            self.forget()
        if not self._unread:
            return
        length = self._length(self._unread)
        piece = bytes(self._unread[:length])
        del self._unread[:length]
        self._take(piece)
        if self._unread:
            transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._next, transport)
        elif self._may_read():
            transport.resume_reading()


def whole_frames(unread: bytearray) -> int:
    """How many bytes of a piece are whole frames of audio; all of a piece where it begins with something else.

    A frame that was cut would have to be put together by the parser, and so would all that follow it.
    """
    end = 0
    while unread.startswith(AUDIO_FRAME, end):
        following = end + 8 + int.from_bytes(unread[end + 2 : end + 4], "big")
        if following > min(PIECE, len(unread)):
            break
        end = following
    return end or PIECE


class PatientFlow(FlowControl):
    """Does not resume reading while there is something to take."""

    def __init__(self, transport: asyncio.Transport, pieces: Pieces) -> None:
        super().__init__(transport)
        self._pieces = pieces

    def resume_reading(self) -> None:
        """Reading goes on, now or after the last piece."""
        super().resume_reading()
        if self._pieces.waiting:
            self._transport.pause_reading()
