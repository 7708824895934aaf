"""Measures how late the event loop runs its timers: the one number that tells that a process has too much to do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from agent.core import clock
from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics

TICK_S: Final = 0.05
TICKS: Final = 20  # a second: the gauge shows the longest delay of it


class LoopLag:
    """How late the event loop is. Use `watched()` around the life of the server."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._before = 0.0
        self._worst = 0.0
        self._ticks = 0
        self._timer: asyncio.TimerHandle
        self.seconds = 0.0
        """The lower of the longest delays of the last two seconds: one stumble is not overload."""

    def note(self, worst: float) -> None:
        """Takes the longest delay of the second that has passed."""
        self.seconds, self._before = min(worst, self._before), worst
        self._metrics.set(catalog.LOOP_LAG, value=worst)

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """Keeps `seconds` and `event_loop_lag_seconds` while the block runs."""
        loop, began = asyncio.get_running_loop(), clock.now()
        self._metrics.follow(catalog.TASKS, ask=lambda: len(asyncio.all_tasks(loop)))
        self._metrics.follow(catalog.MEMORY_BLOCKS, ask=sys.getallocatedblocks)
        self._next(loop, began)
        try:
            yield
        finally:
            self._timer.cancel()

    def _next(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        self._timer = loop.call_later(TICK_S, self._tick, loop, at + TICK_S)  # a third of what a sleeping task costs

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        at = clock.now()
        self._worst = max(self._worst, at - due)
        self._ticks += 1
        if self._ticks == TICKS:
            self.note(self._worst)
            self._ticks, self._worst = 0, 0.0
        self._next(loop, at)
