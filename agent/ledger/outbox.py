"""What the webhook is still to be told. A row is written in the transaction that stores the end of its session.

    waiting ──taken by one process, for `HELD`──► delivered
       ▲                │                         given_up      after `MOST_ATTEMPTS`
       └──── next_at ───┘ failed                  superseded    the session went on: its later end has a row of its own

A process that ends while it holds a row loses nothing: the row is due again when `HELD` is over. So a session may be
told twice, with the same id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agent.ledger.tables import sessions, webhook_deliveries
from agent.ledger.transactions import database_time, lock_for_writing
from agent.telemetry.events import SessionOutcome

AT_ONCE: Final = 20
HELD: Final = timedelta(seconds=60)
SOON: Final = timedelta(seconds=2)
"""Until then the last charges of the session are stored."""
GOES_ON: Final = timedelta(seconds=120)
"""How long a caller has to go on with a session that was drained before it counts as finished."""
MOST_ATTEMPTS: Final = 14
_FIRST_WAIT: Final = timedelta(seconds=10)
_LONGEST_WAIT: Final = timedelta(hours=6)
_LATER: Final = frozenset({SessionOutcome.DRAINED, SessionOutcome.MOVED, SessionOutcome.VANISHED})
_INSERTS: Final = {
    "sqlite": sqlite.insert(webhook_deliveries).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(webhook_deliveries).on_conflict_do_nothing(),
}


class DeliveryState(StrEnum):
    """What has become of a row."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A session that is to be told. `generation` counts its owners; `attempts` are those before this one."""

    session_id: str
    generation: int
    attempts: int
    summary: str | None

    @property
    def id(self) -> str:
        """The same for every attempt."""
        return f"{self.session_id}.{self.generation}"


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a session, as the outbox is told of it."""

    session_id: str
    generation: int
    outcome: str


async def enqueue(connection: AsyncConnection, ended: Sequence[Ended]) -> None:
    """Adds rows within the transaction that stores these ends."""
    now = await database_time(connection)
    rows = [
        {
            "session_id": one.session_id,
            "generation": one.generation,
            "at": now,
            "next_at": now + (GOES_ON if one.outcome in _LATER else SOON),
            "attempts": 0,
            "state": DeliveryState.WAITING.value,
        }
        for one in ended
    ]
    await connection.execute(_INSERTS[connection.dialect.name], rows)


async def take_due(engine: AsyncEngine, most: int = AT_ONCE) -> list[Delivery]:
    """Rows that are due, held for `HELD`: no other process takes them meanwhile. Raises SQLAlchemyError, OSError."""
    w = webhook_deliveries.c
    async with engine.begin() as connection:
        await lock_for_writing(connection)
        now = await database_time(connection)
        due = (
            select(w.session_id, w.generation, w.attempts, w.summary)
            .where(w.next_at <= now)
            .order_by(w.next_at)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        found = [Delivery(*row) for row in (await connection.execute(due)).all()]
        for one in found:
            await connection.execute(_of(one).values(next_at=now + HELD, attempts=one.attempts + 1))
    return found


async def settle(engine: AsyncEngine, delivery: Delivery, state: DeliveryState) -> DeliveryState:
    """Notes what has become of an attempt: a row that still waits is due again later, or given up.

    Returns the state that it has now. Raises SQLAlchemyError, OSError.
    """
    tried = delivery.attempts + 1
    if state is DeliveryState.WAITING and tried >= MOST_ATTEMPTS:
        state = DeliveryState.GIVEN_UP
    async with engine.begin() as connection:
        await lock_for_writing(connection)
        now = await database_time(connection)
        next_at = now + wait_after(tried) if state is DeliveryState.WAITING else None
        await connection.execute(_of(delivery).values(state=state.value, next_at=next_at))
    return state


async def keep_summary(engine: AsyncEngine, delivery: Delivery, summary: str) -> None:
    """Keeps what the small model wrote, so that it is paid for once. Raises SQLAlchemyError, OSError."""
    async with engine.begin() as connection:
        await connection.execute(_of(delivery).values(summary=summary))


async def went_on(engine: AsyncEngine, delivery: Delivery) -> bool:
    """Whether the session is open again, or has been since. Raises SQLAlchemyError, OSError."""
    wanted = select(sessions.c.ended_at, sessions.c.generation).where(sessions.c.id == delivery.session_id)
    async with engine.connect() as connection:
        row = (await connection.execute(wanted)).one_or_none()
    return row is not None and (row.ended_at is None or (row.generation or 1) > delivery.generation)


async def backlog(engine: AsyncEngine) -> tuple[int, float]:
    """How many rows wait, and for how many seconds the oldest of them. Raises SQLAlchemyError, OSError."""
    w = webhook_deliveries.c
    async with engine.connect() as connection:
        now = await database_time(connection)
        count, oldest = (
            await connection.execute(select(func.count(), func.min(w.at)).where(w.next_at.is_not(None)))
        ).one()
    return count, 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())


def wait_after(attempts: int) -> timedelta:
    """10 s after the first attempt, three times as long after each, 6 hours at most: two days in all."""
    return min(_FIRST_WAIT * 3 ** min(attempts - 1, 10), _LONGEST_WAIT)


def _of(delivery: Delivery):
    w = webhook_deliveries.c
    return update(webhook_deliveries).where(w.session_id == delivery.session_id, w.generation == delivery.generation)
