"""Whether an alert leads to a rollback: the whole judgement, without any I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

from agent.budgets import Tier
from agent.policy.assignments import AssignmentError, Change, ChangeCause, Choices, Revision, chosen, rollback
from agent.policy.comparison import Comparison
from agent.telemetry.recorded_metrics import ROLL_BACK

Mode = Literal["off", "recommend", "auto"]
Verdict = Literal["experience", "cost"]

ACTOR: Final = "automatic"
DAY: Final = timedelta(days=1)


class Outcome(StrEnum):
    """What became of an alert."""

    ROLLED_BACK = "rolled_back"
    RECOMMENDED = "recommended"  # a person decides
    HELD = "held"  # not now; looked at again when Alertmanager repeats the alert
    UNDONE = "undone"  # it was rolled back, and a person took that back


class Reason(StrEnum):
    """Why that became of it."""

    VERDICT = "verdict"  # held: the verdict does not say ROLL BACK, or no longer; else: it does
    NOT_ASSIGNED = "not_assigned"  # held: new sessions do not get this policy
    NO_TARGET = "no_target"  # held: there is nothing to go back to, or it would bring more of the same policy
    OUTAGE = "outage"  # held: a provider that the policy uses is down, which a rollback does not mend
    COMMON_CAUSE = "common_cause"  # held: the baseline suffers as well, in the same time
    EVENT_LOOP_LATE = "event_loop_late"  # held: a process of ours is late, whatever the policy
    TOOL_OUT = "tool_out"  # held: a tool that many turns need is slow or out, whatever the policy
    TOO_FEW_CALLERS = "too_few_callers"  # held: too few callers of the baseline, or only a few who suffer
    TARGET_IN_BREACH = "target_in_breach"  # held: what would come back is over a limit itself
    DWELL = "dwell"  # held: the tier's assignment has only just changed
    HYSTERESIS = "hysteresis"  # held: what would come back was rolled back itself within a day
    PER_DAY = "per_day"  # held: enough automatic rollbacks of this tier for one day
    NO_BASELINE = "no_baseline"  # recommended only: the baseline has too little data to be sure
    HOLDOUT = "holdout"  # recommended only: the baseline needs more callers to compare the policy with
    BY_HAND = "by_hand"  # undone


POSSIBLE: Final = (
    (Outcome.ROLLED_BACK, Reason.VERDICT),
    (Outcome.RECOMMENDED, Reason.VERDICT),
    (Outcome.RECOMMENDED, Reason.NO_BASELINE),
    (Outcome.RECOMMENDED, Reason.HOLDOUT),
    *(
        (Outcome.HELD, reason)
        for reason in Reason
        if reason not in (Reason.NO_BASELINE, Reason.HOLDOUT, Reason.BY_HAND)
    ),
)
"""What the service can decide: the label values of its metric."""


@dataclass(frozen=True, slots=True)
class RollbackAlert:
    """A firing alert that asks for a rollback. Fingerprint and start tell it from every other."""

    name: str
    fingerprint: str
    starts_at: datetime  # UTC
    tier: str
    """Or the name of an agent; then `policy` is one of its versions."""
    policy: str
    verdict: Verdict

    @property
    def of_agent(self) -> bool:
        """Whether it is about a version of an agent."""
        return self.tier not in set(Tier)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What Prometheus says at the moment of the decision.

    `evidence` are the verdict's numbers, as they are stored and shown. `breaching` are the policies of the tier that
    are over a limit themselves, of experience (significantly) or of cost. `outages` are the providers that are down.
    """

    verdict: int | None
    baseline_enough: bool
    breaching: frozenset[str] = frozenset()
    outages: tuple[str, ...] = ()
    comparison: Comparison | None = None
    loop_late: bool = False
    tool_out: bool = False
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class RollbackLimits:
    """How eager the service may be: `dwell` after a change of the tier, `per_day` automatic rollbacks of a tier."""

    mode: Mode
    dwell: timedelta
    per_day: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one alert in one mode. The revisions are set where the assignment was changed."""

    id: str
    at: datetime  # UTC
    alert: RollbackAlert
    mode: Mode
    outcome: Outcome
    reason: Reason
    evidence: Mapping[str, Any]
    from_revision: int | None = None
    to_revision: int | None = None

    @property
    def final(self) -> bool:
        """Whether a repetition of the alert changes nothing any more."""
        return self.outcome in (Outcome.ROLLED_BACK, Outcome.UNDONE)

    @property
    def delay_s(self) -> float:
        """Seconds from the start of the alert to the decision; 0 where another clock puts the start in the future."""
        return max(0.0, (self.at - self.alert.starts_at).total_seconds())


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome, why, and the change to make with ROLLED_BACK."""

    outcome: Outcome
    reason: Reason
    change: Change | None = None


def judge(
    alert: RollbackAlert,
    facts: Evidence,
    book: Choices,
    history: Sequence[Revision],
    recent: Sequence[Decision],
    restraint: RollbackLimits,
    at: datetime,
) -> Judgement:
    """What to do about a firing alert. `recent` are the tier's automatic rollbacks, also those that were taken back."""
    not_its_fault = _not_its_fault(facts)
    if not_its_fault is not None:
        return Judgement(Outcome.HELD, not_its_fault)
    if facts.verdict != ROLL_BACK:
        return Judgement(Outcome.HELD, Reason.VERDICT)
    if not history or not history[-1].weights.get(alert.policy):
        return Judgement(Outcome.HELD, Reason.NOT_ASSIGNED)
    now = history[-1].weights
    try:
        # a canary grows in steps: the step before would leave a version that is worse to some callers
        without = alert.policy if alert.of_agent else None
        change = rollback(book, history, alert.tier, ACTOR, f"{alert.name}: {alert.policy}", without)
    except AssignmentError:
        return Judgement(Outcome.HELD, Reason.NO_TARGET)
    if change.weights.get(alert.policy, 0) >= now[alert.policy]:
        return Judgement(Outcome.HELD, Reason.NO_TARGET)
    growing = {name for name, percent in change.weights.items() if percent > now.get(name, 0)}
    if growing & facts.breaching:
        return Judgement(Outcome.HELD, Reason.TARGET_IN_BREACH)
    if restraint.mode == "recommend":
        return Judgement(Outcome.RECOMMENDED, Reason.VERDICT)
    compared = facts.comparison is Comparison.ALONE if facts.comparison is not None else facts.baseline_enough
    if not compared:
        return Judgement(Outcome.RECOMMENDED, Reason.NO_BASELINE)
    held = _held_back(growing, chosen(history), recent, restraint, at)
    return Judgement(Outcome.ROLLED_BACK, Reason.VERDICT, change) if held is None else Judgement(Outcome.HELD, held)


def _not_its_fault(facts: Evidence) -> Reason | None:
    """What else explains the numbers, or leaves them too few to tell; the surest first."""
    if facts.outages:
        return Reason.OUTAGE
    if facts.comparison is Comparison.COMMON_CAUSE:
        return Reason.COMMON_CAUSE
    if facts.loop_late:
        return Reason.EVENT_LOOP_LATE
    if facts.tool_out:
        return Reason.TOOL_OUT
    undecided = facts.comparison in (Comparison.COMPARING, Comparison.FEW_SUFFER)
    return Reason.TOO_FEW_CALLERS if undecided else None


def _held_back(
    growing: set[str], current: Revision, recent: Sequence[Decision], restraint: RollbackLimits, at: datetime
) -> Reason | None:
    """What keeps an automatic rollback from happening now that a person might still do."""
    if current.change.cause is not ChangeCause.FIRST and at - current.at < restraint.dwell:
        return Reason.DWELL
    today = [one for one in recent if at - one.at < DAY]
    if growing & {one.alert.policy for one in today if one.outcome is Outcome.ROLLED_BACK}:
        return Reason.HYSTERESIS
    return Reason.PER_DAY if len(today) >= restraint.per_day else None
