"""Work that goes on beside calls: what breaks in it ends no call, is counted, and is begun again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog

from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics

FIRST_PAUSE_S: Final = 1.0
MOST_PAUSE_S: Final = 60.0

log = structlog.get_logger()


@asynccontextmanager
async def alongside(name: str, work: Callable[[], Coroutine[Any, Any, None]], metrics: Metrics) -> AsyncGenerator[None]:
    """Does something while the block runs. `name` is a metric label; `work` is called again after it has failed."""
    task = asyncio.create_task(_kept_up(name, work, metrics), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _kept_up(name: str, work: Callable[[], Coroutine[Any, Any, None]], metrics: Metrics) -> None:
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return await work()
        except Exception:
            log.exception("work beside calls failed", work=name, again_in_s=pause_s)
            metrics.add(catalog.BACKGROUND_FAILURES, name)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, MOST_PAUSE_S)
