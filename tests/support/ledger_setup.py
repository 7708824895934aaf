"""A ledger with its sinks on a database of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import func, select

from agent.billing.prices import load_prices
from agent.billing.pricing import PricingSink
from agent.ledger.ledger import Ledger
from agent.ledger.sink import LedgerSink
from agent.ledger.tables import turns
from agent.telemetry.events import Sinks
from agent.telemetry.exposition import Metrics
from tests.support.factories import BUDGETS, NOON

BOOK = load_prices()


class LedgerSetup:
    """A ledger with its sinks, as the service wires them."""

    def __init__(self, url: str, **options: Any) -> None:
        self.metrics = Metrics()
        options.setdefault("clock", lambda: NOON)
        self.ledger = Ledger(url, self.metrics, **options)
        keeper = LedgerSink(self.ledger, clock=lambda: NOON)
        self.money = PricingSink(BOOK, self.metrics, BUDGETS, keeper, clock=lambda: NOON)
        self.sinks = Sinks([self.money, keeper])

    def sample(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"voice_agent_{name}", labels) or 0.0

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        async with self.ledger.engine.connect() as connection:
            found = await connection.execute(select(table).order_by(*table.primary_key.columns))
            return [dict(row) for row in found.mappings()]

    async def turns_of_sessions(self) -> dict[str, list[int]]:
        """Session → the numbers of its stored turns, in order."""
        found: dict[str, list[int]] = {}
        for row in await self.rows(turns):
            found.setdefault(row["session_id"], []).append(row["turn"])
        await self.ledger.engine.dispose()
        return found

    async def count(self, table: Any) -> int:
        async with self.ledger.engine.connect() as connection:
            return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


@asynccontextmanager
async def open_setup(url: str, **options: Any) -> AsyncGenerator[LedgerSetup]:
    stack = LedgerSetup(url, **options)
    async with stack.ledger:
        yield stack


async def until_reachable(stack: LedgerSetup, expected: bool) -> None:
    """Waits until the ledger has noticed whether its database is up."""
    async with asyncio.timeout(30):
        while stack.ledger.reachable is not expected:  # noqa: ASYNC110  (there is no event for it)
            await asyncio.sleep(0.005)
