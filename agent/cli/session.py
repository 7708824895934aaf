"""`voice-agent session list`: which sessions there were; and what a person means who names one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.billing.pricing import utc_now
from agent.budgets import Tier
from agent.cli.console import print_json, stdout_console
from agent.cli.database import Period, database_name, with_ledger
from agent.cli.service_folder import in_ledger_folder
from agent.cli.views.history import history_json, history_text
from agent.cli.views.period import DIM
from agent.cli.views.sessions import sessions_table
from agent.reports.call_record import CallHistory, call_history
from agent.reports.sessions import LIMIT, SessionSummary, find_sessions, list_sessions
from agent.settings import Settings, load_settings


@click.group()
def session() -> None:
    """Sessions of the ledger."""


@session.command("list")
@click.argument("search", required=False, default="")
@click.option("--since", type=Period(), default="24h", show_default=True, help="How far to look back: 30m, 24h, 7d.")
@click.option("--tier", type=click.Choice([tier.value for tier in Tier]), help="Only this tier.")
@click.option("--limit", type=click.IntRange(1, LIMIT), default=50, show_default=True, help="So many at the most.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_command(search: str, since: timedelta, tier: str | None, limit: int, as_json: bool) -> None:
    """Sessions that began in this time, newest first.

    SEARCH is a part of an id, caller, policy or outcome, or the beginning of a trace id.
    """
    began = utc_now() - since
    with in_ledger_folder():
        found = with_ledger(lambda engine, _: list_sessions(engine, began, tier=tier, search=search, limit=limit))
        database = database_name(load_settings())
    if as_json:
        print_json(found)
        return
    console = stdout_console()
    console.print(Text(database, style=DIM), soft_wrap=True)
    if found:
        console.print(sessions_table(found))
    else:
        console.print("no such session in this time; --since 7d looks further back")


@session.command("export")
@click.argument("session_id")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "text"]),
    default="text",
    show_default=True,
    help="How it is written.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file instead.")
def export_command(session_id: str, form: str, output: Path | None) -> None:
    """Everything that was said and done in one session, and what it cost. It holds the caller's words.

    SESSION_ID may be the beginning of the id, a trace id, or a caller with one session.
    """

    async def read(engine: AsyncEngine, _: Settings) -> CallHistory | None:
        return await call_history(engine, (await the_session(engine, session_id)).session_id)

    with in_ledger_folder():
        found = with_ledger(read)
    if found is None:  # pruned between the two questions
        raise click.ClickException(f"the ledger has no session {session_id}")
    text = history_text(found) if form == "text" else history_json(found)
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from None
    click.echo(f"written to {output}")


async def the_session(engine: AsyncEngine, name: str) -> SessionSummary:
    """The one session that a name means. Raises ClickException where there is none, or where it means several."""
    found = await find_sessions(engine, name, limit=6)
    newest = next(iter(found), None)
    if newest is None:
        raise click.ClickException(f"the ledger has no session {name}: `session list` shows them")
    if len(found) > 1:
        raise click.ClickException(f"{name} means several sessions, the newest of them {_names(found)}")
    return newest


async def the_caller(engine: AsyncEngine, name: str) -> str:
    """The caller of this name, or of the session with this id or trace. Raises ClickException where it is not clear."""
    found = await find_sessions(engine, name)
    subjects = {one.subject for one in found}
    if not subjects or name in subjects:
        return name  # a caller without a session may have something else to forget
    if len(subjects) > 1:
        raise click.ClickException(f"{name} means sessions of several callers: {_names(found)}")
    return subjects.pop()


def _names(found: tuple[SessionSummary, ...]) -> str:
    shown = ", ".join(one.session_id for one in found[:5])
    return shown if len(found) <= 5 else f"{shown} …"
