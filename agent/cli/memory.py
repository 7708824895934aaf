"""`voice-agent memory show SESSION`: the conversation graph of one session, as text or as a drawing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.cli.database import with_ledger
from agent.cli.service_folder import in_ledger_folder
from agent.cli.session import the_session
from agent.ledger.tables import memory_events
from agent.memory import BadEventError, Conversation, render_svg, render_text


@click.group()
def memory() -> None:
    """What sessions remember."""


@memory.command()
@click.argument("session_id")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Draw it to this file instead.")
def show(session_id: str, svg: Path | None) -> None:
    """Show topics, states and questions of a session.

    SESSION_ID may be the beginning of the id, a trace id, or a caller with one session.
    """

    async def read(engine: AsyncEngine, _: object) -> list[Any]:
        of_it = memory_events.c.session_id == (await the_session(engine, session_id)).session_id
        statement = select(memory_events.c.event).where(of_it).order_by(memory_events.c.seq)
        async with engine.connect() as connection:
            return list((await connection.execute(statement)).scalars())

    with in_ledger_folder():
        events = with_ledger(read)
    if not events:
        raise click.ClickException(f"the ledger has no memory of session {session_id}")
    try:
        conversation = Conversation.restore(events)
    except BadEventError as error:
        raise click.ClickException(f"the memory of session {session_id} cannot be read: {error}") from None
    if svg is None:
        click.echo(render_text(conversation))
        return
    try:
        svg.write_text(render_svg(conversation), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{svg} cannot be written: {error.strerror}") from None
    click.echo(f"drawn to {svg}")
