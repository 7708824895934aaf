"""Recording rules of the verdict on a policy's experience.

For every tier and policy the verdict is, in `voice_agent:verdict`,

    3  not enough data   fewer than 60 owed turns or 10 ended sessions, even in 24 hours
    2  roll back         a signal is significantly over its limit, and the baseline of the same time is fine
    1  watch             a signal is over its limit, or significantly but held (`decision:held` says by what)
    0  keep              no signal is over its limit

Significant is what the service's own test of its ended calls says (`agent.policy.evidence`: a CUSUM that knows that
the turns of a call hang together), and so is the comparison; both are read from its metrics. Shares are those of the
shortest of 1, 6 and 24 hours that holds enough data, the baseline's of the same window.

An input that does not exist is 0, for every tier and policy that can be assigned, so that it hides no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.policy.comparison import Comparison
from agent.telemetry import catalog
from agent.telemetry.recorded_metrics import (
    BASELINE_SHARE,
    DECISION_COMPARISON,
    DECISION_HELD,
    DECISION_LOWER,
    DECISION_SCORE,
    DECISION_SESSIONS,
    DECISION_SHARE,
    DECISION_TURNS,
    LIMIT,
    LOOP_LATE,
    NOT_ENOUGH,
    POLICY_OUTAGE,
    ROLL_BACK,
    TOOL_OUT,
    VERDICT,
    WATCH,
    recorded,
)
from alerts.promql import equal, select, unequal, value
from alerts.recording.model import COUNTED, DECISION_WINDOWS, WHO, RecordingRule, baseline
from alerts.recording.signals import ENOUGH, LOWER, SESSIONS, SESSIONS_SLOW, SHARE, TURNS_OWED

MIN_SLOW_SESSIONS: Final = 3

_DECIDED: Final = ("signal", "tier", "policy")
WINDOW = recorded("decision:window", "The window that decides: 1 with enough data, 0 without.", *COUNTED)
DECISION_OVER = recorded("decision:over_limit", "1 where the signal is over its limit.", *_DECIDED)
DECISION_BREACH = recorded("decision:breach", "1 where it is significantly over its limit.", *_DECIDED)
CONFIRMED: Final = (Comparison.ALONE, Comparison.TOO_FEW_CALLERS)
HELD_BY: Final = {
    "common_cause": Comparison.COMMON_CAUSE,
    "comparing": Comparison.COMPARING,
    "few_suffer": Comparison.FEW_SUFFER,
}
DECISION_SLOW_SESSIONS = recorded("decision:slow_sessions", "Sessions in it with two slow turns.", "tier", "policy")


def decision() -> Iterator[RecordingRule]:
    """Takes each value in the shortest window that holds enough data, else in the longest."""
    *shorter, longest = DECISION_WINDOWS
    steps = [f"{select(ENOUGH, [equal('window', window)])} == 1" for window in shorter]
    steps.append(select(ENOUGH, [equal("window", longest)]))
    yield RecordingRule(WINDOW, " or on (tier, policy) ".join(steps))
    chosen = f"* on (tier, policy, window) group_left () ({select(WINDOW)} >= bool 0)"
    for decided, metric in ((DECISION_SHARE, SHARE), (DECISION_LOWER, LOWER)):
        yield RecordingRule(decided, f"max by (signal, tier, policy) ({select(metric)} {chosen})")
    for decided, metric in ((DECISION_TURNS, TURNS_OWED), (DECISION_SESSIONS, SESSIONS)):
        yield RecordingRule(decided, f"max by (tier, policy, window) ({select(metric)} {chosen})")
    yield RecordingRule(DECISION_SLOW_SESSIONS, f"max by (tier, policy) ({select(SESSIONS_SLOW)} {chosen})")


def verdict() -> Iterator[RecordingRule]:
    """What the deciding values say together."""
    limit = f"on (signal) group_left () {select(LIMIT)}"
    other = (unequal("policy", baseline()),)
    yield RecordingRule(DECISION_OVER, f"{select(DECISION_SHARE)} > bool {limit}")
    in_window = f"max by (signal, tier, window) ({select(SHARE, [equal('policy', baseline())])})"
    judged = f"({select(WINDOW, other)} == bool 1) >= bool 0"
    of_policy = f"0 * {select(SHARE, other)} * on (tier, policy, window) group_left () ({judged})"
    same_time = f"max by (signal, tier, policy) ({of_policy} + on (signal, tier, window) group_left () {in_window})"
    yield RecordingRule(BASELINE_SHARE, same_time)
    yield RecordingRule(DECISION_SCORE, value(catalog.EVIDENCE_SCORE, _DECIDED))
    yield RecordingRule(DECISION_COMPARISON, value(catalog.EVIDENCE_COMPARISON, WHO))
    yield RecordingRule(DECISION_BREACH, f"{select(DECISION_SCORE)} >= bool 1")
    yield from _held()
    enough = value(WINDOW, WHO, other)
    over, breach = (f"({value(metric, WHO, other)} or 0 * {enough})" for metric in (DECISION_OVER, DECISION_BREACH))
    confirmed = " + ".join(f"({select(DECISION_COMPARISON, other)} == bool {one:d})" for one in CONFIRMED)
    free = f"(1 - clamp_max({value(DECISION_HELD, WHO, other, 'sum')}, 1))"
    rolls = f"({breach} * ({confirmed}) * {free} or 0 * {enough})"
    watch = f"clamp_max({over} + {breach}, {WATCH})"
    yield RecordingRule(
        VERDICT, f"{NOT_ENOUGH} * (1 - {enough}) + {enough} * clamp_max({watch} + {ROLL_BACK} * {rolls}, {ROLL_BACK})"
    )


def _held() -> Iterator[RecordingRule]:
    """What else explains a breach. 0 where it does not, so that the sum is always there."""
    breach = value(DECISION_BREACH, WHO)
    for reason, comparison in HELD_BY.items():
        held = f"{breach} * ({select(DECISION_COMPARISON)} == bool {comparison:d})"
        yield RecordingRule(DECISION_HELD, held, (("reason", reason),))
    out = f"on (policy) group_left () max by (policy) ({select(POLICY_OUTAGE)})"
    yield RecordingRule(DECISION_HELD, f"{breach} * {out} or 0 * {breach}", (("reason", "provider_out"),))
    late = f"on () group_left () {select(LOOP_LATE)}"
    yield RecordingRule(DECISION_HELD, f"{breach} * {late} or 0 * {breach}", (("reason", "event_loop_late"),))
    tool = f"on () group_left () {select(TOOL_OUT)}"
    yield RecordingRule(DECISION_HELD, f"{breach} * {tool} or 0 * {breach}", (("reason", "tool_out"),))
