"""The recording rules: what several panels and the alert rules share, above all the verdict on a policy.

For every tier and policy the verdict is, in `voice_agent:verdict`,

    3  not enough data   fewer than 60 owed turns or 10 ended sessions, even in 24 hours
    2  roll back         a signal is over its limit beyond doubt, and worse than the baseline policy
    1  watch             a signal is over its limit, but not beyond doubt, or the baseline is no better
    0  keep              no signal is over its limit

over the shortest of 1, 6 and 24 hours that holds enough data. "Beyond doubt" is the lower end of Wilson's interval
(one-sided 95 %): it is right for three calls as well as for three thousand. One caller on a bad line is no reason:
slow turns count only when three sessions had two of them. A baseline with too little data is replaced by the limit.

An input that does not exist is 0, for every tier and policy that can be assigned, so that it hides no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agent.budgets import Budgets, load_budgets
from agent.policy.policies import load_policies
from agent.telemetry import catalog
from agent.telemetry.catalog import Metric
from alerts.promql import Match, average, equal, like, recorded, select, share, total, unequal, value

BASELINE: Final = load_policies().baseline
"""The policy that a rollback of another is measured against: `policies.toml` keeps it alive with a holdout."""
MIN_TURNS: Final = 60
MIN_SESSIONS: Final = 10
MIN_SLOW_SESSIONS: Final = 3
SLOW_SESSION_SHARE: Final = 0.10
NO_REPLY_SHARE: Final = 0.02
LOST_SESSION_SHARE: Final = 0.15
Z: Final = 1.645  # the 95 % quantile of the standard normal distribution

WINDOWS: Final = {"5m": 300, "30m": 1_800, "1h": 3_600, "6h": 21_600, "24h": 86_400}
DECISION_WINDOWS: Final = ("1h", "6h", "24h")
BASELINE_WINDOW: Final = "7d"
_SECONDS: Final = {**WINDOWS, BASELINE_WINDOW: 7 * 86_400}
INTERVAL_S: Final = 30
_WHO: Final = ("tier", "policy")

KEEP, WATCH, ROLL_BACK, NOT_ENOUGH = range(4)

_COUNTED: Final = ("tier", "policy", "window")
TURNS_OWED = recorded("turns_owed:increase", "Spoken turns that were owed a reply.", *_COUNTED)
TURNS_SLOW = recorded("turns_slow:increase", "Owed turns over the voice-to-voice budget.", *_COUNTED)
TURNS_WITHOUT_REPLY = recorded("turns_without_reply:increase", "Apologies, failures, replies cut short.", *_COUNTED)
SESSIONS = recorded("sessions:increase", "Sessions that ended.", *_COUNTED)
SESSIONS_SLOW = recorded("sessions_slow:increase", "Sessions with two slow turns or more.", *_COUNTED)
SESSIONS_LOST = recorded("sessions_lost:increase", "Sessions that vanished or failed.", *_COUNTED)
SESSION_COST = recorded("session_cost_usd:avg", "Average cost of the sessions that ended, in dollars.", *_COUNTED)

SHARE = recorded("signal:share", "A signal: bad ones of all.", "signal", *_COUNTED)
SAMPLE = recorded("signal:sample", "How many it is a share of.", "signal", *_COUNTED)
LOWER = recorded("signal:lower", "Lower end of the signal's Wilson interval.", "signal", *_COUNTED)
LIMIT = recorded("signal:limit", "What a signal may be.", "signal")
ENOUGH = recorded("enough_data", "1 where a window holds enough turns and sessions.", *_COUNTED)
WINDOW = recorded("decision:window", "The window that decides: 1 with enough data, 0 without.", *_COUNTED)

_DECIDED: Final = ("signal", "tier", "policy")
DECISION_SHARE = recorded("decision:share", "A signal in the window that decides.", *_DECIDED)
DECISION_LOWER = recorded("decision:lower", "Its lower end.", *_DECIDED)
DECISION_OVER = recorded("decision:over_limit", "1 where the signal is over its limit.", *_DECIDED)
DECISION_WORSE = recorded("decision:worse", "1 where it is worse than the baseline, or than the limit.", *_DECIDED)
DECISION_BREACH = recorded("decision:breach", "1 where it is over its limit beyond doubt, and worse.", *_DECIDED)
DECISION_TURNS = recorded("decision:turns", "Owed turns in the window that decides.", *_COUNTED)
DECISION_SESSIONS = recorded("decision:sessions", "Ended sessions in it.", *_COUNTED)
DECISION_SLOW_SESSIONS = recorded("decision:slow_sessions", "Sessions in it with two slow turns.", "tier", "policy")
BASELINE_ENOUGH = recorded("baseline:enough_data", "1 where the baseline has enough data in 7 days.", "tier")
BASELINE_SHARE = recorded("baseline:share", "A signal of the baseline in 7 days.", "signal", "tier")
VERDICT = recorded("verdict", "0 keep, 1 watch, 2 roll back, 3 not enough data.", "tier", "policy")


@dataclass(frozen=True, slots=True)
class Signal:
    """One way in which callers notice that something is wrong: the share of bad ones, and what it may be."""

    name: str
    title: str
    bad: Metric
    of: Metric
    limit: float


def signals(budgets: Budgets) -> tuple[Signal, ...]:
    """The experience signals of the verdict, in the order of the board."""
    return (
        Signal("slow_turns", "Slow turns", TURNS_SLOW, TURNS_OWED, budgets.objective.slow_turn_share),
        Signal("slow_sessions", "Slow calls", SESSIONS_SLOW, SESSIONS, SLOW_SESSION_SHARE),
        Signal("no_reply", "No reply", TURNS_WITHOUT_REPLY, TURNS_OWED, NO_REPLY_SHARE),
        Signal("lost_sessions", "Lost calls", SESSIONS_LOST, SESSIONS, LOST_SESSION_SHARE),
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """One recording rule. `labels` are added to what the expression returns."""

    metric: Metric
    expr: str
    labels: tuple[tuple[str, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The rule as Prometheus' rule files have it."""
        rule: dict[str, Any] = {"record": self.metric.name, "expr": self.expr}
        return {**rule, "labels": dict(self.labels)} if self.labels else rule


@dataclass(frozen=True, slots=True)
class Sample:
    """How much there must be before anything is judged."""

    turns: int = MIN_TURNS
    sessions: int = MIN_SESSIONS


def recording_groups(
    faster: float = 1.0, budgets: Budgets | None = None, least: Sample | None = None
) -> list[dict[str, Any]]:
    """The groups of the rule file. Demos and game days run `faster`: windows and intervals are divided by it."""
    ways = signals(budgets or load_budgets())
    groups = {
        "voice-agent-counts": [*_counts(faster)],
        "voice-agent-signals": [*_signals(ways, least or Sample())],
        "voice-agent-verdict": [*_decision(), *_verdict()],
    }
    interval = seconds(INTERVAL_S / faster)
    return [
        {"name": name, "interval": interval, "rules": [rule.as_dict() for rule in rules]}
        for name, rules in groups.items()
    ]


def seconds(duration: float) -> str:
    """A PromQL duration."""
    return (
        f"{duration:.0f}s" if duration >= 1 and duration == round(duration) else f"{max(1, round(duration * 1000))}ms"
    )


def wilson_lower(bad_share: str, sample: str) -> str:
    """The lower end of Wilson's interval for a share of a sample (Wilson 1927), at z = 1.645."""
    p, n, zz = bad_share, sample, Z * Z
    spread = f"{Z} * sqrt({p} * (1 - {p}) / {n} + {zz / 4:.4f} / {n} ^ 2)"
    return f"({p} + {zz / 2:.4f} / {n} - {spread}) / (1 + {zz:.4f} / {n})"


def _counts(faster: float) -> Iterator[Rule]:
    nothing = f"0 * {value(catalog.POLICY_INFO, _WHO)}"
    baseline_only = (equal("policy", BASELINE),)
    counted: tuple[tuple[Metric, Metric, tuple[Match, ...]], ...] = (
        (TURNS_OWED, catalog.TURNS_OWED, ()),
        (TURNS_SLOW, catalog.BUDGET_BREACHES, (equal("budget", "voice_to_voice"),)),
        (TURNS_WITHOUT_REPLY, catalog.TURNS, (like("outcome", "apology", "failed", "cut_short"),)),
        (SESSIONS, catalog.SESSIONS, ()),
        (SESSIONS_SLOW, catalog.SLOW_SESSIONS, ()),
        (SESSIONS_LOST, catalog.SESSIONS, (like("outcome", "vanished", "failed"),)),
    )
    for window, length in _SECONDS.items():
        scaled = window if faster == 1.0 else seconds(length / faster)
        labels = (("window", window),)
        who = baseline_only if window == BASELINE_WINDOW else ()
        for metric, counter, where in counted:
            grown = total(counter, scaled, _WHO, (*where, *who))
            yield Rule(metric, grown if who else f"{grown} or {nothing}", labels)
        if window in (*DECISION_WINDOWS, BASELINE_WINDOW):
            yield Rule(SESSION_COST, average(catalog.SESSION_COST, scaled, _WHO), labels)


def _signals(ways: Sequence[Signal], least: Sample) -> Iterator[Rule]:
    for way in ways:
        labels = (("signal", way.name),)
        bad, of = select(way.bad), select(way.of)
        yield Rule(SHARE, f"clamp_max({share(bad, of)}, 1)", labels)
        yield Rule(SAMPLE, f"{of} > 0", labels)
        yield Rule(LIMIT, f"vector({way.limit:g})", labels)
    yield Rule(LOWER, wilson_lower(select(SHARE), select(SAMPLE)))
    deciding, last_week = like("window", *DECISION_WINDOWS), equal("window", BASELINE_WINDOW)
    yield Rule(ENOUGH, _enough(least, select(TURNS_OWED, [deciding]), select(SESSIONS, [deciding])))
    tier = ("tier",)
    turns, sessions = (value(metric, tier, [last_week]) for metric in (TURNS_OWED, SESSIONS))
    yield Rule(BASELINE_ENOUGH, _enough(least, turns, sessions))
    week = [equal("policy", BASELINE), last_week]
    known = f"and on (tier) ({select(BASELINE_ENOUGH)} == 1)"
    yield Rule(BASELINE_SHARE, f"{value(SHARE, ('signal', 'tier'), week)} {known}")


def _enough(least: Sample, turns: str, sessions: str) -> str:
    return f"({turns} >= bool {least.turns}) * ({sessions} >= bool {least.sessions})"


def _decision() -> Iterator[Rule]:
    """Takes each value in the shortest window that holds enough data, else in the longest."""
    *shorter, longest = DECISION_WINDOWS
    steps = [f"{select(ENOUGH, [equal('window', window)])} == 1" for window in shorter]
    steps.append(select(ENOUGH, [equal("window", longest)]))
    yield Rule(WINDOW, " or on (tier, policy) ".join(steps))
    chosen = f"* on (tier, policy, window) group_left () ({select(WINDOW)} >= bool 0)"
    for decided, metric in ((DECISION_SHARE, SHARE), (DECISION_LOWER, LOWER)):
        yield Rule(decided, f"max by (signal, tier, policy) ({select(metric)} {chosen})")
    for decided, metric in ((DECISION_TURNS, TURNS_OWED), (DECISION_SESSIONS, SESSIONS)):
        yield Rule(decided, f"max by (tier, policy, window) ({select(metric)} {chosen})")
    yield Rule(DECISION_SLOW_SESSIONS, f"max by (tier, policy) ({select(SESSIONS_SLOW)} {chosen})")


def _verdict() -> Iterator[Rule]:
    limit = f"on (signal) group_left () {select(LIMIT)}"
    yield Rule(DECISION_OVER, f"{select(DECISION_SHARE)} > bool {limit}")
    than_baseline = f"{select(DECISION_SHARE)} > bool on (signal, tier) group_left () {select(BASELINE_SHARE)}"
    yield Rule(DECISION_WORSE, f"{than_baseline} or on (signal, tier, policy) {select(DECISION_OVER)}")
    slow = equal("signal", "slow_turns")
    several = f"on (tier, policy) group_left () ({select(DECISION_SLOW_SESSIONS)} >= bool {MIN_SLOW_SESSIONS})"
    sure = {
        where: f"({select(DECISION_LOWER, [where])} > bool {limit}) * {select(DECISION_WORSE, [where])}"
        for where in (slow, unequal("signal", slow.value))
    }
    alone, others = sure.values()
    yield Rule(DECISION_BREACH, f"{alone} * {several} or {others}")
    other = (unequal("policy", BASELINE),)
    enough = value(WINDOW, _WHO, other)
    over, breach = (f"({value(metric, _WHO, other)} or 0 * {enough})" for metric in (DECISION_OVER, DECISION_BREACH))
    yield Rule(
        VERDICT, f"{NOT_ENOUGH} * (1 - {enough}) + {enough} * clamp_max({over} + {ROLL_BACK} * {breach}, {ROLL_BACK})"
    )


def recorded_metrics() -> tuple[Metric, ...]:
    """Everything that the rules record."""
    return tuple(found for found in globals().values() if isinstance(found, Metric))
