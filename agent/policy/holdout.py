"""Gives the baseline more callers while a policy is watched, so that there is something to compare it with.

Of an agent it is the same with its stable version, and the version that nearly everybody gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from agent.policy.assignments import Change, ChangeCause, Revision, chosen
from agent.policy.comparison import Comparison
from agent.policy.decisions import ACTOR
from agent.policy.evidence import DAY, Finding

HOLDOUT: Final = 50
"""Percent of new sessions that the baseline gets while a policy is watched."""
LONGEST: Final = DAY
ONCE_IN: Final = DAY
LEAST: Final = timedelta(hours=6)
"""A suspicion that goes may come back, and the holdout is not raised twice a day: it stays for so long."""
_UNDECIDED: Final = (Comparison.COMPARING, Comparison.TOO_FEW_CALLERS)


def plan_holdout(
    baseline: str, tier: str, history: Sequence[Revision], findings: Mapping[str, Finding], at: datetime
) -> Change | None:
    """The change to make now: a holdout that is raised or over; None where all stays as it is."""
    if not history:
        return None
    if history[-1].change.cause is ChangeCause.HOLDOUT:
        return _over(baseline, tier, history, findings, at)
    now = history[-1].weights
    watched = _watched(baseline, now, findings, _UNDECIDED)
    raised = (one.at for one in history if one.change.cause is ChangeCause.HOLDOUT)
    if not watched or now.get(baseline, 0) >= HOLDOUT or any(at - one < ONCE_IN for one in raised):
        return None
    reason = f"{watched} is watched: {baseline} needs callers to compare it with"
    return Change(tier, _raised(baseline, now), ChangeCause.HOLDOUT, ACTOR, reason, restores=chosen(history).number)


def _over(
    baseline: str, tier: str, history: Sequence[Revision], findings: Mapping[str, Finding], at: datetime
) -> Change | None:
    current, before = history[-1], chosen(history)
    raised = at - current.at
    undecided = _watched(baseline, before.weights, findings, (*_UNDECIDED, Comparison.ALONE))
    decided = _watched(baseline, before.weights, findings, (Comparison.COMMON_CAUSE, Comparison.FEW_SUFFER))
    if (raised < LONGEST and undecided) or (raised < LEAST and not decided):
        return None
    reason = "a day is over" if raised >= LONGEST else "there is nothing more to compare"
    return Change(tier, before.weights, ChangeCause.HOLDOUT_OVER, ACTOR, reason, restores=before.number)


def _watched(
    baseline: str, weights: Mapping[str, int], findings: Mapping[str, Finding], which: Sequence[Comparison]
) -> str | None:
    """The worst policy that new sessions get and whose comparison is one of these."""
    names = [
        name
        for name, percent in weights.items()
        if percent and name != baseline and name in findings and findings[name].comparison in which
    ]
    return max(names, key=lambda name: findings[name].score, default=None)


def _raised(baseline: str, weights: Mapping[str, int]) -> dict[str, int]:
    """The holdout for the baseline; what is left is shared as it was, in whole percents (largest remainders)."""
    others = {name: percent for name, percent in weights.items() if percent and name != baseline}
    whole, left = sum(others.values()), 100 - HOLDOUT
    shares = {name: left * percent // whole for name, percent in others.items()}
    by_remainder = sorted(others, key=lambda name: -(left * others[name] % whole))
    for name in by_remainder[: left - sum(shares.values())]:
        shares[name] += 1
    return {**shares, baseline: HOLDOUT}
