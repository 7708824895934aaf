"""Measures how late the event loop runs its timers: the one number that tells that a process has too much to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics

TICK_S: Final = 0.05
TICKS: Final = 20  # a second: the gauge shows the longest delay of it


@asynccontextmanager
async def watch_loop_lag(metrics: Metrics) -> AsyncGenerator[None]:
    """Keeps `event_loop_lag_seconds` while the block runs."""
    task = asyncio.create_task(_watch(metrics))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _watch(metrics: Metrics) -> None:
    loop = asyncio.get_running_loop()
    while True:
        worst = 0.0
        for _ in range(TICKS):
            due = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            worst = max(worst, loop.time() - due)
        metrics.set(catalog.LOOP_LAG, value=worst)
