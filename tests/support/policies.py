"""A tier's history, an alert and a decision, for the tests of policies and rollbacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agent.budgets import Tier
from agent.policy.assignments import Change, ChangeCause, Revision, assign, rollback, undo
from agent.policy.decisions import (
    DAY,
    Decision,
    Outcome,
    Reason,
    RollbackAlert,
)
from agent.policy.policies import load_policies

BOOK = load_policies()


BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


A = {"haiku_first": 95, "sonnet_first": 5}


B = {"economy": 50, "haiku_first": 50}


C = {"economy": 100}


BASELINE = {"sonnet_first": 100}


class TierHistory:
    """A tier's history, made by the same functions as the real one."""

    def __init__(self, first: Mapping[str, int] = A) -> None:
        self.revisions = [Revision(1, BEGAN, Change(Tier.FREE, first, ChangeCause.FIRST, "policy file", ""))]

    @property
    def weights(self) -> Mapping[str, int]:
        return self.revisions[-1].weights

    def take(self, change: Change) -> TierHistory:
        number = len(self.revisions) + 1
        self.revisions.append(Revision(number, BEGAN + timedelta(hours=number), change))
        return self

    def assign(self, weights: Mapping[str, int]) -> TierHistory:
        return self.take(assign(BOOK, self.revisions, Tier.FREE, weights, "me", ""))

    def roll_back(self) -> TierHistory:
        return self.take(rollback(BOOK, self.revisions, Tier.FREE, "me", ""))

    def undo(self, number: int) -> TierHistory:
        return self.take(undo(BOOK, self.revisions, number, Tier.FREE, "me", ""))


NOW = BEGAN + DAY * 10


ALERT = RollbackAlert(
    "VoiceAgentRollBackExperience", "f1", NOW - timedelta(minutes=5), Tier.FREE, "haiku_first", "experience"
)


def decided(policy: str, ago: timedelta, outcome: Outcome = Outcome.ROLLED_BACK) -> Decision:
    alert = replace(ALERT, policy=policy, fingerprint=policy)
    return Decision(policy, NOW - ago, alert, "auto", outcome, Reason.VERDICT, {}, 1, 2)


EVIDENCE = {
    "window": "1h",
    "turns": 240.0,
    "sessions": 31.0,
    "signals": {
        "no_reply": {"share": 0.004, "lower": 0.001, "limit": 0.02, "baseline": None},
        "slow_turns": {"share": 0.183, "lower": 0.15, "limit": 0.05, "baseline": 0.031},
    },
}
