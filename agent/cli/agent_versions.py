"""`voice-agent agent canary | promote | rollback | status`: which versions of an agent new sessions get."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.budgets import load_budgets
from agent.cli.asking import JSON, REASON, YES, actor, confirm
from agent.cli.console import print_json
from agent.cli.database import with_ledger
from agent.definitions.book import AgentBook, OutsideTools
from agent.definitions.version_watch import VersionWatcher
from agent.definitions.versions import AgentVersions, VersionError, canary_weights, promoted
from agent.ledger.ended_calls import SqlEndedCalls
from agent.ledger.policy_store import SqlPolicyStore
from agent.policy.assignments import AssignmentError, Revision
from agent.policy.decisions import DAY, Decision
from agent.policy.describe import headline
from agent.policy.evidence import MAX_CALLS, SINCE, Finding
from agent.policy.serialize import decision_view, revision_view
from agent.policy.service import PolicyService
from agent.policy.signal_tests import signal_tests
from agent.reports.agent_versions import VersionFigures, version_figures
from agent.rollback.versions import trials
from agent.server.tool_wiring import egress_of
from agent.settings import Settings

_T = TypeVar("_T")
Weigh = Callable[[AgentVersions, Mapping[str, int] | None], dict[str, int]]
SHOWN: Final = 3
"""Decisions that are shown of an agent, the newest."""


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """One agent: what new sessions get, and what calls came to, version beside version."""

    versions: AgentVersions
    revision: Revision | None
    since: datetime
    figures: Sequence[VersionFigures]
    finding: Finding | None
    decisions: Sequence[Decision]

    def view(self) -> dict[str, Any]:
        """As plain data."""
        live = self.versions.live(None if self.revision is None else self.revision.weights)
        return {
            "agent": self.versions.usual.name,
            "versions": sorted(self.versions.by_number),
            "live": [asdict(one) for one in live],
            "revision": None if self.revision is None else revision_view(self.revision),
            "since": self.since.isoformat(timespec="seconds"),
            "figures": [asdict(one) for one in self.figures],
            "scores": None if self.finding is None else dict(self.finding.scores),
            "comparison": None if self.finding is None else self.finding.comparison.name.lower(),
            "decisions": [decision_view(one) for one in self.decisions],
        }


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
@REASON
@YES
def promote(name: str, version: int | None, reason: str, *, yes: bool) -> None:
    """Give everybody the version of the agent NAME that is tried, or VERSION."""
    _change(name, lambda versions, now: promoted(versions, now, version), reason, yes=yes)


@click.command("rollback")
@click.argument("name")
@REASON
@YES
def roll_back(name: str, reason: str, *, yes: bool) -> None:
    """Bring back what new sessions of the agent NAME got before; where that was nothing, the usual version for all."""

    async def run(engine: AsyncEngine, settings: Settings) -> None:
        service, versions = _service(engine, settings, name)
        now = await _in_force(engine, name)
        if now is None:
            raise VersionError(f"{name}: no version was ever tried: everybody gets {versions.baseline}")
        revision, change = await service.planned_rollback(name)
        if not yes:
            await asyncio.to_thread(_ask, versions, now.weights, change.weights)
        _tell(versions, await service.rollback(name, actor(), reason, revision.number))

    _told(run)


@click.command()
@click.argument("name", required=False)
@JSON
def status(name: str | None, *, as_json: bool) -> None:
    """Versions of agents: who gets them, and what their calls came to in the same time."""

    async def run(engine: AsyncEngine, settings: Settings) -> list[VersionStatus]:
        return await _statuses(engine, settings, name)

    found = _told(run)
    if as_json:
        print_json([one.view() for one in found])
        return
    for one in found:
        _print(one)


def _change(name: str, weigh: Weigh, reason: str, *, yes: bool) -> None:
    async def run(engine: AsyncEngine, settings: Settings) -> None:
        service, versions = _service(engine, settings, name)
        now = await _in_force(engine, name)
        before = None if now is None else now.weights
        weights = weigh(versions, before)
        if not yes:
            await asyncio.to_thread(_ask, versions, before, weights)
        seen = 0 if now is None else now.number
        _tell(versions, await service.assign(name, weights, actor(), reason, seen))

    _told(run)


def _told(work: Callable[[AsyncEngine, Settings], Awaitable[_T]]) -> _T:
    """What cannot be done is one line and exit status 1."""
    try:
        return with_ledger(work)
    except (AssignmentError, VersionError) as error:
        raise click.ClickException(str(error)) from None


def _service(engine: AsyncEngine, settings: Settings, name: str) -> tuple[PolicyService, AgentVersions]:
    book = _book(settings)
    versions = book.versions.get(name)
    if versions is None:
        raise VersionError(f"there is no agent {name[:40]}: there are {', '.join(book.versions)}")
    return PolicyService(versions, SqlPolicyStore(engine, agents=True)), versions


def _book(settings: Settings) -> AgentBook:
    return AgentBook(settings.agents_dir, settings.agent, OutsideTools(egress_of(settings)))


async def _in_force(engine: AsyncEngine, name: str) -> Revision | None:
    found = await SqlPolicyStore(engine, agents=True).current()
    return next((one for one in found if one.change.tier == name), None)


async def _statuses(engine: AsyncEngine, settings: Settings, name: str | None) -> list[VersionStatus]:
    at = datetime.now(UTC)
    store = SqlPolicyStore(engine, agents=True)
    watch = VersionWatcher(_book(settings), store)
    await watch.refresh()
    names = list(watch.book.versions) if name is None else [_service(engine, settings, name)[1].usual.name]
    tried = {one.agent: one for one in await trials(watch)}
    done = asyncio.Event()
    done.set()
    calls = await SqlEndedCalls(engine, done).ended_since(at - SINCE, MAX_CALLS) if tried else ()
    tests = signal_tests(load_budgets(settings.budgets_file).objective.slow_turn_share)
    found: list[VersionStatus] = []
    for one in names:
        trial = tried.get(one)
        since = at - DAY if trial is None else trial.since
        finding = None if trial is None else trial.finding(calls, tests, settings.false_rollback_days, at)
        async with store.reading() as reader:
            decisions = (await reader.decisions(one))[:SHOWN]
        figures = await version_figures(engine, one, since)
        found.append(
            VersionStatus(watch.book.versions[one], watch.in_force.get(one), since, figures, finding, decisions)
        )
    return found


def _words(versions: AgentVersions, weights: Mapping[str, int] | None) -> str:
    live = versions.live(weights)
    return ", ".join(f"version {one.version} ({one.role}) {one.percent} %" for one in live)


def _ask(versions: AgentVersions, now: Mapping[str, int] | None, then: Mapping[str, int]) -> None:
    click.echo(f"{versions.usual.name}: new sessions get {_words(versions, then)} instead of {_words(versions, now)}")
    confirm("do it?", "--yes")


def _tell(versions: AgentVersions, made: Revision) -> None:
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
