"""What one session has spent, and what that still allows: the meter and the governor as a session sees them."""

from __future__ import annotations

from agent.billing.pricing import CostMeter, MoneySink
from agent.billing.step_down import Decision, decide
from agent.budgets import TierBudget


class SessionSpending:
    """Reads the session's meter each time: it begins with the session and moves with every call."""

    def __init__(self, money: MoneySink, session_id: str, budget: TierBudget) -> None:
        self._money = money
        self._session_id = session_id
        self._budget = budget

    @property
    def usd(self) -> float:
        return self._meter.usd

    @property
    def by_service(self) -> dict[str, float]:
        return self._meter.by_service

    @property
    def tokens(self) -> int:
        return self._meter.tokens

    @property
    def step_down(self) -> bool:
        return decide(self.usd, self._budget) is Decision.STEP_DOWN

    @property
    def capped(self) -> bool:
        return decide(self.usd, self._budget) is Decision.HARD_CAP

    @property
    def _meter(self) -> CostMeter:
        return self._money.meter(self._session_id)
