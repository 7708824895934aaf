"""What stays of a caller who was forgotten, and of a call that was revoked: that nothing is stored under it again.

A forgotten subject leaves a digest, so that the row of a session's start that was still under way finds it, and the ids
of its sessions, so that their resume tokens open nothing. Both go with the retention.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.ledger.rows import LedgerRow
from agent.ledger.tables import tombstones

SESSION: Final = "session"
SUBJECT: Final = "subject"
_INSERTS: Final = {
    "sqlite": sqlite.insert(tombstones).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(tombstones).on_conflict_do_nothing(),
}


async def bury_subject(connection: AsyncConnection, subject: str, session_ids: Iterable[str], at: datetime) -> None:
    """Nothing that began until `at` is stored for this subject any more, nor for these sessions."""
    name = digest_of(subject)
    await connection.execute(
        delete(tombstones).where(tombstones.c.kind == SUBJECT, tombstones.c.name == name)
    )  # the later one counts
    rows = [{"kind": SUBJECT, "name": name, "at": at}]
    rows += [{"kind": SESSION, "name": session_id, "at": at} for session_id in session_ids]
    await connection.execute(_INSERTS[connection.dialect.name], rows)


async def bury_session(connection: AsyncConnection, session_id: str, at: datetime) -> None:
    """The resume tokens of this session open nothing any more."""
    await connection.execute(_INSERTS[connection.dialect.name], [{"kind": SESSION, "name": session_id, "at": at}])


async def has_tombstone(connection: AsyncConnection, session_id: str) -> bool:
    """Whether this session was forgotten or revoked."""
    found = select(tombstones.c.at).where(tombstones.c.kind == SESSION, tombstones.c.name == session_id)
    return (await connection.execute(found)).one_or_none() is not None


async def buried_of(connection: AsyncConnection, session_ids: Sequence[str]) -> set[str]:
    """Those of the sessions that were forgotten or revoked."""
    if not session_ids:
        return set()
    found = select(tombstones.c.name).where(tombstones.c.kind == SESSION, tombstones.c.name.in_(session_ids))
    return set((await connection.execute(found)).scalars())


async def without_buried(connection: AsyncConnection, starts: Sequence[LedgerRow]) -> list[LedgerRow]:
    """The starts of sessions that may be stored; the others are buried by their ids too."""
    names = {digest_of(row.values["subject"]) for row in starts}
    ids = [row.values["id"] for row in starts]
    either = (tombstones.c.kind == SUBJECT) & tombstones.c.name.in_(names)
    either |= (tombstones.c.kind == SESSION) & tombstones.c.name.in_(ids)
    found = (await connection.execute(select(tombstones).where(either))).all()
    if not found:
        return list(starts)
    subjects = {row.name: row.at for row in found if row.kind == SUBJECT}
    sessions = {row.name for row in found if row.kind == SESSION}
    kept: list[LedgerRow] = []
    for row in starts:
        until = subjects.get(digest_of(row.values["subject"]))
        if row.values["id"] in sessions:
            continue
        if until is not None and row.values["started_at"] <= until:
            await bury_session(connection, row.values["id"], until)
            continue
        kept.append(row)
    return kept


def prune_tombstones(before: datetime) -> Any:
    """The statement that deletes what is older than `before`."""
    return delete(tombstones).where(tombstones.c.at < before)


def digest_of(subject: str) -> str:
    """What stands for a subject: nobody can read the name from it."""
    return hashlib.sha256(b"voice-agent tombstone\0" + subject.encode()).hexdigest()
