"""Seeded services whose calls are judged as the real ones are: the tests of ended calls, the holdout, the assignment.

The loop is closed: what the tests find moves the holdout, which moves who gets which policy. Time is simulated; only
the traffic is made up. `decisions.py` lets the generated rules and the decider judge what is found here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from agent.budgets import Tier, load_budgets
from agent.policy.assignments import Change, ChangeCause, Revision
from agent.policy.evidence import CallCounts, Finding, TierEvidence
from agent.policy.holdout import plan_holdout
from agent.policy.policies import load_policies
from agent.policy.signal_tests import signal_tests

BOOK: Final = load_policies()
JUDGED: Final = "haiku_first"
BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
FIRST: Final = {JUDGED: 95, BOOK.baseline: 5}
TURNS: Final = (3, 9)
TURN_S: Final = 15.0
DAYS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Calls arrive at random (Poisson), with 3 to 9 turns. Shares are of slow turns, by arm, before and after `change`.

    `hostile` callers, of both arms, make every turn slow: more than what a bounded claim of a client can do.
    """

    calls_an_hour: float
    hours: float
    before: float = 0.05
    judged: float = 0.05
    baseline: float = 0.05
    change_h: float = 0.0
    correlation: float = 0.0
    hostile: float = 0.0


@dataclass(frozen=True, slots=True)
class KnownMoment:
    """What was known when it changed."""

    hour: float
    finding: Finding
    enough: bool


@dataclass(slots=True)
class Played:
    """One seeded run."""

    moments: list[KnownMoment] = field(default_factory=list[KnownMoment])
    history: list[Revision] = field(default_factory=list[Revision])


def play(traffic: Traffic, seed: int) -> Played:
    """Lets a service run from its first call on."""
    chance = random.Random(seed)
    tests = signal_tests(load_budgets().objective.slow_turn_share)
    evidence = TierEvidence(tests, BOOK.baseline, DAYS)
    first = Change(Tier.FREE, FIRST, ChangeCause.FIRST, "policy file", "first start")
    played = Played(history=[Revision(1, BEGAN, first)])
    judged = 0
    for number, hour in enumerate(_arrivals(traffic, chance)):
        weights = played.history[-1].weights
        policy = BOOK.baseline if chance.random() * 100 < weights.get(BOOK.baseline, 0) else JUDGED
        slow, turns = _turns(traffic, policy, hour, chance)
        at = BEGAN + timedelta(hours=hour, seconds=turns * TURN_S)
        counts = {"slow_turns": (slow, turns), "no_reply": (0, turns), "lost_sessions": (0, 1)}
        evidence.add(CallCounts(str(number), at, Tier.FREE, policy, f"caller {number}", counts))
        judged += policy == JUDGED
        finding = evidence.finding(JUDGED, at)
        change = plan_holdout(BOOK.baseline, Tier.FREE, played.history, {JUDGED: finding}, at)
        if change is not None:
            played.history.append(Revision(len(played.history) + 1, at, change))
        _note(played, KnownMoment((at - BEGAN) / timedelta(hours=1), finding, judged >= 10))
    return played


def _arrivals(traffic: Traffic, chance: random.Random) -> Iterator[float]:
    hour = chance.expovariate(traffic.calls_an_hour)
    while hour < traffic.hours:
        yield hour
        hour += chance.expovariate(traffic.calls_an_hour)


def _turns(traffic: Traffic, policy: str, hour: float, chance: random.Random) -> tuple[int, int]:
    """Slow turns and turns of a call. The chance of a slow one is the call's own (beta), where they are correlated."""
    turns = chance.randint(*TURNS)
    if chance.random() < traffic.hostile and hour >= traffic.change_h:
        return turns, turns
    after = traffic.judged if policy == JUDGED else traffic.baseline
    share = after if hour >= traffic.change_h else traffic.before
    if traffic.correlation:
        strength = 1 / traffic.correlation - 1
        share = chance.betavariate(share * strength, (1 - share) * strength)
    return sum(chance.random() < share for _ in range(turns)), turns


def _note(played: Played, moment: KnownMoment) -> None:
    """Keeps a moment where something that matters changed: most calls of a healthy service change nothing."""
    last = played.moments[-1] if played.moments else None
    if last is None or _state(last) != _state(moment):
        played.moments.append(moment)


def _state(moment: KnownMoment) -> tuple[int, float, bool]:
    return moment.finding.comparison, min(2.0, moment.finding.score // 0.5), moment.enough
