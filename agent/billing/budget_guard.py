"""What one session has spent, and what that still allows: the meter and the governor as a session sees them."""

from __future__ import annotations

from agent.billing.pricing import PricingSink, RunningCost
from agent.billing.step_down import CostStep, decide
from agent.budgets import TierBudget


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
