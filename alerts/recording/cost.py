"""Recording rules of the verdict on a policy's cost: `voice_agent:cost_verdict`, numbered as `voice_agent:verdict`.

A policy is rolled back for money when its average session, in the shortest of 1, 6 and 24 hours with 10 ended sessions,
costs more than the tier's `alert_usd` *and* more than before: than the baseline policy's last 7 days, or, where that
had fewer than 10 sessions, than the policy's own 7 days before the last 24 hours, each plus 10 % against noise. With
nothing to compare it with, the limit decides. A tier may well be over its limit while a rollback would cost more:
then the verdict is to watch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry import catalog
from agent.telemetry.recorded_metrics import (
    COST_BEFORE,
    COST_LIMIT,
    COST_SESSION,
    COST_VERDICT,
    COST_WINDOW,
    NOT_ENOUGH,
    ROLL_BACK,
    recorded,
)
from alerts.promql import average, equal, like, select, total, unequal, value
from alerts.recording.model import (
    BASELINE_WINDOW,
    COUNTED,
    DECISION_WINDOWS,
    NOTHING,
    WHO,
    RecordingRule,
    Sample,
    baseline,
    scaled,
)
from alerts.recording.signals import SESSION_COST

MARGIN: Final = 0.10

COSTED = recorded("sessions_costed:increase", "Ended sessions whose cost is known.", *COUNTED)
COST_OVER = recorded("cost:over_limit", "1 where the average session costs more than the alert threshold.", *WHO)
COST_DEARER = recorded("cost:dearer", "1 where it is also dearer than before.", *WHO)


def money(faster: float, least: Sample) -> Iterator[RecordingRule]:
    """The cost of the average session, what it is compared with, and the verdict."""
    yield from _sessions(faster, least.sessions)
    yield RecordingRule(COST_LIMIT, value(catalog.BUDGET_SESSION_ALERT, ("tier",)))
    yield RecordingRule(COST_BEFORE, _before(faster, least.sessions))
    yield from _verdict()


def _sessions(faster: float, sessions: int) -> Iterator[RecordingRule]:
    for window in (*DECISION_WINDOWS, BASELINE_WINDOW):
        counted = total(catalog.SESSION_COST, scaled(window, faster), WHO, (), "count")
        yield RecordingRule(COSTED, f"{counted} or {NOTHING}", (("window", window),))
    *shorter, longest = DECISION_WINDOWS
    enough = {window: f"{select(COSTED, [equal('window', window)])} >= bool {sessions}" for window in DECISION_WINDOWS}
    steps = [f"({enough[window]}) == 1" for window in shorter] + [f"({enough[longest]})"]
    yield RecordingRule(COST_WINDOW, " or on (tier, policy) ".join(steps))
    deciding = select(SESSION_COST, [like("window", *DECISION_WINDOWS)])
    chosen = f"* on (tier, policy, window) group_left () ({select(COST_WINDOW)} >= bool 0)"
    yield RecordingRule(COST_SESSION, f"max by (tier, policy) ({deciding} {chosen})")


def _before(faster: float, sessions: int) -> str:
    """The baseline's last 7 days for every other policy; else the policy's own 7 days before the last 24 hours."""
    week = [equal("policy", baseline()), equal("window", BASELINE_WINDOW)]
    known = f"{select(SESSION_COST, week)} and {select(COSTED, week)} >= {sessions}"
    others = f"(1 + 0 * {value(catalog.POLICY_INFO, WHO, [unequal('policy', baseline())])})"
    compared = f"{others} * on (tier) group_left () max by (tier) ({known})"
    length, ago = scaled(BASELINE_WINDOW, faster), scaled(DECISION_WINDOWS[-1], faster)
    own = average(catalog.SESSION_COST, length, WHO, ago=ago)
    counted = total(catalog.SESSION_COST, length, WHO, (), "count", ago=ago)
    return f"{compared} or on (tier, policy) ({own} and {counted} >= {sessions})"


def _verdict() -> Iterator[RecordingRule]:
    cost = select(COST_SESSION)
    limit = f"on (tier) group_left () {select(COST_LIMIT)}"
    yield RecordingRule(COST_OVER, f"({cost} > bool {limit}) or {NOTHING}")
    before = f"({1 + MARGIN:g} * {select(COST_BEFORE)} or on (tier, policy) 0 * {cost})"
    dearer = f"{cost} > bool on (tier, policy) {before}"
    yield RecordingRule(COST_DEARER, f"({select(COST_OVER)} * on (tier, policy) ({dearer})) or {NOTHING}")
    other = (unequal("policy", baseline()),)
    enough = value(COST_WINDOW, WHO, other)
    over, both = (f"({value(metric, WHO, other)} or 0 * {enough})" for metric in (COST_OVER, COST_DEARER))
    yield RecordingRule(
        COST_VERDICT,
        f"{NOT_ENOUGH} * (1 - {enough}) + {enough} * clamp_max({over} + {ROLL_BACK} * {both}, {ROLL_BACK})",
    )
