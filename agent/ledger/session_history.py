"""What the ledger knows of a session that is opened again: its conversation, its turns and what it has cost."""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy import func, select

from agent.core.resumed_state import ResumedState
from agent.ledger.ledger import Ledger
from agent.ledger.tables import charges, sessions, turns
from agent.ledger.tombstones import has_tombstone
from agent.telemetry.events import SessionOutcome

WAIT_S: Final = 1.0  # a caller who connects does not wait longer for a database
FINAL: Final = frozenset({SessionOutcome.COMPLETED, SessionOutcome.COST_CAP, SessionOutcome.TOO_LONG})
"""How a session ends for good: its resume token opens nothing any more."""


class SessionHistory:
    """Reads `ResumedState` from a ledger; what this process has recorded is committed first."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._late: set[asyncio.Task[ResumedState | None]] = set()

    async def past(self, session_id: str) -> ResumedState | None:
        """What a session was so far; None for one that the ledger has never seen.

        Raises SQLAlchemyError, OSError, and TimeoutError after a second: a query that hangs is cancelled, and how long
        the driver takes for that is nobody's business.
        """
        if not self._ledger.reachable:
            raise TimeoutError
        reading = asyncio.create_task(self._read(session_id))
        self._late.add(reading)
        reading.add_done_callback(self._late.discard)
        try:
            await asyncio.wait({reading}, timeout=WAIT_S)
            if not reading.done():
                raise TimeoutError
            return reading.result()
        finally:
            reading.cancel()

    async def _read(self, session_id: str) -> ResumedState | None:
        await self._ledger.migrated.wait()
        await self._ledger.flush(WAIT_S / 2)
        async with self._ledger.engine.connect() as connection:
            if await has_tombstone(connection, session_id):
                return ResumedState(over=True)
            kept = select(sessions.c.policy, sessions.c.outcome).where(sessions.c.id == session_id)
            found = (await connection.execute(kept)).one_or_none()
            if found is None:
                return None
            mine = turns.c.session_id == session_id
            last, slow = (
                await connection.execute(
                    select(func.coalesce(func.max(turns.c.turn), 0), func.count().filter(turns.c.slow)).where(mine)
                )
            ).one()
            spent = select(func.coalesce(func.sum(charges.c.nano_usd), 0)).where(charges.c.session_id == session_id)
            nano_usd = int((await connection.execute(spent)).scalar_one())
        over = found.outcome in FINAL
        return ResumedState(
            tuple(await self._ledger.memory_events(session_id)), last, slow, nano_usd, found.policy, over
        )
