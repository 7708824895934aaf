"""Where the processes share their ceilings on money: one row for each ceiling and window, with what is leased of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.billing.accounts import LeaseWish
from agent.ledger.ledger import Ledger
from agent.ledger.tables import spending
from agent.ledger.transactions import lock_for_writing

_INSERTS: Final = {
    "sqlite": sqlite.insert(spending).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(spending).on_conflict_do_nothing(),
}
MOST_WISHES: Final = 500  # in one transaction


class SqlLeases:
    """Leases out of the ledger's database."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def lease(self, wishes: Sequence[LeaseWish]) -> Sequence[int]:
        """What each wish gets, in nano-dollars. Raises SQLAlchemyError, OSError, TimeoutError."""
        if not self._ledger.migrated.is_set():
            raise TimeoutError
        ordered = sorted(enumerate(wishes), key=lambda pair: _sorting(pair[1]))  # rows are locked in one order
        granted = [0] * len(wishes)
        for start in range(0, len(ordered), MOST_WISHES):
            async with self._ledger.engine.begin() as connection:
                await lock_for_writing(connection)
                for position, wish in ordered[start : start + MOST_WISHES]:
                    granted[position] = await _lease(connection, wish)
        return granted


def _sorting(wish: LeaseWish) -> tuple[str, str, str, str]:
    key = wish.key
    return key.scope, key.tier, key.owner, str(key.until)


async def _lease(connection: AsyncConnection, wish: LeaseWish) -> int:
    key = wish.key
    name = {"scope": key.scope, "tier": key.tier, "owner": key.owner, "until": key.until}
    fresh = {**name, "leased_nano_usd": 0, "limit_nano_usd": wish.limit}
    await connection.execute(_INSERTS[connection.dialect.name], fresh)
    here = [spending.c[column] == value for column, value in name.items()]
    leased = (await connection.execute(select(spending.c.leased_nano_usd).where(*here).with_for_update())).scalar_one()
    granted = max(wish.owed, min(wish.nano_usd, wish.limit - leased)) if wish.nano_usd > 0 else wish.nano_usd
    granted = max(granted, -leased)
    changed = update(spending).where(*here).values(leased_nano_usd=leased + granted, limit_nano_usd=wish.limit)
    await connection.execute(changed)
    return granted
