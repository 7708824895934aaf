"""What the ledger knows of a session that is opened again: its conversation, its turns and what it has cost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.core.resumed_state import ResumedState
from agent.ledger.ledger import Ledger
from agent.ledger.owners import SessionOwners, take
from agent.ledger.tables import charges, memory_events, sessions, tool_events, turns
from agent.ledger.tombstones import has_tombstone
from agent.ledger.transactions import lock_for_writing
from agent.telemetry.events import SessionOutcome

WAIT_S: Final = 1.0  # a caller who connects does not wait longer for a database
TAKE_S: Final = 6.0  # who comes back does: a suspended owner may hold the row for 3 s, and many may come at once
STORE_S: Final = 2.0  # of it for what this process has recorded itself
FINAL: Final = frozenset({SessionOutcome.COMPLETED, SessionOutcome.COST_CAP, SessionOutcome.TOO_LONG})
"""How a session ends for good: its resume token opens nothing any more."""


class SessionHistory:
    """Reads `ResumedState` from a ledger, and takes sessions; what this process has recorded is committed first."""

    def __init__(self, ledger: Ledger, owners: SessionOwners) -> None:
        self._ledger = ledger
        self._owners = owners
        self._late: set[asyncio.Task[ResumedState | None]] = set()

    async def past(self, session_id: str, *, take_over: bool) -> ResumedState | None:
        """What a session was so far; None for one that the ledger has never seen.

        `take_over` makes this process its owner, unless it is over for good. Raises SQLAlchemyError, OSError, and
        TimeoutError after a second, or six: a query that hangs is cancelled, and how long the driver takes for that is
        nobody's business. It raises TimeoutError at once while the database is away, and where turns of the session
        may not be stored yet.
        """
        if not self._ledger.reachable:
            self._ledger.try_again()
            raise TimeoutError
        if take_over and not self._owners.caught_up:
            raise TimeoutError
        reading = asyncio.create_task(self._read(session_id, take_over=take_over))
        self._late.add(reading)
        reading.add_done_callback(self._late.discard)
        try:
            await asyncio.wait({reading}, timeout=TAKE_S if take_over else WAIT_S)
            if not reading.done():
                raise TimeoutError
            return reading.result()
        finally:
            reading.cancel()

    async def holds(self, session_id: str, generation: int) -> bool | None:
        """Whether a session that is open here has no newer owner; None when it cannot be told. Never raises."""
        return await self._owners.holds(session_id, generation)

    async def _read(self, session_id: str, *, take_over: bool) -> ResumedState | None:
        await self._ledger.migrated.wait()
        stored = await self._ledger.caught_up(STORE_S if take_over else WAIT_S / 2)
        if take_over and not stored:  # what is not stored when it is taken never will be
            raise TimeoutError
        async with self._ledger.engine.begin() as connection:
            if take_over:
                await lock_for_writing(connection)
            if await has_tombstone(connection, session_id):
                return ResumedState(over=True)
            kept = select(sessions.c.policy, sessions.c.outcome, sessions.c.agent_version).where(
                sessions.c.id == session_id
            )
            found = (await connection.execute(kept)).one_or_none()
            if found is None:
                return None
            if found.outcome in FINAL:
                return ResumedState(over=True)
            if not take_over:
                return ResumedState()
            # first of all it is taken: what is read then is all that will ever be stored of the owners before
            generation = await take(connection, session_id, self._ledger.owner, self._ledger.lease)
            past = await _read_all(connection, session_id, found.policy, generation)
            return replace(past, agent_version=found.agent_version)


async def _read_all(connection: AsyncConnection, session_id: str, policy: str, generation: int) -> ResumedState:
    mine = turns.c.session_id == session_id
    count = func.coalesce(func.max(turns.c.turn), 0), func.count().filter(turns.c.slow), func.max(turns.c.ended_at)
    last, slow, ended_at = (await connection.execute(select(*count).where(mine))).one()
    spent = select(func.coalesce(func.sum(charges.c.nano_usd), 0)).where(charges.c.session_id == session_id)
    nano_usd = int((await connection.execute(spent)).scalar_one())
    remembered = select(memory_events.c.event, memory_events.c.at).where(memory_events.c.session_id == session_id)
    memory = (await connection.execute(remembered.order_by(memory_events.c.seq))).all()
    cut_off = _cut_off([(row.event, row.at) for row in memory], ended_at)
    events = tuple(row.event for row in memory)
    done = select(tool_events.c.event).where(tool_events.c.session_id == session_id).order_by(tool_events.c.seq)
    tools = tuple((await connection.execute(done)).scalars())
    return ResumedState(events, last, slow, nano_usd, policy, cut_off, generation, tools)


def _cut_off(events: list[tuple[dict[str, object], datetime]], turn_ended_at: datetime | None) -> str | None:
    """What the caller said last, where neither an answer to it nor the end of its turn was stored."""
    for event, at in reversed(events):
        if event.get("kind") == "answered":
            return None
        if event.get("kind") == "heard":
            over = turn_ended_at is not None and turn_ended_at >= at
            return None if over else str(event.get("text", "")) or None
    return None
