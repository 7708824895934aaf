"""uvicorn's server, which by itself wakes up ten times a second to see whether it should exit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from types import FrameType
from typing import Final

import uvicorn

TICK_S: Final = 1.0  # how often the date in its headers is renewed


class QuietServer(uvicorn.Server):
    """Sleeps until it is told to leave."""

    _running: asyncio.AbstractEventLoop | None = None
    _woken: asyncio.Event

    async def main_loop(self) -> None:
        """Serves until it is told to leave; at once with `leave` and signals, within a second with `should_exit`."""
        self._woken = asyncio.Event()
        self._running = asyncio.get_running_loop()
        while not await self.on_tick(0):
            try:
                async with asyncio.timeout(TICK_S):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def leave(self) -> None:
        """Lets `main_loop` end. May be called from a signal handler."""
        self.should_exit = True
        if self._running is not None:
            self._running.call_soon_threadsafe(self._woken.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leaves; told twice it does not wait for connections."""
        super().handle_exit(sig, frame)
        if self.should_exit:
            self.leave()


class QuietPart(QuietServer):
    """A server beside others: signals are another one's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
