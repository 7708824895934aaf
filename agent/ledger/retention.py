"""What is not kept: rows past the retention, and everything about a caller who is to be forgotten."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import CursorResult, Executable, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agent.ledger.rows import TableName
from agent.ledger.tables import charges, fallbacks, memory_events, sessions, turns
from agent.ledger.writer import lock_for_writing

Counts = dict[TableName, int]


async def prune(engine: AsyncEngine, before: datetime) -> Counts:
    """Deletes what is older than `before` and returns how many rows of each table.

    A session has the age of its end, or of its start where the end was never written. Raises SQLAlchemyError, OSError.
    """
    old: dict[TableName, Executable] = {
        "memory_events": delete(memory_events).where(memory_events.c.at < before),
        "turns": delete(turns).where(turns.c.ended_at < before),
        "fallbacks": delete(fallbacks).where(fallbacks.c.at < before),
        "charges": delete(charges).where(charges.c.at < before),
        "sessions": delete(sessions).where(func.coalesce(sessions.c.ended_at, sessions.c.started_at) < before),
    }
    counts: Counts = {}
    for table, statement in old.items():
        async with engine.begin() as connection:  # one transaction each: calls write in between
            counts[table] = await _count(connection, statement)
    return counts


async def forget(engine: AsyncEngine, subject: str) -> Counts:
    """Deletes a caller's sessions, turns, fallbacks and memory, and returns how many rows of each table.

    Charges hold no personal data: they stay, without their session and turn (their count is that of the rows that
    changed), and the totals still add up. A session that is running goes too, and what it leaves later is not stored.
    Raises SQLAlchemyError, OSError.
    """
    async with engine.begin() as connection:
        await lock_for_writing(connection)
        found = select(sessions.c.id).where(sessions.c.subject == subject).with_for_update()
        ids = list((await connection.execute(found)).scalars())
        steps: dict[TableName, Executable] = {
            "sessions": delete(sessions).where(sessions.c.id.in_(ids)),
            "turns": delete(turns).where(turns.c.session_id.in_(ids)),
            "fallbacks": delete(fallbacks).where(fallbacks.c.session_id.in_(ids)),
            "memory_events": delete(memory_events).where(memory_events.c.session_id.in_(ids)),
            "charges": update(charges).where(charges.c.session_id.in_(ids)).values(session_id=None, turn=None),
        }
        return {table: await _count(connection, statement) for table, statement in steps.items()}


async def _count(connection: AsyncConnection, statement: Executable) -> int:
    return cast("CursorResult[object]", await connection.execute(statement)).rowcount
