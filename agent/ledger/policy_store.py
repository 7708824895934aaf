"""Assignments and decisions in the ledger's database. Revisions and decisions are only ever added, or settled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, Table, and_, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agent.ledger.tables import agent_assignments, agent_decisions, assignments, decisions
from agent.ledger.transactions import lock_for_writing
from agent.policy.assignments import Change, ChangeCause, Revision
from agent.policy.decisions import Decision, Mode, Outcome, Reason, RollbackAlert
from agent.policy.store import LIMIT

_ONE_AT_A_TIME: Final = 7_403_926_582  # any number that nobody else takes as a PostgreSQL advisory lock


@dataclass(frozen=True, slots=True)
class _Place:
    """Where assignments and decisions of one kind are."""

    assignments: Table
    decisions: Table
    in_force: Select[Any]
    """Asked every second: made once."""


def _all(table: Table) -> Select[Any]:
    """Rows with the names that both kinds have in common."""
    return select(*(column.label(column.key) for column in table.c))


def _place(made: Table, decided: Table) -> _Place:
    newest = select(made.c.tier, func.max(made.c.revision).label("revision")).group_by(made.c.tier).subquery()
    same = and_(made.c.tier == newest.c[0], made.c.revision == newest.c.revision)
    return _Place(made, decided, _all(made).join(newest, same))


_POLICIES: Final = _place(assignments, decisions)
_AGENTS: Final = _place(agent_assignments, agent_decisions)


class SqlPolicyStore:
    """A `PolicyStore`. With `migrated` every call waits for the schema first."""

    def __init__(self, engine: AsyncEngine, migrated: asyncio.Event | None = None, *, agents: bool = False) -> None:
        """With `agents` it is about versions of agents, with their names for tiers."""
        self._place = _AGENTS if agents else _POLICIES
        self._engine = engine
        self._migrated = migrated

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[SqlPolicyTransaction]:
        await self._schema()
        async with self._engine.begin() as connection:
            await _alone(connection)
            yield SqlPolicyTransaction(connection, self._place)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[SqlPolicyTransaction]:
        await self._schema()
        async with self._engine.connect() as connection:
            yield SqlPolicyTransaction(connection, self._place)

    async def current(self) -> Sequence[Revision]:
        await self._schema()
        async with self._engine.connect() as connection:
            return [_revision(row) for row in await connection.execute(self._place.in_force)]

    async def _schema(self) -> None:
        if self._migrated is not None:
            await self._migrated.wait()


class SqlPolicyTransaction:
    """A `PolicyTransaction` on a connection, which holds the lock unless it is for reading only."""

    def __init__(self, connection: AsyncConnection, place: _Place) -> None:
        self._connection = connection
        self._assignments, self._decisions = place.assignments, place.decisions

    async def history(self, tier: str) -> Sequence[Revision]:
        made = self._assignments
        statement = _all(made).where(made.c.tier == tier).order_by(made.c.revision)
        return [_revision(row) for row in await self._connection.execute(statement)]

    async def change(self, change: Change, at: datetime) -> Revision:
        made = self._assignments
        highest = select(func.coalesce(func.max(made.c.revision), 0)).where(made.c.tier == change.tier)
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
        await self._connection.execute(insert(self._assignments).values(values))
        return Revision(number, at, change)

    async def decision(self, alert: RollbackAlert, mode: Mode) -> Decision | None:
        return await self._one(_same(self._decisions, alert, mode))

    async def decision_by_id(self, decision_id: str) -> Decision | None:
        return await self._one(self._decisions.c.id == decision_id)

    async def decisions(self, tier: str | None = None) -> Sequence[Decision]:
        made = self._decisions
        statement = _all(made).order_by(made.c.at.desc()).limit(LIMIT)
        if tier is not None:
            statement = statement.where(made.c.tier == tier)
        return [_decision(row) for row in await self._connection.execute(statement)]

    async def rollbacks(self, tier: str, since: datetime) -> Sequence[Decision]:
        made = self._decisions
        which = and_(made.c.tier == tier, made.c.at >= since, made.c.to_revision.is_not(None))
        return [_decision(row) for row in await self._connection.execute(_all(made).where(which))]

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
        made = self._decisions
        await self._connection.execute(delete(made).where(_same(made, alert, decision.mode)))
        await self._connection.execute(insert(made).values(values))

    async def _one(self, which: Any) -> Decision | None:
        row = (await self._connection.execute(_all(self._decisions).where(which))).one_or_none()
        return None if row is None else _decision(row)


async def _alone(connection: AsyncConnection) -> None:
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
    else:
        await lock_for_writing(connection)


def _same(made: Table, alert: RollbackAlert, mode: Mode) -> Any:
    return and_(made.c.fingerprint == alert.fingerprint, made.c.starts_at == alert.starts_at, made.c.mode == mode)


def _revision(row: Row[Any]) -> Revision:
    change = Change(row.tier, row.weights, ChangeCause(row.cause), row.actor, row.reason, row.restores)
    return Revision(row.revision, row.at, change)


def _decision(row: Row[Any]) -> Decision:
    alert = RollbackAlert(row.alert, row.fingerprint, row.starts_at, row.tier, row.policy, row.verdict)
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
