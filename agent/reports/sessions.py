"""Which sessions there were, and which of them a name means: an id or its beginning, a trace id, or a caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.billing.prices import usd
from agent.ledger.tables import sessions, turns

LIMIT: Final = 200  # sessions of one list
MIN_PREFIX: Final = 4  # characters: a shorter beginning means too much


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One session in a line. `ended_at` and `outcome` are None while it runs or after a crash."""

    session_id: str
    subject: str
    tier: str
    policy: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    turns: int
    slow_turns: int
    usd: float


async def list_sessions(
    engine: AsyncEngine, since: datetime, *, tier: str | None = None, search: str = "", limit: int = LIMIT
) -> tuple[SessionSummary, ...]:
    """Sessions that began since then, newest first. Raises SQLAlchemyError or OSError.

    `search` is a part of an id, caller, policy or outcome, or the beginning of a trace id.
    """
    c = sessions.c
    where: list[ColumnElement[bool]] = [c.started_at >= since]
    if tier is not None:
        where.append(c.tier == tier)
    if search:
        columns = (c.id, c.subject, c.policy, c.outcome)
        where.append(or_(*(column.contains(search, autoescape=True) for column in columns), _traced(search)))
    return await _read(engine, where, limit)


async def find_sessions(engine: AsyncEngine, name: str, limit: int = LIMIT) -> tuple[SessionSummary, ...]:
    """The sessions that `name` can mean, newest first.

    The one with this id, else those of the caller with this name, else those whose id or trace id begins so.
    Raises SQLAlchemyError or OSError.
    """
    c = sessions.c
    ways: list[ColumnElement[bool]] = [c.id == name, c.subject == name]
    if len(name) >= MIN_PREFIX:
        ways.append(or_(c.id.startswith(name, autoescape=True), _traced(name)))
    for way in ways:
        found = await _read(engine, [way], limit)
        if found:
            return found
    return ()


def _traced(beginning: str) -> ColumnElement[bool]:
    """Sessions with a turn whose trace id begins so; false for what is too short."""
    trace = turns.c.trace_id
    same = trace.startswith(beginning, autoescape=True) if len(beginning) >= MIN_PREFIX else trace == beginning
    return sessions.c.id.in_(select(turns.c.session_id).where(same))


async def _read(engine: AsyncEngine, where: Sequence[ColumnElement[bool]], limit: int) -> tuple[SessionSummary, ...]:
    newest = select(sessions).where(*where).order_by(sessions.c.started_at.desc(), sessions.c.id).limit(limit)
    async with engine.connect() as connection:
        return tuple(_summary(row) for row in (await connection.execute(newest)).all())


def _summary(row: Any) -> SessionSummary:
    return SessionSummary(
        session_id=row.id,
        subject=row.subject,
        tier=row.tier,
        policy=row.policy,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=row.outcome,
        turns=row.turns,
        slow_turns=row.slow_turns,
        usd=usd(row.cost_nano_usd),
    )
