"""`voice-agent db`: the schema of the database, who uses it, and what is kept in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import click
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.cli.database import with_ledger
from agent.cli.report import migrate_command, prune
from agent.core.errors import ConfigurationError
from agent.ledger.database import downgrade, revision, revisions
from agent.ledger.tables import metadata, sessions
from agent.ledger.transactions import database_time
from agent.settings import Settings

UNSAFE: Final = {"0003": "what was forgotten and revoked, and what is spent of the ceilings", "0002": "all policies"}
"""Revision → what is lost when it is taken back, where that is more than columns of releases that are gone."""


@dataclass(frozen=True, slots=True)
class _Status:
    here: str | None
    known: list[str]
    rows: dict[str, int]
    owners: int
    open_sessions: int


@click.group()
def db() -> None:
    """The database: its schema, and what is kept in it."""


@db.command()
def status() -> None:
    """Show the schema's revision, how many rows there are, and how many processes have calls."""
    found = with_ledger(_status, upgrade=False)
    click.echo(f"schema       {found.here or 'none yet'}{_beside(found)}")
    if found.here == found.known[-1]:
        click.echo(f"processes    {found.owners} with {found.open_sessions} open sessions")
    for name, count in found.rows.items():
        click.echo(f"{name:<13}{count:>10,}")


def _beside(found: _Status) -> str:
    newest = found.known[-1]
    if found.here == newest:
        return " (up to date)"
    if found.here is None or found.here in found.known:
        return f" (this release has {newest}: voice-agent db upgrade)"
    return f" (newer than this release, which knows {newest})"


async def _status(engine: AsyncEngine, _: Settings) -> _Status:
    here, known = await revision(engine), revisions()
    rows: dict[str, int] = {}
    owners = open_sessions = 0
    if here == known[-1]:
        async with engine.connect() as connection:
            for table in metadata.sorted_tables:
                rows[table.name] = (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            now = await database_time(connection)
            live = (sessions.c.ended_at.is_(None), sessions.c.lease_until > now)
            counted = select(func.count(sessions.c.owner.distinct()), func.count()).where(*live)
            owners, open_sessions = (await connection.execute(counted)).one()
    return _Status(here, known, rows, owners, open_sessions)


@db.command("downgrade")
@click.argument("to")
def downgrade_command(to: str) -> None:
    """Take the schema back to revision TO, before an older release is started.

    Only where nothing is lost that the older release knows, and while no process has a call.
    """

    async def work(engine: AsyncEngine, settings: Settings) -> str:
        found = await _status(engine, settings)
        if found.here not in found.known or to not in found.known or to >= found.here:
            earlier = ", ".join(one for one in found.known if found.here is not None and one < found.here) or "none"
            raise ConfigurationError(f"the schema is at {found.here}: TO takes one of {earlier}")
        for step in found.known:
            if to < step <= found.here and step in UNSAFE:
                raise ConfigurationError(f"revision {step} is not taken back: {UNSAFE[step]} would be lost")
        if found.open_sessions:
            raise ConfigurationError(
                f"{found.open_sessions} sessions are open: stop every process of the service first"
            )
        return await downgrade(engine, to)

    click.echo(f"the schema is at revision {with_ledger(work, upgrade=False)}")


db.add_command(migrate_command, "upgrade")
db.add_command(prune)
