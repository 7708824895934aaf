"""Writes a batch of rows in one transaction. Writing a row twice changes nothing, so a batch can be tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Insert, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.ledger.outbox import Ended, enqueue
from agent.ledger.rows import LedgerRow, TableName
from agent.ledger.tables import charges, metadata, sessions
from agent.ledger.tombstones import buried_of, without_buried
from agent.ledger.transactions import database_time, lock_for_writing

_NEED_A_SESSION: Final[tuple[TableName, ...]] = ("turns", "fallbacks", "memory_events", "tool_events")
_BAD_ROW_CLASSES: Final = ("22", "23")  # SQLSTATE classes: data exception, integrity constraint violation

_INSERTS: Final[Mapping[str, Mapping[str, Insert]]] = {
    "sqlite": {t.name: sqlite.insert(t).on_conflict_do_nothing() for t in metadata.sorted_tables},
    "postgresql": {t.name: postgresql.insert(t).on_conflict_do_nothing() for t in metadata.sorted_tables},
}
_END: Final = (
    update(sessions)
    .where(sessions.c.id == bindparam("session"))
    .values(
        ended_at=bindparam("ended"),
        outcome=bindparam("how"),
        duration_s=bindparam("seconds"),
        turns=bindparam("count"),
        slow_turns=bindparam("slow"),
        lease_until=None,
    )
)
_COST: Final = (
    update(sessions)
    .where(sessions.c.id.in_(bindparam("ids", expanding=True)))
    .values(
        cost_nano_usd=select(func.coalesce(func.sum(charges.c.nano_usd), 0))
        .where(charges.c.session_id == sessions.c.id)
        .scalar_subquery()
    )
)
_KNOWN: Final = (
    select(sessions.c.id, sessions.c.owner, sessions.c.generation)
    .where(sessions.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(sessions.c.id)  # everybody locks them in this order
    .with_for_update(key_share=True)  # nobody forgets or takes them before this batch is committed
)


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that writes: its name, and until when the sessions that it begins are its own without a sign."""

    name: str
    lease_until: datetime
    outbox: bool = False  # the ends of sessions are told to a webhook


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many rows of each table were not stored."""

    gone: Counter[TableName] = field(default_factory=Counter[TableName])  # their session is not there: they are lost
    fenced: Counter[TableName] = field(default_factory=Counter[TableName])  # another process has their session


async def write(connection: AsyncConnection, rows: Sequence[LedgerRow], owner: Owner) -> LeftOut:
    """Writes the rows of an owner and returns what was left out.

    A row is stored only while `owner` has its session in the generation of the row; charges always are, since they
    were paid. What is left out because its caller was forgotten is not lost: nobody is to be called for it. Charges of
    such a session are kept without it. The cost in the rows of `sessions` is made of all their charges, again with each
    batch. Raises SQLAlchemyError, OSError.
    """
    await lock_for_writing(connection)
    inserts = _INSERTS[connection.dialect.name]
    left_out = LeftOut()
    started = [row for row in rows if row.table == "sessions" and not row.update]
    if started:
        allowed = await without_buried(connection, started)
        if allowed:
            first = [{**row.values, "generation": row.generation} | _owned_by(owner) for row in allowed]
            opened_at = await database_time(connection)
            await connection.execute(inserts["sessions"], [row | {"opened_at": opened_at} for row in first])
    touched = sorted({row.session_id for row in rows if row.session_id is not None})
    found = (await connection.execute(_KNOWN, {"ids": touched})).all() if touched else []
    known: set[str] = {row.id for row in found}
    # what an older release wrote has no owner
    owned = {row.id: (row.owner, row.generation) for row in found if row.generation is not None}

    def fenced(row: LedgerRow) -> bool:
        return row.session_id in owned and owned[row.session_id] != (owner.name, row.generation)

    buried = await buried_of(connection, [name for name in touched if name not in known])
    for table in _NEED_A_SESSION:
        group = [row for row in rows if row.table == table]
        kept = [row.values for row in group if row.session_id in known and not fenced(row)]
        left_out.gone[table] += sum(row.session_id not in known and row.session_id not in buried for row in group)
        left_out.fenced[table] += sum(map(fenced, group))
        if kept:
            await connection.execute(inserts[table], kept)
    await _write_charges(connection, inserts["charges"], [row for row in rows if row.table == "charges"], known)
    ends = [row for row in rows if row.update]
    left_out.fenced["sessions"] += sum(map(fenced, ends))
    ended = [row for row in ends if not fenced(row)]
    if ended:
        await connection.execute(_END, [row.values for row in ended])
    told = [row for row in ended if row.session_id in known]
    if owner.outbox and told:
        await enqueue(connection, [_end_of(row) for row in told])
    return left_out


def _end_of(row: LedgerRow) -> Ended:
    return Ended(str(row.session_id), row.generation, str(row.values["how"]))


def _owned_by(owner: Owner) -> dict[str, Any]:
    return {"owner": owner.name, "lease_until": owner.lease_until}


async def _write_charges(
    connection: AsyncConnection, insert: Insert, rows: Sequence[LedgerRow], known: set[str]
) -> None:
    if not rows:
        return
    await connection.execute(insert, [_values(row, known) for row in rows])
    charged = sorted({row.session_id for row in rows if row.session_id in known})
    if charged:
        await connection.execute(_COST, {"ids": charged})


def _values(row: LedgerRow, known: set[str]) -> Mapping[str, Any]:
    return row.values if row.session_id in known else {**row.values, "session_id": None}


def is_bad_row(error: Exception) -> bool:
    """Whether a row itself cannot be stored, so that trying again is in vain; else the database is to blame."""
    if isinstance(error, (IntegrityError, DataError, OverflowError, UnicodeError)):
        return True  # SQLite's driver raises Python's own errors for a number or a text that it cannot take
    if isinstance(error, DBAPIError):
        return str(getattr(error.orig, "sqlstate", None) or "")[:2] in _BAD_ROW_CLASSES
    return isinstance(error, StatementError)  # a value that its column type cannot take
