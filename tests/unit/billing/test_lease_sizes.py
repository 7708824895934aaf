"""How much of a shared ceiling a process takes at a time."""

from __future__ import annotations

import asyncio

from agent.billing.ceilings import Step
from agent.budgets import Tier
from tests.support.ceilings import Process, SharedLeases, member, stranger
from tests.support.factories import BUDGETS
from tests.support.virtual_time import run_virtual


def test_processes_that_are_killed_again_and_again_leave_room_for_the_calls_that_go_on() -> None:
    """What a killed process had leased is lost until the window ends: that is little of any ceiling."""

    async def scene() -> None:
        database, spent = SharedLeases(), 0
        for _ in range(100):
            process = Process()  # the one before gave nothing back
            purse = process.ceilings.purse(member())
            assert process.ceilings.reached(member()) is None
            for _ in range(10):
                purse.spend(600_000)
                spent += 600_000
                await process.ceilings.exchange(database)
                await asyncio.sleep(1)
            assert process.ceilings.reached(member()) is None
            assert purse.step is Step.NORMAL
        hour = sum(nano for key, nano in database.leased.items() if "tier_hour" in str(key))
        assert spent <= hour < 0.05 * BUDGETS.ceilings[Tier.PREMIUM].tier_hour_usd * 1e9

    run_virtual(scene())


def test_a_process_that_spends_much_asks_seldom_all_the_same() -> None:
    async def scene() -> None:
        process, database = Process(), SharedLeases()
        purse, asked = process.ceilings.purse(stranger()), []
        for _ in range(600):
            purse.spend(60_000)
            before = dict(database.leased)
            await process.ceilings.exchange(database)
            asked.append(before != database.leased)
            await asyncio.sleep(1)
        assert sum(asked) < 30

    run_virtual(scene())
