"""How sure it is that a policy is worse than it may be, and that it alone is: two sequential tests over ended calls.

**The policy.** For each signal a CUSUM (Page 1954) adds up, call by call, how much better the counts of the call fit a
policy that is bad (`rejected`) than one at its limit (`limit`), and never falls below 0:

    S = max(0, S + ln P(k of n | rejected) - ln P(k of n | limit))

P is beta-binomial: `k` of the `n` turns of a call are bad with a chance of the call's own, because turns of one call
share its line, its caller and its minute; `correlation` is that of two turns of one call. The policy is in breach from
S >= h. By Lorden (1971) a service that stays at its limit is in breach by chance once in e^h calls or less often, so
that h = ln(calls in `false_alarm_days`) - OVERSHOOT makes that about once in so many days, whatever the traffic.

**The baseline.** From h / 2 on (WATCH) the calls of the baseline policy in the same time are read by a sequential
probability ratio test (Wald 1945) of "as bad as the policy is now" against "at its limit": a common cause, or the
policy alone. Its two bounds stand for an error of 5 % each; the sum turns around at them, so that a common cause that
passes hides no fault that comes after it.

One caller's weight is bounded in both: nobody adds more than a part of the way to a bound. All of it is a function of
the stored calls, in their order: it survives restarts, and every replica comes to the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import Final

SLOW_SESSION_SHARE: Final = 0.10
NO_REPLY_SHARE: Final = 0.02
LOST_SESSION_SHARE: Final = 0.15
"""What the signals besides slow turns, whose limit is an objective of `budgets.toml`, may be."""

SINCE: Final = timedelta(hours=72)
"""Older calls are not read."""
MAX_CALLS: Final = 5_000
"""The latest calls that are read of a tier."""
OVERSHOOT: Final = 3.1
LEAST_BOUND: Final = 4.2
DAY: Final = timedelta(days=1)
WATCH_SHARE: Final = 0.5
CAP_SHARE: Final = 1.5
"""The score ends there: a service that recovers is soon seen to."""
MIN_CALLERS: Final = 5
"""So many callers at least it takes to reach the bound: each adds a fifth of it at the most."""
DECIDED: Final = math.log(0.97 / 0.03)
MIN_BASELINE_CALLERS: Final = 2
LIKE: Final = 0.8
"""A baseline whose calls are suspect so often, as a share of how often the policy's are, suffers as well."""
PRIOR: Final = 4
"""Calls' worth of what is thought of the policy before it is watched: twice the share at the limit."""
SPREAD: Final = 1.6
"""Times the share at the limit: less often suspect, the bad turns are those of a few callers."""
PATIENCE: Final = timedelta(hours=24)
"""How long a breach waits for callers of the baseline before a person is asked without them."""
_LEAST_SPAN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SignalTest:
    """What a CUSUM tells apart: shares of bad ones at the limit and where it must be found, and the correlation."""

    name: str
    limit: float
    rejected: float
    correlation: float

    def weight(self, bad: int, of: int) -> float:
        """How much `bad` of `of` speak for the rejected share against the limit."""
        if of <= 0:
            return 0.0
        bad = min(bad, of)
        return _log_chance(bad, of, self.rejected, self.correlation) - _log_chance(
            bad, of, self.limit, self.correlation
        )

    def expected(self, of: int) -> float:
        """How likely a call with so many turns is to speak for the rejected share at the limit."""
        return _suspect_share(self, of)


def signal_tests(slow_turn_share: float) -> tuple[SignalTest, ...]:
    """The tests of the service. Slow calls follow from slow turns and have none of their own."""
    return (
        SignalTest("slow_turns", slow_turn_share, 3 * slow_turn_share, 0.1),
        SignalTest("no_reply", NO_REPLY_SHARE, 4 * NO_REPLY_SHARE, 0.1),
        SignalTest("lost_sessions", LOST_SESSION_SHARE, 2 * LOST_SESSION_SHARE, 0.0),
    )


class Comparison(IntEnum):
    """What the baseline's calls of the same time say. The numbers are those of the metric."""

    NONE = 0  # nothing is suspected
    COMPARING = 1  # not enough callers of the baseline yet
    ALONE = 2  # the baseline is fine: it is the policy
    COMMON_CAUSE = 3  # the baseline suffers as well
    TOO_FEW_CALLERS = 4  # the baseline had too few callers for too long
    FEW_SUFFER = 5  # the baseline is fine, but the policy's bad turns are those of a few callers


@dataclass(frozen=True, slots=True)
class CallCounts:
    """An ended call as it counts. `caller` is whoever's weight is bounded; `counts` are (bad, of) by signal."""

    session_id: str
    ended_at: datetime
    tier: str
    policy: str
    caller: str
    counts: Mapping[str, tuple[int, int]]


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
    calls: int = 0  # since then, and those that spoke for the rejected share
    suspect: int = 0
    expected: float = 0.0  # how many would be, at the limit
    since: datetime | None = None  # watched from then on
    breached_at: datetime | None = None
    balance: float = 0.0  # of the baseline: towards a common cause above 0
    compared: dict[str, float] = field(default_factory=dict[str, float])
    comparison: Comparison = Comparison.NONE

    def add(self, call: CallCounts, bound: float) -> None:
        """A call of the policy."""
        bad, of = call.counts.get(self.test.name, (0, 0))
        weight = self.test.weight(bad, of)
        if weight > 0:
            allowed = bound / MIN_CALLERS - self.added.get(call.caller, 0.0)
            weight = max(0.0, min(weight, allowed))
        self.score = min(CAP_SHARE * bound, self.score + weight)
        if self.score <= 0:
            self._clear()
            return
        self.added[call.caller] = self.added.get(call.caller, 0.0) + max(0.0, weight)
        if self.since is not None:
            self._count(bad, of)
        if self.since is None and self.score >= WATCH_SHARE * bound:
            self.since, self.comparison = call.ended_at, Comparison.COMPARING
            self._decide()
        if self.breached_at is None and self.score >= bound:
            self.breached_at = call.ended_at

    def _count(self, bad: int, of: int) -> None:
        if of > 0:
            self.calls += 1
            self.suspect += self.test.weight(bad, of) > 0
            self.expected += self.test.expected(of)

    @property
    def spread(self) -> bool:
        """Whether more callers suffer than at the limit, rather than a few of them much."""
        usual = PRIOR * self.expected / max(1, self.calls)
        return self.suspect + usual >= SPREAD * (self.expected + usual)

    def compare(self, call: CallCounts) -> None:
        """A call of the baseline: is it suspect as often as the policy's calls are, or as calls at the limit?

        While nothing is suspected, only what speaks against the baseline is kept: a common cause that began before the
        policy was watched is known already.
        """
        bad, of = call.counts.get(self.test.name, (0, 0))
        if of <= 0:
            return
        fine = self.test.expected(of)
        policy = (self.suspect + PRIOR * min(0.9, 2 * fine)) / (self.calls + PRIOR)
        as_bad = min(0.9, max(LIKE * policy, 1.5 * fine))
        suspect = self.test.weight(bad, of) > 0
        weight = math.log(as_bad / fine) if suspect else math.log((1 - as_bad) / (1 - fine))
        if self.since is None:
            self.balance = max(0.0, min(DECIDED, self.balance + weight))
            return
        room, used = DECIDED / MIN_BASELINE_CALLERS, self.compared.get(call.caller, 0.0)
        weight = max(-room - used, min(room - used, weight))
        self.compared[call.caller] = used + weight
        self.balance = max(-DECIDED, min(DECIDED, self.balance + weight))
        self._decide()

    def _decide(self) -> None:
        if self.balance >= DECIDED - 1e-9:
            self.comparison = Comparison.COMMON_CAUSE
        elif self.balance <= -DECIDED + 1e-9:
            self.comparison = Comparison.ALONE

    def _clear(self) -> None:
        self.score, self.calls, self.suspect, self.expected = 0.0, 0, 0, 0.0
        self.balance = max(0.0, self.balance)
        self.since = self.breached_at = None
        self.comparison = Comparison.NONE
        self.added.clear()
        self.compared.clear()


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
        known = self._policies.setdefault(call.policy, {test.name: _Suspicion(test) for test in self._tests})
        bound = self._bound(call.policy, call.ended_at)
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
        comparison = worst.comparison
        if comparison is Comparison.COMPARING and worst.breached_at and at - worst.breached_at >= PATIENCE:
            comparison = Comparison.TOO_FEW_CALLERS
        if comparison is Comparison.ALONE and not worst.spread:
            comparison = Comparison.FEW_SUFFER
        since = min(one.since for one in watched if one.since is not None)
        return Finding(scores, comparison, len(worst.added), len(worst.compared), since)

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


@lru_cache(maxsize=1_000)
def _suspect_share(test: SignalTest, of: int) -> float:
    """How likely a call with `of` turns is to speak for the rejected share while its policy is at the limit."""
    likely = 0.0
    for bad in range(of + 1):
        if test.weight(bad, of) > 0:
            likely += math.comb(of, bad) * math.exp(_log_chance(bad, of, test.limit, test.correlation))
    return min(0.5, max(0.02, likely))


@lru_cache(maxsize=20_000)
def _log_chance(bad: int, of: int, share: float, correlation: float) -> float:
    """ln of the beta-binomial chance, without the binomial coefficient, which every ratio cancels."""
    if correlation <= 0:
        return bad * math.log(share) + (of - bad) * math.log(1 - share)
    strength = 1 / correlation - 1
    a, b = share * strength, (1 - share) * strength
    return (
        math.lgamma(bad + a) + math.lgamma(of - bad + b) - math.lgamma(of + a + b)
        - math.lgamma(a) - math.lgamma(b) + math.lgamma(a + b)
    )  # fmt: skip
