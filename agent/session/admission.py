"""Who may open a session when there is much to do: premium first, and nobody when the event loop is late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent.budgets import Tier
from agent.core.errors import AgentError
from agent.session.claims import Claims

RETRY_FULL_S: Final = 10.0
RETRY_LATE_S: Final = 5.0
RETRY_DRAIN_S: Final = 1.0
RETRY_LOOK_UP_S: Final = 2.0


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


class SessionOverError(AgentError):
    """A session that was to go on has ended for good, or was revoked."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The limits of one process. `lag_s` reads the event loop's lag of the last second."""

    max_sessions: int
    premium_reserve: float  # share of the sessions that free callers leave to premium ones
    free_lag_s: float  # the lag from which free callers are refused
    any_lag_s: float  # the lag from which everybody is
    lag_s: Callable[[], float]
    sessions_per_address: int = 1_000_000
    spent: Callable[[Claims], Refusal | None] = lambda _: None  # whether a ceiling on money is reached

    def refusal(self, claims: Claims, open_sessions: int, of_address: int = 0) -> Refusal | None:
        """None when this session may be opened beside `open_sessions` others, `of_address` of them of its address."""
        tier = claims.tier
        if claims.address is not None and of_address >= self.sessions_per_address:
            text = f"this address holds {of_address} sessions: end one, or try again in {RETRY_FULL_S:g} s"
            return Refusal("address", text, RETRY_FULL_S)
        room = self.max_sessions
        if tier is Tier.FREE:
            room -= int(self.max_sessions * self.premium_reserve)
        if open_sessions >= room:
            return Refusal("full", f"all sessions are taken: try again in {RETRY_FULL_S:g} s", RETRY_FULL_S)
        if self.lag_s() >= (self.free_lag_s if tier is Tier.FREE else self.any_lag_s):
            return Refusal("overloaded", f"there is too much to do: try again in {RETRY_LATE_S:g} s", RETRY_LATE_S)
        return self.spent(claims)


DRAINING: Final = Refusal("draining", "this server goes away: connect again, another one will answer", RETRY_DRAIN_S)
NOT_LOOKED_UP: Final = Refusal(
    "ledger",
    f"the call cannot be looked up just now: connect again with the same token in {RETRY_LOOK_UP_S:g} s",
    RETRY_LOOK_UP_S,
)
