"""`voice-agent report`, `forget` and `ledger`: what the ledger has to say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import click
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.billing.prices import load_prices
from agent.billing.pricing import utc_now
from agent.budgets import Tier, load_budgets
from agent.cli.console import print_json, stdout_console
from agent.cli.views.period import experience_table, spending_table
from agent.cli.views.session import session_view
from agent.core.errors import ConfigurationError
from agent.ledger import retention
from agent.ledger.database import create_engine, migrate, parse_url, sqlite_file
from agent.reports.period import make_report
from agent.reports.session import session_report
from agent.settings import PREFIX, Settings, load_settings

_T = TypeVar("_T")
_PERIOD = re.compile(r"(\d{1,5})([mhd])")
_MINUTES = {"m": 1, "h": 60, "d": 1440}


class Period(click.ParamType[timedelta]):
    """A length of time: 30m, 24h, 7d."""

    name = "period"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _PERIOD.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} takes a number and m, h or d: 30m, 24h, 7d", param, ctx)
        return timedelta(minutes=int(found[1]) * _MINUTES[found[2]])


def with_ledger(work: Callable[[AsyncEngine, Settings], Awaitable[_T]], *, create: bool = False) -> _T:
    """Runs `work` on the configured ledger, its schema up to date.

    A database that is down ends the command, and so does a file that is not there: an empty one that is made by
    looking would say that nothing ever happened. `create` makes it. Raises ConfigurationError.
    """
    settings = load_settings()
    if not create:
        _refuse_missing(settings)

    async def run() -> _T:
        engine = create_engine(settings.database_url)
        try:
            await migrate(engine)
            return await work(engine, settings)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(run())
    except (SQLAlchemyError, OSError) as error:
        where = database_name(settings)
        # the database's own words, without the statement; values of rows are hidden by the engine
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0] or type(error).__name__
        raise ConfigurationError(f"VOICE_AGENT_DATABASE_URL: {where} cannot be used: {reason}") from None


def database_name(settings: Settings) -> str:
    """Which database it is, for a person: the whole path of a file, or an address without its password."""
    parsed = parse_url(settings.database_url)
    file = sqlite_file(parsed)
    return parsed.render_as_string(hide_password=True) if file is None else str(file.resolve())


def _refuse_missing(settings: Settings) -> None:
    file = sqlite_file(parse_url(settings.database_url))
    if file is not None and not file.exists():
        raise ConfigurationError(
            f"there is no database {file.resolve()}: the service makes it at its first start. Run this in the folder of"
            f" the service, or set {PREFIX}DATABASE_URL to its database"
        )


@click.group(invoke_without_command=True)
@click.option("--since", type=Period(), default="24h", show_default=True, help="How far to look back: 30m, 24h, 7d.")
@click.option("--tier", type=click.Choice([tier.value for tier in Tier]), help="Only this tier.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.pass_context
def report(context: click.Context, since: timedelta, tier: str | None, as_json: bool) -> None:
    """Experience and cost from the ledger, as two tables."""
    if context.invoked_subcommand is not None:
        return

    now = utc_now()
    made = with_ledger(
        lambda engine, settings: make_report(engine, load_prices(settings.prices_file), now - since, now, tier)
    )
    if as_json:
        print_json(made)
        return
    settings = load_settings()
    budgets = load_budgets(settings.budgets_file)
    console = stdout_console()
    console.print(f"{made.since:%Y-%m-%d %H:%M} to {made.until:%Y-%m-%d %H:%M} UTC", style="dim")
    console.print(f"{database_name(settings)}\n", style="dim", soft_wrap=True)
    if not made.experience and not made.spending:
        console.print("nothing happened in this time; --since 7d looks further back")
        return
    console.print(experience_table(made, budgets))
    console.print()
    console.print(spending_table(made, budgets))


@report.command("session")
@click.argument("session_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of pictures.")
def report_session(session_id: str, as_json: bool) -> None:
    """The waterfall of every turn of one session, and its bill."""
    found = with_ledger(lambda engine, _: session_report(engine, session_id))
    if found is None:
        raise click.ClickException(f"the ledger has no session {session_id}")
    if as_json:
        print_json(found)
    else:
        console = stdout_console()
        console.print(session_view(found, console.width))


@click.command()
@click.argument("subject")
def forget(subject: str) -> None:
    """Delete everything about a caller: sessions, turns, memory. Their charges stay, without a name.

    A call that is running ends within seconds. What is not reached is said.
    """

    async def work(engine: AsyncEngine, settings: Settings) -> tuple[retention.Counts, str, bool]:
        return await retention.forget(engine, subject), engine.dialect.name, settings.log_transcripts

    counts, database, transcripts = with_ledger(work)
    if not any(counts.values()):
        raise click.ClickException(f"the ledger knows no caller {subject}; a call that is running ends in seconds")
    click.echo(_counted(counts))
    click.echo("\nA call of this caller that is running ends within seconds. Not reached from here:")
    for place in unreached(database, transcripts=transcripts):
        click.echo(f"- {place}")


def unreached(database: str, *, transcripts: bool) -> list[str]:
    """Where something of a forgotten caller may be left, in words for the operator."""
    words = "session ids AND WHAT WAS SAID, since VOICE_AGENT_LOG_TRANSCRIPTS is on" if transcripts else "session ids"
    places = [
        f"the service's log, wherever it is collected: {words}",
        "traces and Sentry, where they are set up: session ids and times, no words",
        "the providers: what they keep of audio and text is in their terms (docs/security.md)",
        "backups of the database",
    ]
    if database == "postgresql":
        places.append(
            "PostgreSQL's dead rows until VACUUM, and its write-ahead log and archives until they are recycled"
        )
    return places


@click.group()
def ledger() -> None:
    """The ledger's database."""


@ledger.command("migrate")
def migrate_command() -> None:
    """Bring the schema up to date. The service does so at its start, too."""

    async def revision(engine: AsyncEngine, _: Settings) -> str:
        return await migrate(engine)

    click.echo(f"the schema is at revision {with_ledger(revision, create=True)}")


@ledger.command()
@click.argument("session_id")
def revoke(session_id: str) -> None:
    """Let the resume tokens of SESSION_ID open nothing any more."""
    with_ledger(lambda engine, _: retention.revoke(engine, session_id))
    click.echo(f"the resume tokens of {session_id} open nothing any more")


@ledger.command()
@click.option("--days", type=click.IntRange(1, 3650), help="Keep so many days; default: VOICE_AGENT_RETENTION_DAYS.")
def prune(days: int | None) -> None:
    """Delete what is older than the retention. The service does so once an hour, too."""

    async def work(engine: AsyncEngine, settings: Settings) -> retention.Counts:
        return await retention.prune(engine, _days_ago(days or settings.retention_days))

    click.echo(_counted(with_ledger(work)))


def _days_ago(days: int) -> datetime:
    return utc_now() - timedelta(days=days)


def _counted(counts: retention.Counts) -> str:
    return "\n".join(f"{table.replace('_', ' '):<14} {count:>9,}" for table, count in counts.items())
