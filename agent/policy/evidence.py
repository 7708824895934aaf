"""How sure it is that a policy is worse than it may be, and that it alone is: two sequential tests over ended calls.

**The policy.** For each signal a CUSUM (Page 1954) adds up, call by call, how much better the counts of the call fit a
policy that is bad (`rejected`) than one at its limit (`limit`), and never falls below 0:

    S = max(0, S + ln P(k of n | rejected) - ln P(k of n | limit))

P is beta-binomial (`agent.policy.signal_tests`): turns of one call share its line, its caller and its minute. The
policy is in breach from S >= h. By Lorden (1971) a service that stays at its limit is in breach by chance once in e^h
calls or less often. h = ln(calls in `false_alarm_days`) - OVERSHOOT is fitted to simulated services: it lets some be
suspected by chance, and the comparison with the baseline keeps nearly all of those from being rolled back.

**The baseline.** From two thirds of h on the calls of the baseline policy in the same time are compared with those of
the policy (`agent.policy.comparison`): a common cause, or the policy alone.

One caller's weight is bounded in both, whichever way it pulls. All of it is a function of the stored calls, in their
order: it survives restarts, and every replica comes to the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from agent.policy.comparison import COMMON, ArmComparison, Comparison
from agent.policy.signal_tests import SignalTest

SINCE: Final = timedelta(hours=72)
"""Older calls are not read."""
MAX_CALLS: Final = 5_000
"""The latest calls that are read of a tier."""
OVERSHOOT: Final = 4.1
LEAST_BOUND: Final = 3.2
DAY: Final = timedelta(days=1)
WATCH_SHARE: Final = 0.65
"""Of the bound: from there on a policy is watched, and compared with the baseline."""
CAP_SHARE: Final = 2.0
"""The score ends there: a service that recovers is soon seen to."""
MIN_CALLERS: Final = 4
"""So many callers at least it takes to reach the bound: each adds a quarter of it at the most."""
PATIENCE: Final = timedelta(hours=24)
"""How long a breach waits for callers of the baseline before a person is asked without them."""
_LEAST_SPAN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CallCounts:
    """An ended call as it counts. `caller` is whoever's weight is bounded; `counts` are (bad, of) by signal."""

    session_id: str
    ended_at: datetime
    tier: str
    policy: str
    caller: str
    counts: Mapping[str, tuple[int, int]]
    version: int = 1
    """Of the policy."""
    agent: str = ""
    agent_version: int = 0

    @property
    def spoken(self) -> bool:
        """Whether a reply was owed at all."""
        return self.counts.get("no_reply", (0, 0))[1] > 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of a policy: its worst signal in multiples of the bound, and the comparison."""

    scores: Mapping[str, float]
    """By signal: 1 is the bound."""
    comparison: Comparison
    callers: int
    """Of the policy, in the time that is suspected."""
    baseline_callers: int
    """Of the baseline, since the policy is watched."""
    since: datetime | None
    """From when on it is watched."""

    @property
    def score(self) -> float:
        return max(self.scores.values(), default=0.0)

    @property
    def breach(self) -> bool:
        return self.score >= 1.0

    @property
    def watched(self) -> bool:
        return self.since is not None


@dataclass(slots=True)
class _Suspicion:
    """One signal of one policy."""

    test: SignalTest
    score: float = 0.0
    added: dict[str, float] = field(default_factory=dict[str, float])  # by caller, since the score was last 0
    net: dict[str, float] = field(default_factory=dict[str, float])  # by caller, of all calls
    since: datetime | None = None  # watched from then on
    breached_at: datetime | None = None
    arms: ArmComparison = field(init=False)

    def __post_init__(self) -> None:
        self.arms = ArmComparison(self.test)

    def add(self, call: CallCounts, bound: float) -> None:
        """A call of the policy."""
        bad, of = call.counts.get(self.test.name, (0, 0))
        weight = self._bounded(self.test.weight(bad, of), call.caller, bound / MIN_CALLERS)
        self.score = min(CAP_SHARE * bound, self.score + weight)
        if self.score <= 0:
            self._clear()
            return
        if self.since is not None:
            self.arms.add(False, call.caller, bad, of)
        elif self.score >= WATCH_SHARE * bound:
            self.since = call.ended_at
            self.arms.begin()
        if self.breached_at is None and self.score >= bound:
            self.breached_at = call.ended_at

    def _bounded(self, weight: float, caller: str, most: float) -> float:
        """What is left of a weight: the calls of one caller add and take away at most so much, all together.

        What they took away is not forgotten when the score is 0: many good calls of one hide nobody else's bad ones.
        """
        net, added = self.net.get(caller, 0.0), self.added.get(caller, 0.0)
        weight = max(0.0, min(weight, most - max(net, added))) if weight > 0 else min(0.0, max(weight, -most - net))
        self.net[caller] = net + weight
        self.added[caller] = added + weight
        return weight

    def compare(self, call: CallCounts) -> None:
        """A call of the baseline."""
        bad, of = call.counts.get(self.test.name, (0, 0))
        if self.since is None:
            self.arms.before(bad, of)
        else:
            self.arms.add(True, call.caller, bad, of)

    @property
    def callers(self) -> int:
        """Those who suffer."""
        return sum(added > 0 for added in self.added.values())

    def comparison(self, at: datetime) -> Comparison:
        if self.since is None:
            return Comparison.NONE
        answer = self.arms.answer
        if answer is Comparison.COMPARING and self.breached_at and at - self.breached_at >= PATIENCE:
            return Comparison.TOO_FEW_CALLERS
        if answer is Comparison.ALONE and not self.arms.worse:
            return Comparison.FEW_SUFFER
        return answer

    def _clear(self) -> None:
        if self.since is not None:
            self.arms = ArmComparison(self.test, head_start=max(0.0, min(COMMON, self.arms.balance)))
        self.score, self.since, self.breached_at = 0.0, None, None
        self.added.clear()


class TierEvidence:
    """The tests of one tier. Calls are added in the order of their ends."""

    def __init__(self, tests: Iterable[SignalTest], baseline: str, false_alarm_days: float) -> None:
        self._tests = tuple(tests)
        self._baseline = baseline
        self._days = false_alarm_days
        self._ends: dict[str, list[datetime]] = {}
        self._policies: dict[str, dict[str, _Suspicion]] = {}

    def add(self, call: CallCounts) -> None:
        """One more ended call."""
        if call.policy == self._baseline:
            for suspicions in self._policies.values():
                for suspicion in suspicions.values():
                    suspicion.compare(call)
            return
        if call.policy not in self._policies:
            self._policies[call.policy] = {test.name: _Suspicion(test) for test in self._tests}
        known = self._policies[call.policy]
        bound = self._bound(call.policy, call.ended_at, count=call.spoken)
        for suspicion in known.values():
            suspicion.add(call, bound)

    def policies(self) -> tuple[str, ...]:
        """Those that had calls."""
        return tuple(self._policies)

    def finding(self, policy: str, at: datetime) -> Finding:
        """What is known of a policy now."""
        known = self._policies.get(policy, {})
        bound = self._bound(policy, at, count=False)
        scores = {test.name: known[test.name].score / bound if known else 0.0 for test in self._tests}
        watched = [one for one in known.values() if one.since is not None]
        if not watched:
            return Finding(scores, Comparison.NONE, 0, 0, None)
        worst = max(watched, key=lambda one: one.score)
        since = min(one.since for one in watched if one.since is not None)
        return Finding(scores, worst.comparison(at), worst.callers, worst.arms.baseline_callers, since)

    def _bound(self, policy: str, at: datetime, *, count: bool = True) -> float:
        """h, by the calls of the last 24 hours, or of the time since the first of them."""
        ends = self._ends.setdefault(policy, [])
        if count:
            ends.append(at)
        while ends and at - ends[0] > DAY:
            ends.pop(0)
        if not ends:
            return LEAST_BOUND
        span = max(at - ends[0], _LEAST_SPAN)
        expected = len(ends) / (span / DAY) * self._days
        return max(LEAST_BOUND, math.log(max(1.0, expected)) - OVERSHOOT)
