"""`voice-agent report`, `forget` and `ledger`: what the ledger has to say."""

from __future__ import annotations

from datetime import datetime, timedelta

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.billing.prices import load_prices
from agent.billing.pricing import utc_now
from agent.budgets import Tier, load_budgets
from agent.cli.console import print_json, stdout_console
from agent.cli.database import Period, database_name, with_ledger
from agent.cli.service_folder import in_ledger_folder
from agent.cli.session import the_caller, the_session
from agent.cli.views.period import experience_table, spending_table
from agent.cli.views.session import session_view
from agent.ledger import retention
from agent.ledger.database import migrate
from agent.reports.period import make_report
from agent.reports.session import SessionReport, session_report
from agent.settings import Settings, load_settings


@click.group(invoke_without_command=True)
@click.option("--since", type=Period(), default="24h", show_default=True, help="How far to look back: 30m, 24h, 7d.")
@click.option("--tier", type=click.Choice([tier.value for tier in Tier]), help="Only this tier.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.pass_context
def report(context: click.Context, since: timedelta, tier: str | None, as_json: bool) -> None:
    """Experience and cost from the ledger, as two tables.

    From a folder without `.env` and ledger it is the ledger of the checkout's service, as under `make run`.
    """
    if context.invoked_subcommand is not None:
        return

    now = utc_now()
    with in_ledger_folder():
        made = with_ledger(
            lambda engine, settings: make_report(engine, load_prices(settings.prices_file), now - since, now, tier)
        )
        settings = load_settings()
        budgets, database = load_budgets(settings.budgets_file), database_name(settings)
    if as_json:
        print_json(made)
        return
    console = stdout_console()
    console.print(f"{made.since:%Y-%m-%d %H:%M} to {made.until:%Y-%m-%d %H:%M} UTC", style="dim")
    console.print(f"{database}\n", style="dim", soft_wrap=True)
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
    """The waterfall of every turn of one session, and its bill.

    SESSION_ID may be the beginning of the id, a trace id, or a caller with one session.
    """

    async def read(engine: AsyncEngine, _: Settings) -> SessionReport | None:
        return await session_report(engine, (await the_session(engine, session_id)).session_id)

    with in_ledger_folder():
        found = with_ledger(read)
    if found is None:  # pruned between the two questions
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

    SUBJECT is the caller's name, or the id of one of the caller's sessions, its beginning or a trace id. A call that is
    running ends within seconds. What is not reached is said.
    """

    async def work(engine: AsyncEngine, settings: Settings) -> tuple[str, retention.Counts, str, bool]:
        caller = await the_caller(engine, subject)
        return caller, await retention.forget(engine, caller), engine.dialect.name, settings.log_transcripts

    caller, counts, database, transcripts = with_ledger(work)
    if not any(counts.values()):
        raise click.ClickException(f"the ledger knows no caller {subject}; a call that is running ends in seconds")
    click.echo(f"{caller} is forgotten")
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
