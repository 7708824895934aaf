"""Assignments and decisions in the ledger's database. Revisions and decisions are only ever added, or settled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, and_, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agent.budgets import Tier
from agent.ledger.tables import assignments, decisions
from agent.ledger.transactions import lock_for_writing
from agent.policy.assignments import Change, ChangeCause, Revision
from agent.policy.decisions import Decision, Mode, Outcome, Reason, RollbackAlert
from agent.policy.store import LIMIT

_ONE_AT_A_TIME: Final = 7_403_926_582  # any number that nobody else takes as a PostgreSQL advisory lock

_newest: Final = (
    select(assignments.c.tier, func.max(assignments.c.revision).label("revision"))
    .group_by(assignments.c.tier)
    .subquery()
)
_IN_FORCE: Final = select(assignments).join(
    _newest, and_(assignments.c.tier == _newest.c.tier, assignments.c.revision == _newest.c.revision)
)
"""Asked every second: made once."""


class SqlPolicyStore:
    """A `PolicyStore`. With `migrated` every call waits for the schema first."""

    def __init__(self, engine: AsyncEngine, migrated: asyncio.Event | None = None) -> None:
        self._engine = engine
        self._migrated = migrated

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[SqlPolicyTransaction]:
        await self._schema()
        async with self._engine.begin() as connection:
            await _alone(connection)
            yield SqlPolicyTransaction(connection)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[SqlPolicyTransaction]:
        await self._schema()
        async with self._engine.connect() as connection:
            yield SqlPolicyTransaction(connection)

    async def current(self) -> Sequence[Revision]:
        await self._schema()
        async with self._engine.connect() as connection:
            return [_revision(row) for row in await connection.execute(_IN_FORCE)]

    async def _schema(self) -> None:
        if self._migrated is not None:
            await self._migrated.wait()


class SqlPolicyTransaction:
    """A `PolicyTransaction` on a connection, which holds the lock unless it is for reading only."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def history(self, tier: Tier) -> Sequence[Revision]:
        statement = select(assignments).where(assignments.c.tier == tier).order_by(assignments.c.revision)
        return [_revision(row) for row in await self._connection.execute(statement)]

    async def change(self, change: Change, at: datetime) -> Revision:
        highest = select(func.coalesce(func.max(assignments.c.revision), 0)).where(assignments.c.tier == change.tier)
        number = int((await self._connection.execute(highest)).scalar_one()) + 1
        values: Mapping[str, Any] = {
            "tier": change.tier,
            "revision": number,
            "at": at,
            "weights": dict(change.weights),
            "cause": change.cause,
            "actor": change.actor,
            "reason": change.reason,
            "restores": change.restores,
        }
        await self._connection.execute(insert(assignments).values(values))
        return Revision(number, at, change)

    async def decision(self, alert: RollbackAlert, mode: Mode) -> Decision | None:
        return await self._one(_same(alert, mode))

    async def decision_by_id(self, decision_id: str) -> Decision | None:
        return await self._one(decisions.c.id == decision_id)

    async def decisions(self, tier: Tier | None = None) -> Sequence[Decision]:
        statement = select(decisions).order_by(decisions.c.at.desc()).limit(LIMIT)
        if tier is not None:
            statement = statement.where(decisions.c.tier == tier)
        return [_decision(row) for row in await self._connection.execute(statement)]

    async def rollbacks(self, tier: Tier, since: datetime) -> Sequence[Decision]:
        which = and_(decisions.c.tier == tier, decisions.c.at >= since, decisions.c.to_revision.is_not(None))
        return [_decision(row) for row in await self._connection.execute(select(decisions).where(which))]

    async def save(self, decision: Decision) -> None:
        alert = decision.alert
        values: Mapping[str, Any] = {
            "id": decision.id,
            "at": decision.at,
            "alert": alert.name,
            "fingerprint": alert.fingerprint,
            "starts_at": alert.starts_at,
            "mode": decision.mode,
            "tier": alert.tier,
            "policy": alert.policy,
            "verdict": alert.verdict,
            "outcome": decision.outcome,
            "reason": decision.reason,
            "evidence": dict(decision.evidence),
            "from_revision": decision.from_revision,
            "to_revision": decision.to_revision,
        }
        await self._connection.execute(delete(decisions).where(_same(alert, decision.mode)))
        await self._connection.execute(insert(decisions).values(values))

    async def _one(self, which: Any) -> Decision | None:
        row = (await self._connection.execute(select(decisions).where(which))).one_or_none()
        return None if row is None else _decision(row)


async def _alone(connection: AsyncConnection) -> None:
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
    else:
        await lock_for_writing(connection)


def _same(alert: RollbackAlert, mode: Mode) -> Any:
    return and_(
        decisions.c.fingerprint == alert.fingerprint,
        decisions.c.starts_at == alert.starts_at,
        decisions.c.mode == mode,
    )


def _revision(row: Row[Any]) -> Revision:
    change = Change(Tier(row.tier), row.weights, ChangeCause(row.cause), row.actor, row.reason, row.restores)
    return Revision(row.revision, row.at, change)


def _decision(row: Row[Any]) -> Decision:
    alert = RollbackAlert(row.alert, row.fingerprint, row.starts_at, Tier(row.tier), row.policy, row.verdict)
    return Decision(
        id=row.id,
        at=row.at,
        alert=alert,
        mode=row.mode,
        outcome=Outcome(row.outcome),
        reason=Reason(row.reason),
        evidence=row.evidence,
        from_revision=row.from_revision,
        to_revision=row.to_revision,
    )
