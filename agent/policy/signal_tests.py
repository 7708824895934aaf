"""What an ended call says of its policy: beta-binomial chances of its counts, since turns of one call hang together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

SLOW_SESSION_SHARE: Final = 0.10
NO_REPLY_SHARE: Final = 0.02
LOST_SESSION_SHARE: Final = 0.15
"""What the signals besides slow turns, whose limit is an objective of `budgets.toml`, may be."""


@dataclass(frozen=True, slots=True)
class SignalTest:
    """Two shares of bad ones that are told apart, at the limit and where it must be found, and the correlation."""

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

    def suspect(self, of: int, share: float) -> float:
        """How likely a call with so many turns is to speak for the rejected share, at this share of bad ones."""
        return _suspect_share(self, of, share)


def signal_tests(slow_turn_share: float) -> tuple[SignalTest, ...]:
    """The tests of the service. Slow calls follow from slow turns and have none of their own."""
    return (
        SignalTest("slow_turns", slow_turn_share, 3 * slow_turn_share, 0.1),
        SignalTest("no_reply", NO_REPLY_SHARE, 4 * NO_REPLY_SHARE, 0.1),
        SignalTest("lost_sessions", LOST_SESSION_SHARE, 2 * LOST_SESSION_SHARE, 0.0),
    )


@lru_cache(maxsize=20_000)
def _suspect_share(test: SignalTest, of: int, share: float) -> float:
    likely = 0.0
    for bad in range(of + 1):
        if test.weight(bad, of) > 0:
            likely += math.comb(of, bad) * math.exp(_log_chance(bad, of, share, test.correlation))
    return min(0.98, max(0.02, likely))


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
