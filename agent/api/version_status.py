"""What operators are told of an agent: who gets which version, what their calls came to, and what was decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from agent.definitions.version_service import VersionService
from agent.definitions.versions import AgentVersions
from agent.policy.assignments import Revision
from agent.policy.decisions import DAY, Decision
from agent.policy.evidence import MAX_CALLS, SINCE, Finding
from agent.policy.serialize import decision_view, revision_view
from agent.policy.signal_tests import SignalTest
from agent.reports.agent_versions import VersionFigures, version_figures
from agent.rollback.evidence import EndedCalls
from agent.rollback.versions import trials

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
        return {
            **agent_view(self.versions, self.revision),
            "since": self.since.isoformat(timespec="seconds"),
            "figures": [asdict(one) for one in self.figures],
            "scores": None if self.finding is None else dict(self.finding.scores),
            "comparison": None if self.finding is None else self.finding.comparison.name.lower(),
            "decisions": [decision_view(one) for one in self.decisions],
        }


def agent_view(versions: AgentVersions, revision: Revision | None) -> dict[str, Any]:
    """One agent and what new sessions get, as plain data."""
    live = versions.live(None if revision is None else revision.weights)
    return {
        "agent": versions.usual.name,
        "title": versions.usual.file.title,
        "versions": sorted(versions.by_number),
        "usual": versions.usual.version,
        "live": [asdict(one) for one in live],
        "revision": None if revision is None else revision_view(revision),
    }


@dataclass(frozen=True, slots=True)
class VersionReports:
    """Where the figures come from."""

    service: VersionService
    calls: EndedCalls
    engine: AsyncEngine
    tests: Sequence[SignalTest]
    days: float
    """A version just at a limit is suspected by chance once in so many."""

    async def of(self, names: Iterable[str]) -> list[VersionStatus]:
        """These agents. Raises UnknownAgentError, and what the store raises."""
        found = {name: self.service.versions(name) for name in names}
        await self.service.watch.refresh()
        at = datetime.now(UTC)
        tried = {one.agent: one for one in await trials(self.service.watch)}
        calls = await self.calls.ended_since(at - SINCE, MAX_CALLS) if tried.keys() & found.keys() else ()
        in_force: Mapping[str, Revision] = self.service.watch.in_force
        statuses: list[VersionStatus] = []
        for name, versions in found.items():
            trial = tried.get(name)
            since = at - DAY if trial is None else trial.since
            finding = None if trial is None else trial.finding(calls, self.tests, self.days, at)
            figures = await version_figures(self.engine, name, since)
            decisions = (await self.service.decisions(name))[:SHOWN]
            statuses.append(VersionStatus(versions, in_force.get(name), since, figures, finding, decisions))
        return statuses
