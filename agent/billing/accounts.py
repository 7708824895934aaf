"""Accounts of the ceilings: how much was allowed, reserved and spent in one scope and one window of time.

Amounts are whole nano-dollars. A shared account (of a day, or of a tier) spends what this process has leased of the
ceiling; the database says yes in the background. Until it has, and while it cannot be reached, a local share applies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from agent.budgets import Tier

SLICES: Final = 10  # a lease is a tenth of its ceiling at most
TURNS: Final = 4  # and worth as many turns at least
OFTEN_S: Final = 30.0  # who leases again so soon leases twice as much
SELDOM_S: Final = 120.0  # and who does not for so long half: what is lost with a killed process is minutes of spending


class Scope(StrEnum):
    """What a ceiling is on."""

    SESSION = "session"
    SUBJECT_DAY = "subject_day"
    KEY_DAY = "key_day"
    ADDRESS_DAY = "address_day"
    ADDRESS_HOUR = "address_hour"
    TIER_HOUR = "tier_hour"
    PROCESS_HOUR = "process_hour"


SHARED: Final = frozenset(set(Scope) - {Scope.SESSION, Scope.PROCESS_HOUR})
"""Scopes whose ceiling holds for all processes together."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    """`owner` is a digest for subjects and addresses: nobody can read from it who that was. `until` ends the window."""

    scope: Scope
    tier: Tier
    owner: str
    until: datetime | None


class Account:
    """What one scope allows in one window."""

    __slots__ = (
        "answered",
        "asked_at",
        "economy",
        "granted",
        "key",
        "least",
        "limit",
        "local",
        "refused",
        "reserved",
        "slice",
        "spent",
        "used_at",
    )  # fmt: skip

    def __init__(self, key: AccountKey, limit: int, *, local: int, economy: int, turn: int) -> None:
        """`turn` is what a turn may take."""
        self.key = key
        self.limit = limit
        self.economy = economy
        """From here on cheaper models answer."""
        shared = key.scope in SHARED
        self.local = local if shared else 0
        self.granted = 0 if shared else limit
        """Leased from the database and not given back."""
        self.answered = not shared
        """Whether the database has said how much there is, and can still be asked."""
        self.refused = False
        """Whether it said that nothing is left."""
        self.reserved = 0
        self.spent = 0
        self.used_at = 0.0
        self.asked_at = 0.0
        self.least = self.slice = min(TURNS * turn, limit // SLICES)
        """What is leased at a time."""

    @property
    def shared(self) -> bool:
        """Whether other processes spend from the same ceiling."""
        return self.key.scope in SHARED

    @property
    def used(self) -> int:
        """Spent and reserved."""
        return self.spent + self.reserved

    @property
    def room(self) -> int:
        """What may still be reserved here; negative where more was spent than is allowed."""
        return self._allowed - self.used

    @property
    def cheaper(self) -> bool:
        """Whether so much of the ceiling is gone that cheaper models answer."""
        return self.used >= self.economy or (self.refused and self.room < self.limit // SLICES)

    @property
    def _allowed(self) -> int:
        """The lease in hand, and on top of it the local share, until the database says that nothing is left."""
        return self.granted if self.refused else min(self.limit, self.granted + self.local)

    def wish(self, at: float, *, idle: bool) -> int:
        """What to ask the database for at loop time `at`: positive to lease more, negative to give back, 0 for nothing.

        A lease is what a minute or so takes: what a killed process had leased is lost to all until the window ends.
        """
        if idle:
            return self.used - self.granted
        if self.granted - self.used >= self.slice // 2:
            return 0
        if self.granted and at - self.asked_at < OFTEN_S:
            self.slice = min(2 * self.slice, self.limit // SLICES)
        elif self.granted and at - self.asked_at > SELDOM_S:
            self.slice = max(self.slice // 2, self.least)
        self.asked_at = at
        return max(self.slice, self.used - self.granted)

    def answer(self, granted: int, wished: int) -> None:
        """Takes what the database gave (or took back, where that is negative)."""
        self.granted += granted
        self.answered = True
        self.refused = granted < wished


@dataclass(slots=True)
class Common:
    """The common accounts of a payer until an hour ends. One that is too old to be used again is looked up anew."""

    accounts: tuple[Account, ...]
    until: datetime
    used_at: float


def hour_after(at: datetime) -> datetime:
    """The end of the hour that a moment lies in."""
    return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class LeaseWish:
    """One line of a request: `nano_usd` more of a ceiling; `owed` of it is spent already and cannot be refused."""

    key: AccountKey
    limit: int
    nano_usd: int
    owed: int


class LeaseStore(Protocol):
    """Where the processes share their ceilings."""

    async def lease(self, wishes: Sequence[LeaseWish]) -> Sequence[int]:
        """What each wish gets. Raises SQLAlchemyError or OSError when the database cannot be reached."""
        ...
