"""Follows the ended calls in the ledger: keeps the tests of every policy, shows them as metrics, raises the holdout."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog

from agent.budgets import Tier
from agent.core import clock
from agent.policy.assignments import returned_at
from agent.policy.comparison import Comparison
from agent.policy.decisions import Mode
from agent.policy.evidence import MAX_CALLS, SINCE, CallCounts, Finding, TierEvidence
from agent.policy.signal_tests import SignalTest
from agent.policy.store import PolicyStore
from agent.policy.watcher import AssignmentWatcher
from agent.rollback.decider import Tell
from agent.rollback.holdout_keeper import HoldoutKeeper
from agent.rollback.versions import VersionEvidence
from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics

POLL_S: Final = 5.0
READ_S: Final = 10.0  # a database that takes longer is as good as down
OVERLAP: Final = timedelta(minutes=2)  # of two readings: other processes write their calls a little later
LATE: Final = timedelta(hours=1)  # the same once in `LATE_EVERY`: they had no database, or crashed
LATE_EVERY: Final = timedelta(minutes=1)
MANY: Final = 100  # calls that are counted between two audio frames; more of them beside the event loop
SPARE: Final = MAX_CALLS // 10  # calls that are kept beyond the latest, before all that are kept are counted again
STALE_S: Final = 60.0  # what cannot be read for so long says nothing any more

log = structlog.get_logger()


class EndedCalls(Protocol):
    """Where ended calls come from."""

    async def ended_since(self, since: datetime, limit: int) -> Sequence[CallCounts]:
        """The latest calls that ended after `since`, at most `limit`, oldest first."""
        ...


class EvidenceWatcher:
    """Use `running()` around the life of the server. Every replica comes to the same findings."""

    def __init__(
        self,
        calls: EndedCalls,
        watch: AssignmentWatcher,
        store: PolicyStore,
        tests: Sequence[SignalTest],
        mode: Mode,
        false_alarm_days: float,
        metrics: Metrics,
        tell: Sequence[Tell] = (),
        versions: VersionEvidence | None = None,
    ) -> None:
        self._versions = versions
        self._calls = calls
        self._watch = watch
        self._store = store
        self._tests = tests
        self._names = [test.name for test in tests]
        self._holdouts = HoldoutKeeper(watch, store, mode, metrics, tell)
        self._days = false_alarm_days
        self._metrics = metrics
        self._known: dict[str, CallCounts] = {}  # about 0.4 kB each
        self._evidence: dict[str, TierEvidence] = {}
        self._newest: datetime | None = None
        self._looked_back = datetime.min.replace(tzinfo=UTC)
        self._revisions: dict[Tier, int] = {}
        self._returned: dict[tuple[str, str], datetime] = {}
        self._read_at = 0.0
        self._failing = False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Reads the calls while the block runs."""
        self._read_at = clock.now()
        task = asyncio.create_task(self._follow(), name="evidence-watch")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    def findings(self, tier: Tier, at: datetime) -> Mapping[str, Finding]:
        """What is known of a tier's policies."""
        evidence = self._evidence.get(tier)
        return {} if evidence is None else {name: evidence.finding(name, at) for name in evidence.policies()}

    async def refresh(self, at: datetime) -> None:
        """Reads what is new, shows it, and plans the holdout. Raises what the stores raise, and TimeoutError."""
        async with asyncio.timeout(READ_S):
            since = self._since(at)
            changed = await self._follow_assignments()
            calls = await self._calls.ended_since(since, MAX_CALLS)
            # what a clock that is ahead has written waits: it must not move the time from which on calls are read
            await self._take([call for call in calls if call.ended_at <= at], at, again=changed)
            self._read_at = clock.now()
            self._show(at)
            if self._versions is not None:
                await self._versions.look(self._known.values(), at)
            for tier in Tier:
                raised, baseline = self._watch.weighs_for_a_while(tier), self._watch.book.baseline
                await self._holdouts.plan(tier, baseline, self.findings(tier, at), at, raised=raised)

    def _since(self, at: datetime) -> datetime:
        """From when on calls are read. A clock that was ahead, and is set right, must not hide them until then."""
        if self._newest is None:
            self._looked_back = at
            return at - SINCE
        newest = min(self._newest, at)
        if abs(at - self._looked_back) < LATE_EVERY:
            return newest - OVERLAP
        self._looked_back = at
        return newest - LATE

    def stale(self) -> None:
        """Takes back what is shown, until calls can be read again: rules go by the worst of all processes."""
        if self._versions is not None:
            self._versions.stale()
        for tier in Tier:
            for policy in self.findings(tier, datetime.now(UTC)):
                self._set(tier, policy, Finding(dict.fromkeys(self._names, 0.0), Comparison.NONE, 0, 0, None))

    async def _follow(self) -> None:
        while True:
            try:
                await self.refresh(datetime.now(UTC))
            except Exception as error:  # whatever it is, calls go on
                if not self._failing:
                    log.warning("evidence cannot be read", error=type(error).__name__)
                self._failing = True
                if clock.now() - self._read_at >= STALE_S:
                    self.stale()
            else:
                self._failing = False
            self._metrics.set(catalog.EVIDENCE_AGE, value=clock.now() - self._read_at)
            await asyncio.sleep(POLL_S)

    async def _follow_assignments(self) -> bool:
        """Whether there are other assignments than before: then a policy may have come back."""
        numbers = {tier: self._watch.revision(tier) for tier in Tier}
        if numbers == self._revisions:
            return False
        async with self._store.reading() as reader:
            returned = {
                (tier.value, policy): at
                for tier in Tier
                for policy, at in returned_at(await reader.history(tier)).items()
            }
        self._revisions, before, self._returned = numbers, self._returned, returned
        return before != returned

    def _counts(self, call: CallCounts) -> bool:
        """Whether a call is one of the policy as it is: of its version, and since it last came back to new sessions."""
        known = self._watch.book.policies.get(call.policy)
        returned = self._returned.get((call.tier, call.policy))
        return known is not None and known.version == call.version and (returned is None or call.ended_at > returned)

    async def _take(self, calls: Sequence[CallCounts], at: datetime, *, again: bool = False) -> None:
        """Adds what is new in its order; a call that came late, or ended again, has all of them counted again."""
        new = [call for call in calls if self._known.get(call.session_id) != call]
        again |= len(new) > MANY or any(call.session_id in self._known or _before(call, self._newest) for call in new)
        self._known.update((call.session_id, call) for call in new)
        if len(self._known) > MAX_CALLS + SPARE:
            kept = sorted(self._known.values(), key=_order)[-MAX_CALLS:]
            self._known, again = {call.session_id: call for call in kept}, True
        if new:
            newest = max(call.ended_at for call in new)
            self._newest = newest if self._newest is None else max(self._newest, newest)
        if again:
            self._evidence = await asyncio.to_thread(self._counted, sorted(self._known.values(), key=_order), at)
        else:
            self._add(self._evidence, sorted(new, key=_order))

    def _counted(self, calls: Sequence[CallCounts], at: datetime) -> dict[str, TierEvidence]:
        evidence: dict[str, TierEvidence] = {}
        self._add(evidence, [call for call in calls if at - call.ended_at <= SINCE])
        return evidence

    def _add(self, evidence: dict[str, TierEvidence], calls: Sequence[CallCounts]) -> None:
        for call in filter(self._counts, calls):
            if call.tier not in evidence:
                evidence[call.tier] = TierEvidence(self._tests, self._watch.book.baseline, self._days)
            evidence[call.tier].add(call)

    def _show(self, at: datetime) -> None:
        for tier in Tier:
            for policy, finding in self.findings(tier, at).items():
                self._set(tier, policy, finding)

    def _set(self, tier: Tier, policy: str, finding: Finding) -> None:
        for signal, score in finding.scores.items():
            self._metrics.set(catalog.EVIDENCE_SCORE, signal, tier, policy, value=score)
        self._metrics.set(catalog.EVIDENCE_COMPARISON, tier, policy, value=finding.comparison)
        for side, callers in {"policy": finding.callers, "baseline": finding.baseline_callers}.items():
            self._metrics.set(catalog.EVIDENCE_CALLERS, side, tier, policy, value=callers)


def _order(call: CallCounts) -> tuple[datetime, str]:
    return call.ended_at, call.session_id


def _before(call: CallCounts, newest: datetime | None) -> bool:
    return newest is not None and call.ended_at < newest
