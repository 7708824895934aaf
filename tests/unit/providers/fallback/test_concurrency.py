from __future__ import annotations

import asyncio

from agent.providers.fallback.concurrency import PriorityLimiter
from tests.support.virtual_time import run_virtual


def test_a_slot_is_taken_at_once_or_waited_for() -> None:
    async def scenario() -> None:
        slots = PriorityLimiter(1)
        assert await slots.take(first=False, within_s=0)
        assert not await slots.take(first=False, within_s=0)
        loop = asyncio.get_running_loop()
        assert not await slots.take(first=False, within_s=2)
        assert loop.time() == 2.0
        loop.call_later(0.5, slots.give)
        assert await slots.take(first=False, within_s=2)
        assert loop.time() == 2.5
        slots.give()
        assert slots.free == 1

    run_virtual(scenario())


def test_who_goes_first_waits_in_front() -> None:
    async def scenario() -> None:
        slots = PriorityLimiter(1)
        assert await slots.take(first=False, within_s=0)
        order: list[str] = []

        async def wait(name: str, *, first: bool) -> None:
            assert await slots.take(first=first, within_s=10)
            order.append(name)
            slots.give()

        async with asyncio.TaskGroup() as group:
            group.create_task(wait("free 1", first=False))
            group.create_task(wait("free 2", first=False))
            await asyncio.sleep(0.1)
            group.create_task(wait("premium", first=True))
            await asyncio.sleep(0.1)
            slots.give()
        assert order == ["premium", "free 1", "free 2"]

    run_virtual(scenario())


def test_reserved_slots_are_kept_for_who_goes_first() -> None:
    async def scenario() -> None:
        slots = PriorityLimiter(3, reserved=1)
        assert await slots.take(first=False, within_s=0)
        assert await slots.take(first=False, within_s=0)
        assert not await slots.take(first=False, within_s=1)
        assert await slots.take(first=True, within_s=0)
        slots.give()
        assert not await slots.take(first=False, within_s=1)
        assert slots.free == 1

    run_virtual(scenario())


def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        slots = PriorityLimiter(1)
        assert await slots.take(first=True, within_s=0)
        task = asyncio.create_task(slots.take(first=False, within_s=10))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        slots.give()
        assert slots.free == 1

        assert await slots.take(first=True, within_s=0)
        task = asyncio.create_task(slots.take(first=False, within_s=10))
        await asyncio.sleep(0)
        slots.give()  # handed over, and cancelled before it knows
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert slots.free == 1

    run_virtual(scenario())
