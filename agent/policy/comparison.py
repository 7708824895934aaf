"""Whether it is the policy alone: a Bayes factor over the calls of both policies of the same time.

Each call is suspect or not: its counts fit the rejected share better than the limit, or they do not. Suspect calls are
as likely as the policy's share of bad ones makes them. That share is not known, so it is one of `_SHARES`, each as
likely before. Two explanations of the calls of both policies are weighed against each other:

    common cause   the baseline has the policy's share, whatever that is
    alone          the baseline has a share within the limit, one of `_FINE`, whatever the policy's is

    ln B = ln sum P(policy's calls | s) P(baseline's calls | s)
         - ln sum P(policy's calls | s) - ln mean P(baseline's calls | f)        (s in _SHARES, f in _FINE)

A few calls of the policy leave its share open, and then the baseline's calls say little; no estimate is taken for true.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Final

from agent.policy.signal_tests import SignalTest

_SHARES: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 13.0)
"""Times the limit: what the policy's share may be."""
_FINE: Final = (0.4, 0.7, 1.0)
"""Times the limit: what the baseline's may be where it is fine."""
_HYPOTHESES: Final = len(_SHARES) + len(_FINE)
_MOST: Final = 0.9
COMMON: Final = 3.0
ALONE: Final = 4.5
"""ln B at which a common cause, or the policy alone, is taken for certain."""
WORSE: Final = 0.7
"""ln of the Bayes factor, from the calls since it is watched, by which the policy is over its limit and not at it."""
CALLS: Final = 400
"""So many calls of both policies, the latest, are compared: a common cause that passes hides no fault after it."""
OF_ONE: Final = 3
"""More calls of one caller say nothing more."""
MIN_BASELINE_CALLERS: Final = 2
THROUGHOUT: Final = 0.75
"""A call of which so many turns are bad is bad throughout: a line, or somebody who plays a trick."""
NOT_BELIEVED: Final = 0.3
"""So many of the policy's calls are not believed to be its fault while they are bad throughout."""


class Comparison(IntEnum):
    """What the baseline's calls of the same time say. The numbers are those of the metric."""

    NONE = 0  # nothing is suspected
    COMPARING = 1  # not enough callers of the baseline yet
    ALONE = 2  # the baseline is fine: it is the policy
    COMMON_CAUSE = 3  # the baseline suffers as well
    TOO_FEW_CALLERS = 4  # the baseline had too few callers for too long
    FEW_SUFFER = 5  # the baseline is fine, but the policy's bad turns are those of a few callers


@dataclass(frozen=True, slots=True)
class _Call:
    of_baseline: bool
    caller: str
    throughout: bool
    chances: Sequence[float]  # ln, by share: first those of _SHARES, then those of _FINE


@dataclass(slots=True)
class ArmComparison:
    """One signal of one policy and of the baseline, since the policy is watched."""

    test: SignalTest
    answer: Comparison = Comparison.COMPARING
    head_start: float = 0.0
    """What spoke against the baseline before the policy was watched: a common cause was there first."""
    callers: Counter[tuple[bool, str]] = field(default_factory=Counter[tuple[bool, str]])
    _calls: deque[_Call] = field(default_factory=deque[_Call])
    _policy: list[float] = field(default_factory=lambda: [0.0] * _HYPOTHESES)
    _throughout: list[float] = field(default_factory=lambda: [0.0] * _HYPOTHESES)
    _counted: Counter[bool] = field(default_factory=Counter[bool])  # the policy's calls, by whether bad throughout
    _baseline: list[float] = field(default_factory=lambda: [0.0] * _HYPOTHESES)

    def add(self, of_baseline: bool, caller: str, bad: int, of: int) -> None:
        """A call of the policy, or of the baseline."""
        if of <= 0 or self.callers[of_baseline, caller] >= OF_ONE:
            return
        self.callers[of_baseline, caller] += 1
        suspect = self.test.weight(bad, of) > 0
        self._take(_Call(of_baseline, caller, of > 1 and bad >= THROUGHOUT * of, _chances(self.test, of, suspect)), 1)
        if len(self._calls) > CALLS:
            self._forget()
        self._decide()

    def before(self, bad: int, of: int) -> None:
        """A call of the baseline while the policy is not watched: only what speaks against it is kept."""
        if of > 0:
            fine, bad_share = (self.test.suspect(of, share) for share in (self.test.limit, self.test.rejected))
            suspect = self.test.weight(bad, of) > 0
            weight = math.log(bad_share / fine) if suspect else math.log((1 - bad_share) / (1 - fine))
            self.head_start = max(0.0, min(COMMON, self.head_start + weight))

    def begin(self) -> None:
        """The policy is watched from now on."""
        self.answer = Comparison.COMPARING
        self._decide()

    @property
    def balance(self) -> float:
        """ln B: above 0 towards a common cause."""
        shares = range(len(_SHARES))
        both = _log_sum([self._policy[one] + self._baseline[one] for one in shares])
        fine = _log_sum(self._baseline[len(_SHARES) :]) - math.log(len(_FINE))
        return both - _log_sum(self._policy[: len(_SHARES)]) - fine + self.head_start

    @property
    def worse(self) -> bool:
        """Whether the policy's calls since then are those of a share over the limit, also without the worst of them."""
        throughout = self._counted[True]
        left_out = min(1.0, NOT_BELIEVED * self._counted.total() / throughout) if throughout else 0.0
        pairs = zip(self._policy[: len(_SHARES)], self._throughout, strict=False)
        limit, *over = (whole - left_out * worst for whole, worst in pairs)
        return _log_sum(over) - math.log(len(over)) - limit >= WORSE

    @property
    def baseline_callers(self) -> int:
        return sum(of_baseline for of_baseline, _ in self.callers)

    def _decide(self) -> None:
        balance = self.balance
        if balance >= COMMON:
            self.answer = Comparison.COMMON_CAUSE
        elif balance <= -ALONE and self.baseline_callers >= MIN_BASELINE_CALLERS:
            self.answer = Comparison.ALONE

    def _take(self, call: _Call, sign: int) -> None:
        sums = self._baseline if call.of_baseline else self._policy
        for one, chance in enumerate(call.chances):
            sums[one] += sign * chance
        if not call.of_baseline:
            self._counted[call.throughout] += sign
            if call.throughout:
                for one, chance in enumerate(call.chances):
                    self._throughout[one] += sign * chance
        if sign > 0:
            self._calls.append(call)

    def _forget(self) -> None:
        oldest = self._calls.popleft()
        self._take(oldest, -1)
        key = (oldest.of_baseline, oldest.caller)
        self.callers[key] -= 1
        if not self.callers[key]:
            del self.callers[key]
        self.head_start *= 1 - 1 / CALLS


@lru_cache(maxsize=2_000)
def _chances(test: SignalTest, of: int, suspect: bool) -> tuple[float, ...]:
    shares = (min(_MOST, times * test.limit) for times in (*_SHARES, *_FINE))
    likely = (test.suspect(of, share) for share in shares)
    return tuple(math.log(one if suspect else 1 - one) for one in likely)


def _log_sum(logs: Sequence[float]) -> float:
    most = max(logs)
    return most + math.log(sum(math.exp(one - most) for one in logs))
