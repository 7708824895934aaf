"""A second transport: a caller in the same event loop. It proves the seam, and makes calls in virtual time short."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from agent.core import clock
from agent.core.audio import bytes_for, duration_s
from agent.session.claims import Claims
from agent.session.commands import EndCall, SayText, SessionCommand
from agent.session.events import SessionEvent
from agent.session.registry import Registry
from agent.session.session import Session
from agent.session.transport import Capabilities, CloseReason

E = TypeVar("E")
FRAME_S = 0.02


@dataclass
class DirectTransport:
    """A `ClientTransport` without a wire: what was sent stands in `events` with its loop time."""

    capabilities: Capabilities = field(default_factory=Capabilities)
    round_trip_s: float | None = 0.05
    events: list[tuple[float, SessionEvent]] = field(default_factory=list[tuple[float, SessionEvent]])
    audio: bytearray = field(default_factory=bytearray)
    cleared: int = 0
    closed: CloseReason | None = None
    session: Session = field(init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    # What the session calls

    def send(self, event: SessionEvent) -> None:
        self.events.append((clock.now(), event))
        self._changed.set()

    def send_audio(self, pcm: bytes) -> None:
        self.audio += pcm
        self._changed.set()

    def clear_audio(self) -> None:
        self.cleared += 1

    async def drained(self) -> None:
        await asyncio.sleep(0)

    def close(self, reason: CloseReason) -> None:
        self.closed = self.closed or reason
        self._changed.set()

    # What the caller does

    async def connect(self, registry: Registry, claims: Claims) -> Session:
        self.session, _ = await registry.join(claims, self.capabilities)
        self.session.attach(self, self.capabilities)
        return self.session

    def do(self, command: SessionCommand) -> None:
        self.session.handle(command, clock.now())

    async def speak(self, pcm: bytes) -> None:
        """Speaks in real (virtual) time."""
        size = bytes_for(FRAME_S)
        for start in range(0, len(pcm), size):
            await asyncio.sleep(duration_s(len(pcm[start : start + size])))
            self.session.audio(pcm[start : start + size], clock.now())

    def type(self, text: str) -> None:
        self.do(SayText(text))

    def hang_up(self) -> None:
        self.do(EndCall())

    def lose(self) -> None:
        """The connection is gone without a word."""
        self.session.detach(self)

    def all(self, kind: type[E]) -> list[E]:
        return [event for _, event in self.events if isinstance(event, kind)]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something that was sent makes this true."""
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    async def get(self, kind: type[E], count: int = 1) -> E:
        """The `count`th event of this kind; waits for it."""
        await self.until(lambda: len(self.all(kind)) >= count)
        return self.all(kind)[count - 1]
