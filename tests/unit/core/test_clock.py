"""The clock is the system's, except where a loop has a time of its own."""

from __future__ import annotations

import asyncio
import time

from agent.core import clock
from tests.support.virtual_time import run_virtual


async def _slept() -> tuple[float, float, float]:
    before = clock.now()
    await asyncio.sleep(3600)
    return before, clock.now(), asyncio.get_running_loop().time()


def test_in_virtual_time_it_is_the_loops_time_and_afterwards_the_systems() -> None:
    before, after, told = run_virtual(_slept())
    assert after == told == before + 3600
    assert abs(clock.now() - time.monotonic()) < 60


async def test_a_real_loop_has_the_same_time() -> None:
    assert abs(clock.now() - asyncio.get_running_loop().time()) < 60
