"""Who has a session: one process at a time, for as long as it gives a sign. The database is what they agree on.

The row of a session names its owner and counts its owners (`generation`). Whoever goes on with a session takes it,
which makes the count higher: nothing that an older owner writes is stored from then on, and it learns so within a
second. So does who has a session whose subject opened a newer one elsewhere.
Times in the rows are the database's, so that the clocks of processes do not matter; SQLite has one process.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Select, bindparam, exists, func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.core.clock import now
from agent.ledger.ledger import Ledger
from agent.ledger.outbox import Ended, enqueue
from agent.ledger.tables import sessions, turns
from agent.ledger.transactions import database_time, lock_for_writing
from agent.telemetry.events import SessionOutcome

LOOK_EVERY_S: Final = 0.5
RENEWALS: Final = 6  # in the time of a lease
MOST: Final = 500  # sessions of one statement
_ANSWER_S: Final = 3.0  # a database that takes longer is as good as down
STORED_AFTER_S: Final = 4.0  # from the return of the database until every process has stored what waited meanwhile

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Crashed:
    """A session whose owner was lost and that nobody went on with: tier and policy as they are counted."""

    tier: str
    policy: str


@dataclass(frozen=True, slots=True)
class LiveSessions:
    """The sessions of this process, as their registry knows them."""

    generations: Callable[[], Mapping[str, int]]
    """Session → generation, of every session that is open here now."""
    lose: Callable[[str, SessionOutcome], None]
    """Ends a session that this process no longer has: `moved`, `crashed`, or `replaced` by its subject's newer one."""
    crashed: Callable[[Crashed], None]
    """Counts a session of another process that has crashed."""


async def take(connection: AsyncConnection, session_id: str, owner: str, lease: timedelta) -> int:
    """Makes `owner` the owner of a session that is stored, and open again. Returns the generation.

    What an owner before is writing now is stored first; what it writes later is not.
    """
    row = (
        await connection.execute(
            select(sessions.c.generation).where(sessions.c.id == session_id).with_for_update(key_share=True)
        )
    ).one()
    generation = (row.generation or 0) + 1
    at = await database_time(connection)
    fresh = {"owner": owner, "generation": generation, "lease_until": at + lease, "opened_at": at}
    changed = update(sessions).where(sessions.c.id == session_id)
    await connection.execute(changed.values(**fresh, ended_at=None, outcome=None))
    return generation


class SessionOwners:
    """Renews the leases of this process, ends what it has lost, and closes the books of processes that are gone."""

    def __init__(self, ledger: Ledger, grace_s: float) -> None:
        """A session is counted as crashed when its lease has been over for `grace_s`, the caller's grace time."""
        self._ledger = ledger
        self._lease = ledger.lease
        self._grace = timedelta(seconds=grace_s)
        self._renewed: dict[str, float] = {}  # session → loop time at which it was renewed
        self._touched_at: float | None = None  # when the database last answered
        self._in_touch_since: float | None = None
        self._counted_at = -math.inf
        self._away_at = -math.inf  # when the database last did not answer

    @property
    def caught_up(self) -> bool:
        """Whether what other processes have recorded is stored by now, as far as this one can tell.

        Who has calls while the database is away keeps their turns, and stores them once it is back. To take a call
        from him earlier would lose them: what an owner before writes is not stored.
        """
        return now() - self._away_at >= STORED_AFTER_S

    async def follow(self, live: LiveSessions) -> None:
        """Looks twice a second, until it is cancelled; a dozen times a lease where there is no other process.

        Without its database it looks again later, and calls go on.
        """
        await self._ledger.migrated.wait()
        failing = False
        # nobody takes a session from the only process: there it is about leases alone
        alone = self._ledger.engine.dialect.name == "sqlite"
        every_s = self._lease.total_seconds() / RENEWALS / 2 if alone else LOOK_EVERY_S
        while True:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await self.look(live)
                failing = False
                self._ledger.try_again()
            except Exception as error:  # whatever it is, calls go on
                self._away_at = now()
                if not failing:
                    log.warning("owners of sessions cannot be read", error=type(error).__name__)
                failing = True
            await asyncio.sleep(every_s)

    async def holds(self, session_id: str, generation: int) -> bool | None:
        """Whether this process still has a session. Without the database: while its lease lasts, then None.

        Asked before a client that comes back is given a session that is open here: it may have been elsewhere.
        """
        if self._ledger.engine.dialect.name == "sqlite":
            return True
        try:
            async with asyncio.timeout(_ANSWER_S), self._ledger.engine.connect() as connection:
                found = (await connection.execute(_owned([session_id]))).one_or_none()
        except Exception as error:  # whatever it is
            log.warning("owner of a session cannot be read", error=type(error).__name__, session_id=session_id)
            self._away_at = now()
            if self._ledger.unknown_elsewhere(session_id):
                return True
            renewed = self._renewed.get(session_id)
            return True if renewed is not None and now() < renewed + self._lease.total_seconds() else None
        return found is None or self._is_mine(found, generation)

    async def look(self, live: LiveSessions) -> None:
        """Ends what was lost, renews what is due, and counts crashed sessions. Raises SQLAlchemyError, OSError."""
        began = now()
        mine = dict(live.generations())
        self._renewed = {name: at for name, at in self._renewed.items() if name in mine}
        for names in _parts(list(mine)):
            async with self._ledger.engine.connect() as connection:
                found = (await connection.execute(_owned(names))).all()
                replaced = await self._replaced(connection, names)
            for row in found:
                lost = self._lost(row, mine[row.id], replaced)
                if lost is not None:
                    live.lose(row.id, lost)
                    self._renewed.pop(row.id, None)
                    del mine[row.id]
            # a session that is not stored yet is renewed later
            await self._renew(row.id for row in found if row.id in mine and self._due(row.id, began))
        lease_s = self._lease.total_seconds()
        if self._touched_at is None or self._in_touch_since is None or began - self._touched_at > lease_s / RENEWALS:
            self._in_touch_since = began  # who was away himself calls nobody lost
        self._touched_at = now()
        if began - self._in_touch_since >= lease_s and began - self._counted_at >= lease_s / RENEWALS:
            self._counted_at = began
            await self._count_crashed(live)

    def _lost(self, row: Any, generation: int, replaced: frozenset[str]) -> SessionOutcome | None:
        if not self._is_mine(row, generation):
            return SessionOutcome.MOVED if row.ended_at is None else SessionOutcome.CRASHED
        return SessionOutcome.REPLACED if row.id in replaced else None

    async def _replaced(self, connection: AsyncConnection, names: Sequence[str]) -> frozenset[str]:
        """Sessions whose subject has opened a newer one, in another process: a registry sees to its own."""
        if connection.dialect.name == "sqlite":
            return frozenset()
        found = await connection.execute(_REPLACED, {"ids": names, "mine": self._ledger.owner})
        return frozenset(found.scalars())

    def _due(self, session_id: str, at: float) -> bool:
        renewed = self._renewed.get(session_id)
        return renewed is None or at - renewed >= self._lease.total_seconds() / RENEWALS

    def _is_mine(self, row: Any, generation: int) -> bool:
        return row.generation is None or (row.owner == self._ledger.owner and row.generation == generation)

    async def _renew(self, names: Iterable[str]) -> None:
        due = sorted(names)
        if not due:
            return
        began = now()
        async with self._ledger.engine.begin() as connection:
            await lock_for_writing(connection)
            mine = (sessions.c.id.in_(due), sessions.c.owner == self._ledger.owner, sessions.c.ended_at.is_(None))
            # rows are locked in one order, as the writer does
            locked = select(sessions.c.id).where(*mine).order_by(sessions.c.id).with_for_update(key_share=True)
            held = list((await connection.execute(locked)).scalars())
            until = await database_time(connection) + self._lease
            await connection.execute(update(sessions).where(sessions.c.id.in_(held)).values(lease_until=until))
        self._renewed.update(dict.fromkeys(held, began))

    async def _count_crashed(self, live: LiveSessions) -> None:
        """Ends the sessions of owners that are gone. Processes that do so at once share them."""
        async with self._ledger.engine.connect() as connection:
            at = await database_time(connection)
            if (await connection.execute(_abandoned(at - self._grace).limit(1))).one_or_none() is None:
                return
        async with self._ledger.engine.begin() as connection:
            await lock_for_writing(connection)
            found = await connection.execute(
                _abandoned(at - self._grace).limit(MOST).with_for_update(key_share=True, skip_locked=True)
            )
            rows = found.all()
            for row in rows:
                await connection.execute(
                    update(sessions)
                    .where(sessions.c.id == row.id)
                    .values(
                        owner=None,
                        generation=(row.generation or 0) + 1,
                        lease_until=None,
                        ended_at=at,
                        outcome=SessionOutcome.CRASHED.value,
                        duration_s=max(0.0, (row.lease_until - self._lease - row.started_at).total_seconds()),
                        turns=_turns(),
                        slow_turns=_turns(turns.c.slow),
                    )
                )
            if self._ledger.outbox and rows:
                crashed = SessionOutcome.CRASHED.value
                await enqueue(connection, [Ended(row.id, (row.generation or 0) + 1, crashed) for row in rows])
        for row in rows:
            live.crashed(Crashed(row.tier, row.policy))
            log.warning("a session has crashed: its process is gone", session_id=row.id)


_newer = sessions.alias("newer")
_REPLACED: Final = select(sessions.c.id).where(
    sessions.c.id.in_(bindparam("ids", expanding=True)),
    exists().where(
        _newer.c.subject == sessions.c.subject,
        _newer.c.owner != bindparam("mine"),
        _newer.c.ended_at.is_(None),
        _newer.c.lease_until > literal_column("clock_timestamp()"),
        _newer.c.opened_at > sessions.c.opened_at,
    ),
)


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), MOST):
        yield names[start : start + MOST]


def _owned(names: Sequence[str]) -> Select[Any, Any, Any, Any]:
    wanted = (sessions.c.id, sessions.c.owner, sessions.c.generation, sessions.c.ended_at)
    return select(*wanted).where(sessions.c.id.in_(names))


def _abandoned(before: datetime) -> Select[Any]:
    return (
        select(sessions).where(sessions.c.ended_at.is_(None), sessions.c.lease_until < before).order_by(sessions.c.id)
    )


def _turns(*wanted: Any) -> Any:
    counted = select(func.count()).select_from(turns).where(turns.c.session_id == sessions.c.id, *wanted)
    return counted.correlate(sessions).scalar_subquery()
