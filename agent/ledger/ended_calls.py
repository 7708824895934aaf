"""Reads ended calls from the ledger, as decisions count them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Integer, Row, Select, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.ledger.tables import sessions, turns
from agent.policy.evidence import CallCounts
from agent.telemetry.events import SessionOutcome
from agent.telemetry.timeline import NO_REPLY

LOST: Final = (SessionOutcome.VANISHED, SessionOutcome.FAILED, SessionOutcome.CRASHED)


class SqlEndedCalls:
    """An `EndedCalls`. Waits for the schema first. Raises SQLAlchemyError or OSError without its database."""

    def __init__(self, engine: AsyncEngine, migrated: asyncio.Event) -> None:
        self._engine = engine
        self._migrated = migrated

    async def ended_since(self, since: datetime, limit: int) -> Sequence[CallCounts]:
        """The latest calls that ended after `since`, at most `limit`, oldest first."""
        await self._migrated.wait()
        async with self._engine.connect() as connection:
            rows: Any = await connection.execute(_LATEST, {"since": since, "most": limit})
            return [_call(row) for row in rows]


def _statement() -> Select[*tuple[Any, ...]]:
    latest = (
        select(sessions)
        .where(sessions.c.ended_at > bindparam("since"))
        .where(sessions.c.policy_chosen.is_not(True))  # who chooses is no sample, and could choose what is rolled back
        .order_by(sessions.c.ended_at.desc())
        .limit(bindparam("most", type_=Integer))
        .subquery()
    )
    owed = and_(turns.c.session_id == latest.c.id, turns.c.owed)
    return (
        select(
            latest.c.id,
            latest.c.subject,
            latest.c.origin,
            latest.c.tier,
            latest.c.policy,
            latest.c.policy_version,
            latest.c.agent,
            latest.c.agent_version,
            latest.c.ended_at,
            latest.c.outcome,
            func.count(turns.c.turn).label("owed"),
            func.count(turns.c.turn).filter(turns.c.slow).label("slow"),
            func.count(turns.c.turn).filter(turns.c.outcome.in_(NO_REPLY)).label("without_reply"),
        )
        .select_from(latest.outerjoin(turns, owed))
        .group_by(*latest.c)
        .order_by(latest.c.ended_at, latest.c.id)
    )


_LATEST: Final = _statement()  # asked every few seconds: to make it takes longer than to read what is new


def _call(row: Row[Any]) -> CallCounts:
    """Thousands of calls are kept, and have few policies and few counts between them: those are one object each."""
    return CallCounts(
        session_id=row.id,
        ended_at=row.ended_at,
        tier=sys.intern(row.tier),
        policy=sys.intern(row.policy),
        caller=row.origin or row.subject,
        counts=_counts(row.slow, row.without_reply, row.owed, row.outcome in LOST),
        version=row.policy_version,
        agent=sys.intern(row.agent or ""),
        agent_version=row.agent_version or 0,
    )


@lru_cache(maxsize=1_000)
def _counts(slow: int, without_reply: int, owed: int, lost: bool) -> Mapping[str, tuple[int, int]]:
    return MappingProxyType(
        {"slow_turns": (slow, owed), "no_reply": (without_reply, owed), "lost_sessions": (int(lost), 1)}
    )
