"""What is not kept: rows past the retention, and everything about a caller who is to be forgotten."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final, cast

from sqlalchemy import CursorResult, Executable, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agent.billing.pricing import utc_now
from agent.ledger.rows import TableName
from agent.ledger.tables import (
    charges,
    fallbacks,
    memory_events,
    sessions,
    spending,
    tool_events,
    turns,
    webhook_deliveries,
)
from agent.ledger.tombstones import bury_session, bury_subject, prune_tombstones
from agent.ledger.transactions import lock_for_writing

CHECKPOINT_TRIES: Final = 50
CHECKPOINT_PAUSE_S: Final = 0.1

Counts = dict[TableName, int]


async def prune(engine: AsyncEngine, before: datetime) -> Counts:
    """Deletes what is older than `before` and returns how many rows of each table.

    A session has the age of its end, or of its start where the end was never written. Raises SQLAlchemyError, OSError.
    """
    old: dict[TableName, Executable] = {
        "memory_events": delete(memory_events).where(memory_events.c.at < before),
        "tool_events": delete(tool_events).where(tool_events.c.at < before),
        "turns": delete(turns).where(turns.c.ended_at < before),
        "fallbacks": delete(fallbacks).where(fallbacks.c.at < before),
        "charges": delete(charges).where(charges.c.at < before),
        "sessions": delete(sessions).where(func.coalesce(sessions.c.ended_at, sessions.c.started_at) < before),
    }
    counts: Counts = {}
    for table, statement in old.items():
        async with engine.begin() as connection:  # one transaction each: calls write in between
            counts[table] = await _count(connection, statement)
    async with engine.begin() as connection:
        await connection.execute(delete(spending).where(spending.c.until < before))
        await connection.execute(delete(webhook_deliveries).where(webhook_deliveries.c.at < before))
        await connection.execute(prune_tombstones(before))
    return counts


async def revoke(engine: AsyncEngine, session_id: str) -> None:
    """The resume tokens of a session open nothing any more. Raises SQLAlchemyError, OSError."""
    async with engine.begin() as connection:
        await lock_for_writing(connection)
        await bury_session(connection, session_id, utc_now())


async def forget(engine: AsyncEngine, subject: str) -> Counts:
    """Deletes a caller's sessions, turns, fallbacks, memory and tool log, and returns how many rows of each table.

    Nothing stays on the disk: SQLite overwrites what it deletes, is written anew, and its write-ahead log is emptied.
    What a session that began before leaves later, and what its resume tokens would bring back, is not stored.

    Charges hold no personal data: they stay, without their session and turn (their count is that of the rows that
    changed), and the totals still add up. A session that is running goes too.
    Raises SQLAlchemyError, OSError.
    """
    async with engine.begin() as connection:
        await lock_for_writing(connection)
        found = select(sessions.c.id).where(sessions.c.subject == subject).order_by(sessions.c.id).with_for_update()
        ids = list((await connection.execute(found)).scalars())
        await bury_subject(connection, subject, ids, utc_now())
        steps: dict[TableName, Executable] = {
            "sessions": delete(sessions).where(sessions.c.id.in_(ids)),
            "turns": delete(turns).where(turns.c.session_id.in_(ids)),
            "fallbacks": delete(fallbacks).where(fallbacks.c.session_id.in_(ids)),
            "memory_events": delete(memory_events).where(memory_events.c.session_id.in_(ids)),
            "tool_events": delete(tool_events).where(tool_events.c.session_id.in_(ids)),
            "charges": update(charges).where(charges.c.session_id.in_(ids)).values(session_id=None, turn=None),
        }
        await connection.execute(delete(webhook_deliveries).where(webhook_deliveries.c.session_id.in_(ids)))
        counts: Counts = {table: await _count(connection, statement) for table, statement in steps.items()}
    if engine.dialect.name == "sqlite":
        await _leave_nothing(engine)
    return counts


async def _leave_nothing(engine: AsyncEngine) -> None:
    """Writes an SQLite file anew and empties its log. Raises OSError while another process does not let it."""
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        await connection.exec_driver_sql("VACUUM")  # balancing a tree copies rows: free space may hold such a copy
        for _ in range(CHECKPOINT_TRIES):
            busy = (await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")).scalar_one()
            if not busy:
                return
            await asyncio.sleep(CHECKPOINT_PAUSE_S)
    raise TimeoutError("the write-ahead log is being read: forget the caller again")


async def _count(connection: AsyncConnection, statement: Executable) -> int:
    return cast("CursorResult[object]", await connection.execute(statement)).rowcount
