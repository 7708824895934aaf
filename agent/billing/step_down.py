"""Decides from what a session has spent whether it goes on as it is, goes on cheaper, or ends."""

from __future__ import annotations

from enum import StrEnum

from agent.budgets import TierBudget


class CostStep(StrEnum):
    NORMAL = "normal"
    STEP_DOWN = "step_down"  # the models and the voice of the tier's `step_down_policy` from the next turn on
    HARD_CAP = "hard_cap"  # say goodbye with a recorded sentence and end the session


def decide(spent_usd: float, budget: TierBudget) -> CostStep:
    """What the tier's governor says at `spent_usd` dollars. A tier without limits always goes on as it is.

    A limit holds from the moment it is reached. Spending never falls, so a session never steps back up.
    """
    limits = budget.governor
    if limits.hard_cap_usd is not None and spent_usd >= limits.hard_cap_usd:
        return CostStep.HARD_CAP
    if limits.step_down_share is not None and spent_usd >= limits.step_down_share * budget.session_usd:
        return CostStep.STEP_DOWN
    return CostStep.NORMAL
