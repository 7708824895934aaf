"""What is asserted of a scenario, from what was watched."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Final

from voice_loadtest.gameday import queries
from voice_loadtest.gameday.observer import WATCHDOG, Observer
from voice_loadtest.gameday.scenario import FASTER, POLICY, TIER, Scenario

SLOW_MS: Final = 1500.0
FOR_A_WHILE: Final = ("holdout", "holdout_over")
"""Why the service changes an assignment by itself to compare policies, which is no rollback."""
CLOSE_S: Final = 2.0
"""An assignment reaches every process within this."""


@dataclass(frozen=True, slots=True)
class Check:
    """One assertion and what came of it."""

    passed: bool
    text: str


@dataclass(slots=True)
class Milestones:
    """When what happened, in seconds of the timeline; None for what did not."""

    injected: float = 0.0
    mended_under_fault: float | None = None
    bad_line_waits_ms: list[float] = field(default_factory=list[float])
    """What the caller on the bad line waited at each turn, by its own ear."""
    removed: float = 0.0
    recovered: float | None = None
    calls: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    """Beginning of every call, and its policy; or its version, where one of an agent is tried."""
    kept_on: list[bool] = field(default_factory=list[bool])
    """Of calls of the version that ran when it was rolled back: whether they spoke with its voice to their end."""


def recovered(scenario: Scenario, watch: Observer) -> bool:
    """Whether what callers notice, or what calls cost, is within its limit in the recent window."""
    if scenario.measure == "cost":
        usd = watch.numbers[queries.SESSION_USD]
        return usd is not None and scenario.alert_usd is not None and usd <= scenario.alert_usd
    share, limit = watch.numbers[queries.SLOW_SHARE], watch.numbers[queries.SLOW_LIMIT]
    return share is not None and limit is not None and share <= limit


def pages_resolved(watch: Observer) -> bool:
    """Whether nothing that wakes people still fires."""
    return not any(one.firing and one.severity == "page" for one in watch.fired.values())


def check(scenario: Scenario, watch: Observer, milestones: Milestones, names: frozenset[str]) -> list[Check]:
    """Every assertion, in the order in which a reader asks."""
    return [
        *(_fires(name, watch, milestones) for name in scenario.fires),
        _silent(scenario, watch, names),
        *((_held(scenario, watch, milestones),) if scenario.held else ()),
        *((_waited(milestones),) if scenario.injection.bad_line_ms else ()),
        *(_rolled_back(scenario, watch, milestones) if scenario.rolled_back else ()),
        *((_kept_on(milestones),) if scenario.trial else ()),
        *((_kept(watch),) if scenario.trial or not scenario.rolled_back else ()),
        _over(scenario, watch, milestones),
    ]


def _fires(name: str, watch: Observer, milestones: Milestones) -> Check:
    fired = watch.first(name)
    if fired is None:
        return Check(False, f"{name} must fire and did not")
    told = "" if fired.known_to_alertmanager else ", but Alertmanager does not know it"
    return Check(
        fired.known_to_alertmanager and fired.at >= milestones.injected,
        f"{name} fires {after(fired.at - milestones.injected)} after the fault{told}",
    )


def _silent(scenario: Scenario, watch: Observer, names: frozenset[str]) -> Check:
    quiet = names - {*scenario.fires, *scenario.may_fire, WATCHDOG}
    loud = sorted({one.name for one in watch.fired.values()} & quiet)
    text = f"{', '.join(loud)} must stay silent" if loud else f"the {len(quiet)} other alerts stay silent"
    return Check(not loud and bool(quiet), text)


def _waited(milestones: Milestones) -> Check:
    waits = milestones.bad_line_waits_ms
    if not waits or median(waits) <= SLOW_MS:
        return Check(False, "the caller on the bad line must wait over 1.5 s in the median: nothing is shown")
    seconds = median(waits) / 1000
    return Check(True, f"the caller on the bad line waits {seconds:.1f} s in the median of {len(waits)} turns")


def _held(scenario: Scenario, watch: Observer, milestones: Milestones) -> Check:
    since = watch.held.get(scenario.held)
    if since is None:
        return Check(False, f"{scenario.held} must be named as what holds a rollback and was not")
    return Check(True, f"a rollback is held by {scenario.held}, {after(since - milestones.injected)} after the fault")


def begun_later(milestones: Milestones, at: float) -> list[str]:
    """What calls had that have ended and began clearly later than that."""
    return [name for began, name in milestones.calls if began > at + CLOSE_S]


def _kept_on(milestones: Milestones) -> Check:
    """A session keeps its version to its end."""
    kept = milestones.kept_on
    return Check(
        bool(kept) and all(kept), f"{sum(kept)} of {len(kept)} calls that ran then kept the version to their end"
    )


def _kept(watch: Observer) -> Check:
    """A holdout that was raised for a while is no rollback."""
    shares = ", ".join(f"{name} {percent} %" for name, percent in watch.weights.items() if percent)
    kept = watch.rolled_back("policy") is None and not {*watch.causes} - {*FOR_A_WHILE}
    return Check(kept and bool(watch.weights.get(POLICY)), f"no rollback: {TIER} callers are on {shares}")


def _rolled_back(scenario: Scenario, watch: Observer, milestones: Milestones) -> list[Check]:
    decision = watch.rollback
    if decision is None:
        return [Check(False, f"{scenario.subject} must be rolled back and was not")]
    recovered = milestones.mended_under_fault
    later = begun_later(milestones, decision.at)
    there = later.count(scenario.target)
    what = "slow turns are" if scenario.measure == "slow" else "the price of a call is"
    return [
        Check(
            not watch.shares.get(scenario.subject) and decision.alert in scenario.fires,
            f"{scenario.subject} is rolled back {after(decision.delay_s)} after the alert,"
            f" {after(decision.at - milestones.injected)} after the fault",
        ),
        Check(
            bool(later) and there == len(later),
            f"{there} of {len(later)} calls that begin over {CLOSE_S:g} s later are on {scenario.target}",
        ),
        Check(
            recovered is not None,
            f"{what} within the limit {after(recovered - decision.at)} after the rollback, with the fault still there"
            if recovered is not None
            else f"{what} not within the limit again after the rollback, with the fault still there",
        ),
    ]


def _over(scenario: Scenario, watch: Observer, milestones: Milestones) -> Check:
    if milestones.recovered is not None:
        return Check(
            True, f"all is well and no page fires {after(milestones.recovered - milestones.removed)} after its end"
        )
    left = sorted({one.name for one in watch.fired.values() if one.firing and one.severity == "page"})
    told = f"{', '.join(left)} still fires" if left else "the measure is not within its limit"
    return Check(False, f"after the fault's end all must be well, but {told}")


def after(seconds: float) -> str:
    """Seconds, and the minutes that they are by the rules."""
    minutes = seconds * FASTER / 60
    return f"{seconds:.1f} s ({minutes:.0f} min)"
