"""Whom running calls must end for: callers who were forgotten, and calls that were revoked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import select

from agent.billing.pricing import utc_now
from agent.ledger.ledger import Ledger
from agent.ledger.tables import tombstones
from agent.ledger.tombstones import SESSION, SUBJECT, digest_of

POLL_S: Final = 2.0
OVERLAP: Final = timedelta(minutes=10)  # between the clocks of those who write tombstones and of this process
_READ_S: Final = 5.0

log = structlog.get_logger()

EndWhere = Callable[[Callable[[str, str, datetime], bool]], int]
"""Ends the running sessions for which (session id, subject, began at) is true; returns how many."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Sessions by id; subjects by digest, with the time until which their sessions are meant."""

    sessions: frozenset[str]
    subjects: Mapping[str, datetime]

    def covers(self, session_id: str, subject: str, began: datetime) -> bool:
        """Whether this session must end."""
        until = self.subjects.get(digest_of(subject)) if self.subjects else None
        return session_id in self.sessions or (until is not None and began <= until)


class WithdrawalWatch:
    """Ends running calls within seconds of `voice-agent forget` and `ledger revoke`, wherever those were typed."""

    def __init__(self, ledger: Ledger, end_where: EndWhere, running: Callable[[], int]) -> None:
        """`running` counts the calls of this process: without one there is nothing to look for."""
        self._ledger = ledger
        self._running = running
        self._end_where = end_where
        self._since = utc_now()

    async def follow(self) -> None:
        """Looks every two seconds, until it is cancelled; without its database it looks again later."""
        await self._ledger.migrated.wait()
        failing = False
        while True:
            try:
                async with asyncio.timeout(_READ_S):
                    await self.look()
                failing = False
            except Exception as error:  # whatever it is, calls go on
                if not failing:
                    log.warning("withdrawals cannot be read", error=type(error).__name__)
                failing = True
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Ends what must end now. Raises SQLAlchemyError, OSError."""
        if not self._running():
            return  # whatever is withdrawn meanwhile is found at the first look after a call has begun
        began = utc_now()
        recent = select(tombstones).where(tombstones.c.at >= self._since - OVERLAP)
        async with self._ledger.engine.connect() as connection:
            found = (await connection.execute(recent)).all()
        self._since = began
        if not found:
            return
        withdrawn = Withdrawal(
            frozenset(row.name for row in found if row.kind == SESSION),
            {row.name: row.at for row in found if row.kind == SUBJECT},
        )
        if ended := self._end_where(withdrawn.covers):
            log.info("calls ended: forgotten or revoked", calls=ended)
