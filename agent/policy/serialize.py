"""Policies, revisions and decisions as plain data: what the operator's API sends and the commands print as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from agent.policy.assignments import Revision
from agent.policy.decisions import Decision
from agent.policy.policies import Policy


def policy_view(policy: Policy) -> dict[str, Any]:
    """Every knob."""
    return asdict(policy)


def revision_view(revision: Revision) -> dict[str, Any]:
    change = revision.change
    return {
        "tier": change.tier,
        "revision": revision.number,
        "at": revision.at.isoformat(timespec="seconds"),
        "weights": dict(change.weights),
        "cause": change.cause,
        "actor": change.actor,
        "reason": change.reason,
        "restores": change.restores,
    }


def decision_view(decision: Decision) -> dict[str, Any]:
    alert = decision.alert
    return {
        "id": decision.id,
        "about": "agent" if alert.of_agent else "policy",
        "at": decision.at.isoformat(timespec="milliseconds"),
        "alert": alert.name,
        "fingerprint": alert.fingerprint,
        "starts_at": alert.starts_at.isoformat(timespec="milliseconds"),
        "delay_s": round(decision.delay_s, 3),
        "mode": decision.mode,
        "tier": alert.tier,
        "policy": alert.policy,
        "verdict": alert.verdict,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "evidence": dict(decision.evidence),
        "from_revision": decision.from_revision,
        "to_revision": decision.to_revision,
    }
