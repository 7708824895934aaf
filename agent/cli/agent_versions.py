"""`voice-agent agent canary | promote | rollback | status`: which versions of an agent new sessions get."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.api.version_status import VersionReports, VersionStatus
from agent.budgets import load_budgets
from agent.cli.asking import JSON, REASON, YES, actor, confirm
from agent.cli.console import print_json
from agent.cli.database import with_ledger
from agent.cli.service_folder import in_service_folder
from agent.definitions.book import AgentBook, OutsideTools
from agent.definitions.version_service import VersionService, Weigh
from agent.definitions.version_watch import VersionWatcher
from agent.definitions.versions import AgentVersions, VersionError, canary_weights, promoted
from agent.ledger.ended_calls import SqlEndedCalls
from agent.ledger.policy_store import SqlPolicyStore
from agent.policy.assignments import AssignmentError, Revision
from agent.policy.describe import headline
from agent.policy.signal_tests import signal_tests
from agent.server.tool_wiring import egress_of
from agent.settings import Settings

_T = TypeVar("_T")


@click.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
@click.option("--share", type=click.IntRange(1, 99), required=True, metavar="PERCENT", help="Of new sessions.")
@REASON
@YES
def canary(name: str, version: int, share: int, reason: str, *, yes: bool) -> None:
    """Give VERSION of the agent NAME to a share of its new sessions; the others keep the stable version."""
    _change(name, lambda versions, now: canary_weights(versions, now, version, share), reason, yes=yes)


@click.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(1), required=False)
@click.option(
    "--holdout",
    type=click.IntRange(0, 50),
    default=0,
    show_default=True,
    metavar="PERCENT",
    help="Of new sessions that stay with the stable version, so that both can be compared.",
)
@REASON
@YES
def promote(name: str, version: int | None, holdout: int, reason: str, *, yes: bool) -> None:
    """Give everybody the version of the agent NAME that is tried, or VERSION."""
    _change(name, lambda versions, now: promoted(versions, now, version, holdout), reason, yes=yes)


@click.command("rollback")
@click.argument("name")
@REASON
@YES
def roll_back(name: str, reason: str, *, yes: bool) -> None:
    """Bring back what new sessions of the agent NAME got before; where that was nothing, the usual version for all."""

    async def run(engine: AsyncEngine, settings: Settings) -> None:
        service = version_service(engine, settings)
        versions = service.versions(name)
        revision, change = await service.planned_rollback(name)
        if not yes:
            await asyncio.to_thread(ask_versions, versions, revision.weights, change.weights)
        tell_versions(versions, await service.rollback(name, actor(), reason, revision.number))

    _told(run)


@click.command()
@click.argument("name", required=False)
@JSON
def status(name: str | None, *, as_json: bool) -> None:
    """Versions of agents: who gets them, and what their calls came to in the same time."""

    async def run(engine: AsyncEngine, settings: Settings) -> list[VersionStatus]:
        done = asyncio.Event()
        done.set()
        service, calls = version_service(engine, settings), SqlEndedCalls(engine, done)
        tests = signal_tests(load_budgets(settings.budgets_file).objective.slow_turn_share)
        names = list(service.watch.book.versions) if name is None else [name]
        return await VersionReports(service, calls, engine, tests, settings.false_rollback_days).of(names)

    found = _told(run)
    if as_json:
        print_json([one.view() for one in found])
        return
    for one in found:
        _print(one)


def _change(name: str, weigh: Weigh, reason: str, *, yes: bool) -> None:
    async def run(engine: AsyncEngine, settings: Settings) -> None:
        service = version_service(engine, settings)
        versions = service.versions(name)
        now, weights = await service.planned(name, weigh)
        if not yes:
            await asyncio.to_thread(ask_versions, versions, None if now is None else now.weights, weights)
        seen = 0 if now is None else now.number
        tell_versions(versions, await service.change(name, weigh, actor(), reason, seen))

    _told(run)


def _told(work: Callable[[AsyncEngine, Settings], Awaitable[_T]]) -> _T:
    """What cannot be done is one line and exit status 1."""
    try:
        with in_service_folder(say=True):
            return with_ledger(work)
    except (AssignmentError, VersionError) as error:
        raise click.ClickException(str(error)) from None


def version_service(engine: AsyncEngine, settings: Settings) -> VersionService:
    """What is done about versions, on the ledger and the definitions of the settings."""
    book = AgentBook(settings.agents_dir, settings.agent, OutsideTools(egress_of(settings)))
    store = SqlPolicyStore(engine, agents=True)
    return VersionService(VersionWatcher(book, store), store)


def _words(versions: AgentVersions, weights: Mapping[str, int] | None) -> str:
    live = versions.live(weights)
    return ", ".join(f"version {one.version} ({one.role}) {one.percent} %" for one in live)


def ask_versions(versions: AgentVersions, now: Mapping[str, int] | None, then: Mapping[str, int]) -> None:
    """Asks before callers are moved. Raises ClickException where the answer is no, or nobody answers."""
    click.echo(f"{versions.usual.name}: new sessions get {_words(versions, then)} instead of {_words(versions, now)}")
    confirm("do it?", "--yes")


def tell_versions(versions: AgentVersions, made: Revision) -> None:
    """Says what new sessions of an agent get now."""
    name = versions.usual.name
    click.secho(f"{name}: new sessions get {_words(versions, made.weights)} (revision {made.number})", fg="green")
    click.echo("every process follows within two seconds; sessions that run keep their version")


def _print(one: VersionStatus) -> None:
    name, revision = one.versions.usual.name, one.revision
    click.secho(f"{name}: {_words(one.versions, None if revision is None else revision.weights)}", bold=True)
    others = sorted(one.versions.by_number)
    click.echo(f"  versions {', '.join(map(str, others))}; version {one.versions.baseline} is the usual one")
    if revision is not None:
        change = revision.change
        why = f" ({change.reason})" if change.reason else ""
        when = f"{revision.at:%Y-%m-%d %H:%M:%S} UTC"
        click.echo(f"  revision {revision.number} since {when}: {change.cause} by {change.actor}{why}")
    for of in one.figures:
        shares = f"{_share(of.slow, of.turns)} slow, {_share(of.no_reply, of.turns)} without a reply"
        lost = f"{of.sessions} calls, {_share(of.lost, of.sessions)} lost"
        click.echo(f"  version {of.version}: {lost}; {of.turns} turns, {shares}; ${of.usd:.4f} a call")
    if one.figures:
        click.echo(f"  of calls that ended since {one.since:%Y-%m-%d %H:%M:%S} UTC")
    if one.finding is not None:
        scores = ", ".join(f"{signal.replace('_', ' ')} {score:.0%}" for signal, score in one.finding.scores.items())
        said = one.finding.comparison.name.lower().replace("_", " ")
        click.echo(f"  of what is significant: {scores.replace('%', ' %')}; compared with the stable version: {said}")
    for decision in one.decisions:
        click.echo(f"  {decision.at:%Y-%m-%d %H:%M:%S} UTC {headline(decision)}")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}".replace("%", " %") if whole else "–"
