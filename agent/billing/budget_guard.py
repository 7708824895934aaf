"""What one session has spent, and whether it goes on as it is, goes on cheaper, or ends."""

from __future__ import annotations

from enum import StrEnum

from agent.billing.pricing import PricingSink, RunningCost
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


class SessionSpending:
    """Reads the session's meter each time: it begins with the session and moves with every call."""

    def __init__(self, money: PricingSink, session_id: str, budget: TierBudget) -> None:
        self._money = money
        self._session_id = session_id
        self._budget = budget

    @property
    def usd(self) -> float:
        return self._cost.usd

    @property
    def by_service(self) -> dict[str, float]:
        return self._cost.by_service

    @property
    def tokens(self) -> int:
        return self._cost.tokens

    @property
    def step_down(self) -> bool:
        return decide(self.usd, self._budget) is CostStep.STEP_DOWN

    @property
    def capped(self) -> bool:
        return decide(self.usd, self._budget) is CostStep.HARD_CAP

    @property
    def _cost(self) -> RunningCost:
        return self._money.running_cost(self._session_id)
