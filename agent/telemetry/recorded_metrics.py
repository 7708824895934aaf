"""What the recording rules say of a policy: the names that the rules record, the boards draw and decisions ask for.

A verdict is a number for each tier and policy, one on experience and one on money: KEEP, WATCH, ROLL_BACK, NOT_ENOUGH.
`alerts/recording/verdict.py` and `alerts/recording/cost.py` say how they are made.
"""

from __future__ import annotations

from typing import Final

from agent.telemetry.catalog import Metric

RECORDED_PREFIX: Final = "voice_agent:"
KEEP, WATCH, ROLL_BACK, NOT_ENOUGH = range(4)

_DECIDED: Final = ("signal", "tier", "policy")


def recorded(name: str, text: str, *labels: str) -> Metric:
    """What a recording rule makes: a gauge with the prefix `voice_agent:`."""
    return Metric(f"{RECORDED_PREFIX}{name}", "gauge", text, labels)


VERDICT = recorded("verdict", "On experience: 0 keep, 1 watch, 2 roll back, 3 not enough data.", "tier", "policy")
COST_VERDICT = recorded("cost_verdict", "On money: the same numbers.", "tier", "policy")

LIMIT = recorded("signal:limit", "What a signal may be.", "signal")
DECISION_SHARE = recorded("decision:share", "A signal in the window that decides.", *_DECIDED)
DECISION_LOWER = recorded("decision:lower", "Its lower end.", *_DECIDED)
DECISION_TURNS = recorded("decision:turns", "Owed turns in the window that decides.", "tier", "policy", "window")
DECISION_SESSIONS = recorded("decision:sessions", "Ended sessions in it.", "tier", "policy", "window")
BASELINE_ENOUGH = recorded("baseline:enough_data", "1 where the baseline has enough data in 7 days.", "tier")
BASELINE_SHARE = recorded(
    "baseline:share", "The same signal of the baseline, in the same window.", "signal", "tier", "policy"
)
DECISION_SCORE = recorded("decision:score", "How sure its calls make it: 1 is significantly.", *_DECIDED)
DECISION_COMPARISON = recorded(
    "decision:comparison", "With the baseline of the same time, as `evidence_comparison`.", "tier", "policy"
)
DECISION_HELD = recorded(
    "decision:held", "1 where something else explains a breach, by what it is.", "reason", "tier", "policy"
)
AGENT_SCORE = recorded(
    "agent:score", "How sure it is that a version that is tried is over a limit.", "agent", "version", "signal"
)
AGENT_COMPARISON = recorded(
    "agent:comparison", "With the stable version of the same time, as `evidence_comparison`.", "agent", "version"
)
LOOP_LATE = recorded("event_loop:late", "1 while a process is late on average of 5 minutes.")
TOOL_UNWELL = recorded("tool:unwell", "1 where a tool that many turns need fails or is slow, else 0.", "tool")
TOOL_OUT = recorded("tool:out", "1 where any such tool was unwell in the last minutes.")
POLICY_OUTAGE = recorded(
    "policy:provider_out",
    "1 where the first provider of a policy's service was out in the last minutes.",
    "policy",
    "service",
    "provider",
)

COST_SESSION = recorded("cost:session_usd", "Average session in the window that decides, in dollars.", "tier", "policy")
COST_WINDOW = recorded(
    "cost:window", "The window that decides on cost: 1 with enough sessions, 0 without.", "tier", "policy", "window"
)
COST_LIMIT = recorded("cost:limit_usd", "What an average session may cost before somebody is told.", "tier")
COST_BEFORE = recorded(
    "cost:before_usd",
    "What it is compared with: the baseline's 7 days, else the policy's own week before.",
    "tier",
    "policy",
)

PROVIDER_OUTAGE = recorded(
    "provider_outage", "1 while most calls to every model of a provider fail.", "service", "provider"
)
