"""What has arrived on a connection is taken in pieces, so that nobody keeps all the others waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl

PIECE: Final = 4_096  # bytes that are taken at once: 4 ms of the smallest frames or chunks


class Pieces:
    """What has arrived on one connection: it is taken in pieces, between which everybody else has his turn.

    Nothing is read meanwhile, whoever resumes reading; `may_read` says whether it goes on after the last piece.
    """

    def __init__(self, take: Callable[[bytes], None], may_read: Callable[[], bool]) -> None:
        self._take = take
        self._may_read = may_read
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
        piece = bytes(self._unread[:PIECE])
        del self._unread[:PIECE]
        self._take(piece)
        if self._unread:
            transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._next, transport)
        elif self._may_read():
            transport.resume_reading()


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
