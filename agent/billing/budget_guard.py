"""What one session has spent, and whether it goes on as it is, goes on cheaper, or ends."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from agent.billing.ceilings import Purse, Step
from agent.billing.pricing import PricingSink, RunningCost
from agent.budgets import TierBudget

WARN_SHARE: Final = 0.8  # of the session's limit: the caller is told that it will end


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
    """Reads the session's meter and its purse each time: they begin with the session and move with every call."""

    def __init__(self, money: PricingSink, session_id: str, budget: TierBudget, purse: Purse) -> None:
        self._money = money
        self._session_id = session_id
        self._budget = budget
        self._purse = purse

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
        return decide(self.usd, self._budget) is CostStep.STEP_DOWN or self._purse.step is Step.ECONOMY

    @property
    def capped(self) -> bool:
        return decide(self._spent, self._budget) is CostStep.HARD_CAP or self._purse.step is Step.STOP

    @property
    def limit_usd(self) -> float:
        """Dollars at which the session ends, whatever else is reached before."""
        cap = self._budget.governor.hard_cap_usd
        return self._purse.limit_usd if cap is None else min(cap, self._purse.limit_usd)

    @property
    def nearly_capped(self) -> bool:
        """Whether the caller should know that the session will end soon."""
        return self._spent >= WARN_SHARE * self.limit_usd

    @property
    def _spent(self) -> float:
        """With what is reserved: a stream is charged every ten seconds only."""
        return max(self.usd, self._purse.used_usd)

    @property
    def _cost(self) -> RunningCost:
        return self._money.running_cost(self._session_id)
