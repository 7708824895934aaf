"""Leases of ceilings in the database, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from agent.billing.accounts import AccountKey, LeaseWish, Scope
from agent.budgets import Tier
from agent.ledger.leases import SqlLeases
from agent.ledger.ledger import Ledger
from agent.telemetry.exposition import Metrics
from tests.support.factories import NOON

KEY = AccountKey(Scope.TIER_HOUR, Tier.FREE, "", NOON + timedelta(hours=1))


def wish(nano_usd: int, *, owed: int = 0, key: AccountKey = KEY) -> LeaseWish:
    return LeaseWish(key, 1_000, nano_usd, owed)


async def test_processes_never_lease_more_than_the_ceiling(database_url: str) -> None:
    ledgers = [Ledger(database_url, Metrics()) for _ in range(3)]
    async with ledgers[0], ledgers[1], ledgers[2]:
        for ledger in ledgers:
            await ledger.migrated.wait()
        stores = [SqlLeases(ledger) for ledger in ledgers]
        got = await asyncio.gather(*(store.lease([wish(90)]) for store in stores for _ in range(5)))
        assert sum(amount for [amount] in got) == 1_000
        assert (await stores[0].lease([wish(10)])) == [0]
        assert (await stores[1].lease([wish(10, owed=30)])) == [30]  # spent already: nobody can refuse it
        assert (await stores[1].lease([wish(-130, owed=-130)])) == [-130]
        assert (await stores[2].lease([wish(500)])) == [100]


async def test_each_owner_and_window_has_a_row_of_its_own(database_url: str) -> None:
    later = AccountKey(Scope.TIER_HOUR, Tier.FREE, "", NOON + timedelta(hours=2))
    other = AccountKey(Scope.TIER_HOUR, Tier.PREMIUM, "", NOON + timedelta(hours=1))
    async with Ledger(database_url, Metrics()) as ledger:
        await ledger.migrated.wait()
        granted = await SqlLeases(ledger).lease([wish(900), wish(900, key=later), wish(900, key=other), wish(900)])
        assert granted == [900, 900, 900, 100]
