"""Who may open a session when there is much to do: premium first, and nobody when the event loop is late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent.budgets import Tier
from agent.core.errors import AgentError

RETRY_FULL_S: Final = 10.0
RETRY_LATE_S: Final = 5.0
RETRY_DRAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no session is opened now, and when it is worth trying again."""

    reason: str
    text: str
    retry_after_s: float


class AdmissionError(AgentError):
    """No session is opened now. The message says when it is worth trying again."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Admission:
    """The limits of one process. `lag_s` reads the event loop's lag of the last second."""

    max_sessions: int
    premium_reserve: float  # share of the sessions that free callers leave to premium ones
    free_lag_s: float  # the lag from which free callers are refused
    any_lag_s: float  # the lag from which everybody is
    lag_s: Callable[[], float]

    def refusal(self, tier: Tier, open_sessions: int) -> Refusal | None:
        """None when a session of this tier may be opened beside `open_sessions` others."""
        room = self.max_sessions
        if tier is Tier.FREE:
            room -= int(self.max_sessions * self.premium_reserve)
        if open_sessions >= room:
            return Refusal("full", f"all sessions are taken: try again in {RETRY_FULL_S:g} s", RETRY_FULL_S)
        if self.lag_s() >= (self.free_lag_s if tier is Tier.FREE else self.any_lag_s):
            return Refusal("overloaded", f"there is too much to do: try again in {RETRY_LATE_S:g} s", RETRY_LATE_S)
        return None


DRAINING: Final = Refusal("draining", "this server goes away: connect again, another one will answer", RETRY_DRAIN_S)
