"""Decisions in words: for the chat and the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from agent.policy.decisions import Decision, Outcome, Reason
from agent.policy.holdout import HOLDOUT

WHY_HELD: Final[Mapping[Reason, str]] = {
    Reason.VERDICT: "the verdict does not say ROLL BACK now",
    Reason.NOT_ASSIGNED: "new sessions do not get this policy any more",
    Reason.NO_TARGET: "there is nothing better to go back to",
    Reason.OUTAGE: "a provider is down, and a rollback does not mend that",
    Reason.COMMON_CAUSE: "the baseline suffers as well, so the cause lies elsewhere",
    Reason.EVENT_LOOP_LATE: "a process of the service is late, whatever the policy",
    Reason.TOOL_OUT: "a tool that many calls need is slow or out, whatever the policy",
    Reason.TOO_FEW_CALLERS: "too few callers to tell the policy from the baseline",
    Reason.TARGET_IN_BREACH: "what would come back is over a limit itself",
    Reason.DWELL: "the assignment has only just changed",
    Reason.HYSTERESIS: "what would come back was itself rolled back within a day",
    Reason.PER_DAY: "there were enough automatic rollbacks today",
}
_SIGNALS: Final = {
    "slow_turns": "slow turns",
    "slow_sessions": "slow calls",
    "no_reply": "turns without a reply",
    "lost_sessions": "lost calls",
}


def headline(decision: Decision) -> str:
    """What was decided, in one line."""
    alert = decision.alert
    who = f"version {alert.policy} of {alert.tier}" if alert.of_agent else f"{alert.policy} for {alert.tier} callers"
    match decision.outcome:
        case Outcome.ROLLED_BACK:
            return f"Rolled back {who}"
        case Outcome.RECOMMENDED if decision.reason is Reason.HOLDOUT:
            baseline = "stable version" if alert.of_agent else "baseline"
            return f"{who} is watched: give the {baseline} more callers to compare?"
        case Outcome.RECOMMENDED:
            unsure = ", but the baseline has too little data to do it unasked"
            return f"Roll back {who}?{unsure if decision.reason is Reason.NO_BASELINE else ''}"
        case Outcome.HELD:
            why = str(WHY_HELD.get(decision.reason, decision.reason))
            if alert.of_agent:
                why = why.replace("policy", "version").replace("the baseline", "the stable version")
            return f"Did not roll back {who}: {why}"
        case Outcome.UNDONE:
            return f"The rollback of {who} was taken back"


def evidence_lines(evidence: Mapping[str, Any]) -> list[str]:
    """The numbers that a decision rests on, the signals over their limit first."""
    lines: list[str] = []
    signals: Mapping[str, Mapping[str, float | None]] = evidence.get("signals") or {}
    for name, numbers in sorted(signals.items(), key=lambda one: -_of_limit(one[1])):
        text = f"{_SIGNALS.get(name, name)} {_percent(numbers.get('share'))} (limit {_percent(numbers.get('limit'))}"
        lines.append(f"{text}, baseline {_percent(numbers.get('baseline'))})")
    if signals:
        sample = f"{_count(evidence.get('turns'))} turns, {_count(evidence.get('sessions'))} sessions"
        lines.append(f"over {evidence.get('window') or 'an unknown window'}: {sample}")
    scores: Mapping[str, float] = evidence.get("scores") or {}
    for name, score in sorted(scores.items(), key=lambda one: -one[1]):
        lines.append(f"{_SIGNALS.get(name, name)}: {score:.0%} of what is significant".replace("%", " %"))
    if "session_usd" in evidence:
        now, limit, before = (_usd(evidence.get(name)) for name in ("session_usd", "limit_usd", "before_usd"))
        lines.append(f"an average session costs {now} (limit {limit}, before {before})")
    return lines


_A_PERSON_MAY: Final = (Reason.DWELL, Reason.PER_DAY)
"""What holds automation back, but not a person who knows better."""


_MAY_PASS: Final = (
    Reason.VERDICT,
    Reason.OUTAGE,
    Reason.COMMON_CAUSE,
    Reason.EVENT_LOOP_LATE,
    Reason.TOOL_OUT,
    Reason.TOO_FEW_CALLERS,
)
"""What says that the policy is not known to be at fault."""


def next_step(decision: Decision) -> str:
    """What a person can do about it, as a command. It proposes a rollback only where one can help."""
    tier = decision.alert.tier
    if decision.alert.of_agent:
        return _next_step_of_agent(decision)
    match decision.outcome:
        case Outcome.ROLLED_BACK:
            return f"voice-agent decisions undo {decision.id}"
        case Outcome.RECOMMENDED if decision.reason is Reason.HOLDOUT:
            weights: Mapping[str, int] = decision.evidence.get("weights") or {}
            shares = " ".join(f"{name}={percent}" for name, percent in weights.items())
            return f"voice-agent policy assign {tier} {shares}"
        case Outcome.RECOMMENDED:
            return f"voice-agent policy rollback {tier}"
        case Outcome.HELD if decision.reason in _A_PERSON_MAY:
            return f"voice-agent policy rollback {tier}"
        case Outcome.HELD if decision.reason in _MAY_PASS:
            return f"voice-agent decisions show {decision.id}"
        case Outcome.HELD | Outcome.UNDONE:  # what is in force, and what else there was, to choose from
            return f"voice-agent policy history --tier {tier}"


def _next_step_of_agent(decision: Decision) -> str:
    agent = decision.alert.tier
    match decision.outcome:
        case Outcome.ROLLED_BACK:
            return f"voice-agent decisions undo {decision.id}"
        case Outcome.RECOMMENDED if decision.reason is Reason.HOLDOUT:
            return f"voice-agent agent canary {agent} {decision.alert.policy} --share {100 - HOLDOUT}"
        case Outcome.RECOMMENDED:
            return f"voice-agent agent rollback {agent}"
        case Outcome.HELD if decision.reason in _A_PERSON_MAY:
            return f"voice-agent agent rollback {agent}"
        case Outcome.HELD | Outcome.UNDONE:
            return f"voice-agent agent status {agent}"


def _of_limit(numbers: Mapping[str, float | None]) -> float:
    return (numbers.get("share") or 0.0) / (numbers.get("limit") or 1.0)


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}".replace("%", " %")


def _count(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f}"


def _usd(value: float | None) -> str:
    return "unknown" if value is None else f"${value:.4f}"
