"""Version against version: the tests of policies, over the calls of an agent in the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from agent.budgets import Tier
from agent.definitions.version_watch import VersionWatcher
from agent.definitions.versions import LiveVersion
from agent.policy.assignments import ChangeCause, returned_at
from agent.policy.evidence import CallCounts, Finding, TierEvidence
from agent.policy.signal_tests import SignalTest
from agent.rollback.holdout_keeper import HoldoutKeeper
from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics


@dataclass(frozen=True, slots=True)
class Trial:
    """A version that is tried beside the stable one, and since when."""

    agent: str
    stable: int
    canary: int
    since: datetime

    def finding(self, calls: Iterable[CallCounts], tests: Sequence[SignalTest], days: float, at: datetime) -> Finding:
        """What the calls of both versions since then say of the one that is tried, as of a policy.

        days: a version just at a limit is suspected by chance once in so many.
        """
        evidence = TierEvidence(tests, str(self.stable), days)
        for call in sorted(filter(self._counts, calls), key=lambda call: (call.ended_at, call.session_id)):
            evidence.add(replace(call, policy=str(call.agent_version)))
        return evidence.finding(str(self.canary), at)

    def _counts(self, call: CallCounts) -> bool:
        mine = call.agent == self.agent and call.agent_version in (self.stable, self.canary)
        return mine and call.ended_at > self.since and call.tier in set(Tier)


async def trials(watch: VersionWatcher) -> list[Trial]:
    """Every version that is tried now. Raises what the store raises."""
    found: list[Trial] = []
    for name, versions in watch.book.versions.items():
        revision = watch.in_force.get(name)
        live = versions.live(None if revision is None else revision.weights)
        if len(live) > 1:
            found.append(await _trial(watch, live))
    return found


async def _trial(watch: VersionWatcher, live: Sequence[LiveVersion]) -> Trial:
    stable, canary = live[0], live[1]
    history = await watch.history(stable.agent)
    began = returned_at(history).get(str(canary.version), history[0].at)
    return Trial(stable.agent, stable.version, canary.version, began)


class VersionEvidence:
    """Shows what is known of versions that are tried. Every replica comes to the same findings."""

    def __init__(
        self,
        watch: VersionWatcher,
        tests: Sequence[SignalTest],
        days: float,
        metrics: Metrics,
        holdouts: HoldoutKeeper | None = None,
    ) -> None:
        """`holdouts` raises the share of a stable version that nearly nobody gets while the other is watched."""
        self._holdouts = holdouts
        self._watch = watch
        self._tests = tests
        self._days = days
        self._metrics = metrics
        self._shown: set[tuple[str, str]] = set()

    async def look(self, calls: Collection[CallCounts], at: datetime) -> None:
        """Counts these ended calls. Raises what the store raises."""
        tried = await trials(self._watch)
        shown = {(one.agent, str(one.canary)) for one in tried}
        self._forget(self._shown - shown)
        self._shown = shown
        for one in tried:
            finding = await asyncio.to_thread(one.finding, list(calls), self._tests, self._days, at)
            who = (one.agent, str(one.canary))
            for signal, score in finding.scores.items():
                self._metrics.set(catalog.AGENT_SCORE, *who, signal, value=score)
            self._metrics.set(catalog.AGENT_COMPARISON, *who, value=finding.comparison)
            if self._holdouts is not None:
                raised = self._watch.in_force[one.agent].change.cause is ChangeCause.HOLDOUT
                await self._holdouts.plan(one.agent, str(one.stable), {who[1]: finding}, at, raised=raised)

    def stale(self) -> None:
        """Takes back what is shown: calls cannot be read."""
        self._forget(self._shown)
        self._shown = set()

    def _forget(self, gone: Iterable[tuple[str, str]]) -> None:
        for who in gone:
            self._metrics.forget(catalog.AGENT_COMPARISON, *who)
            for test in self._tests:
                self._metrics.forget(catalog.AGENT_SCORE, *who, test.name)
