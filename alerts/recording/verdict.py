"""Recording rules of the verdict on a policy's experience.

For every tier and policy the verdict is, in `voice_agent:verdict`,

    3  not enough data   fewer than 60 owed turns or 10 ended sessions, even in 24 hours
    2  roll back         a signal is significantly over its limit, and worse than the baseline policy
    1  watch             a signal is over its limit, but not significantly, or the baseline is no better
    0  keep              no signal is over its limit

over the shortest of 1, 6 and 24 hours that holds enough data. "Significantly" is the lower end of Wilson's interval: it
is right for three calls as well as for three thousand, and is surer the more often a window is looked at in a day
(`alerts.recording.model.quantile_of`). One caller on a bad line is no reason: slow turns count only when three sessions
had two of them. A baseline with too little data is replaced by the limit.

An input that does not exist is 0, for every tier and policy that can be assigned, so that it hides no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry.recorded_metrics import (
    BASELINE_SHARE,
    DECISION_LOWER,
    DECISION_SESSIONS,
    DECISION_SHARE,
    DECISION_TURNS,
    LIMIT,
    NOT_ENOUGH,
    ROLL_BACK,
    VERDICT,
    recorded,
)
from alerts.promql import equal, select, unequal, value
from alerts.recording.model import COUNTED, DECISION_WINDOWS, WHO, RecordingRule, baseline
from alerts.recording.signals import ENOUGH, LOWER, SESSIONS, SESSIONS_SLOW, SHARE, TURNS_OWED

MIN_SLOW_SESSIONS: Final = 3

_DECIDED: Final = ("signal", "tier", "policy")
WINDOW = recorded("decision:window", "The window that decides: 1 with enough data, 0 without.", *COUNTED)
DECISION_OVER = recorded("decision:over_limit", "1 where the signal is over its limit.", *_DECIDED)
DECISION_WORSE = recorded("decision:worse", "1 where it is worse than the baseline, or than the limit.", *_DECIDED)
DECISION_BREACH = recorded("decision:breach", "1 where it is significantly over its limit, and worse.", *_DECIDED)
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
    yield RecordingRule(DECISION_OVER, f"{select(DECISION_SHARE)} > bool {limit}")
    than_baseline = f"{select(DECISION_SHARE)} > bool on (signal, tier) group_left () {select(BASELINE_SHARE)}"
    yield RecordingRule(DECISION_WORSE, f"{than_baseline} or on (signal, tier, policy) {select(DECISION_OVER)}")
    slow = equal("signal", "slow_turns")
    several = f"on (tier, policy) group_left () ({select(DECISION_SLOW_SESSIONS)} >= bool {MIN_SLOW_SESSIONS})"
    sure = {
        where: f"({select(DECISION_LOWER, [where])} > bool {limit}) * {select(DECISION_WORSE, [where])}"
        for where in (slow, unequal("signal", slow.value))
    }
    alone, others = sure.values()
    yield RecordingRule(DECISION_BREACH, f"{alone} * {several} or {others}")
    other = (unequal("policy", baseline()),)
    enough = value(WINDOW, WHO, other)
    over, breach = (f"({value(metric, WHO, other)} or 0 * {enough})" for metric in (DECISION_OVER, DECISION_BREACH))
    yield RecordingRule(
        VERDICT, f"{NOT_ENOUGH} * (1 - {enough}) + {enough} * clamp_max({over} + {ROLL_BACK} * {breach}, {ROLL_BACK})"
    )
