"""What goes out to one client, in order. Putting never waits; one task writes.

A client that does not read is found by the size of what waits for it: memory stays bounded, and the connection closes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

from agent.core.audio import bytes_for

NORMAL_CLOSURE: Final = 1000
MAX_WAITING: Final = bytes_for(60.0)  # bytes; a reply never waits for more than a minute of audio


class Socket(Protocol):
    """The part of a WebSocket that writing needs."""

    async def send_text(self, data: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Overflow:
    """What a client that does not read is told, in the words of its protocol."""

    frame: str
    close_code: int
    close_reason: str


class SendQueue:
    """An ordered, bounded queue of frames in front of a socket."""

    def __init__(self, overflow: Overflow) -> None:
        self._at_overflow = overflow
        self.overflowed = False
        self._frames: deque[str | bytes] = deque()
        self._waiting = 0
        self._put_count = 0
        self._written_count = 0
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()
        self._closed: tuple[int, str] | None = None
        self.closed = asyncio.Event()

    @property
    def closing(self) -> tuple[int, str]:
        """Close code and reason; 1000 while nobody has closed it."""
        return self._closed or (NORMAL_CLOSURE, "")

    def send(self, frame: str | bytes) -> None:
        """Queues a text frame, or a binary one of audio. After `close` and after an overflow frames are dropped."""
        if self._closed is not None:
            return
        self._waiting += len(frame)
        if self._waiting > MAX_WAITING:
            self._overflow()
            return
        self._frames.append(frame)
        self._put_count += 1
        self._wake.set()

    def discard_audio(self) -> None:
        """Forgets queued audio that the client would throw away anyway."""
        kept = [frame for frame in self._frames if isinstance(frame, str)]
        self._written_count += len(self._frames) - len(kept)
        self._frames = deque(kept)
        self._waiting = sum(len(frame) for frame in kept)

    async def written(self) -> None:
        """Waits until everything that is queued now was written to the socket, or the queue was closed."""
        target = self._put_count
        while self._written_count < target and self._closed is None:
            self._progress.clear()
            await self._progress.wait()

    def close(self, code: int, reason: str) -> None:
        """Lets `run` return this code after what is queued was written; the first call counts."""
        if self._closed is None:
            self._closed = (code, reason)
        self.closed.set()
        self._wake.set()
        self._progress.set()

    def _overflow(self) -> None:
        self.overflowed = True
        self._frames = deque([self._at_overflow.frame])
        self._waiting = 0
        self.close(self._at_overflow.close_code, self._at_overflow.close_reason)

    async def run(self, socket: Socket) -> tuple[int, str]:
        """Writes until the queue is closed and empty; returns the close code and reason."""
        while True:
            while self._frames:
                frame = self._frames.popleft()
                self._waiting -= len(frame)
                if isinstance(frame, str):
                    await socket.send_text(frame)
                else:
                    await socket.send_bytes(frame)
                self._written_count += 1
                self._progress.set()
            if self._closed is not None:
                return self._closed
            self._wake.clear()
            await self._wake.wait()
