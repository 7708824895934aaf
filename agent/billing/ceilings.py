"""Ceilings on money: every provider call reserves its expected price before it is made, in memory.

    reserve ──► call ends ──► its price takes the place of the reservation

A session's purse spends from all its accounts at once: its own, the days of caller, API key and address, the hours of
address, tier and process. Each tier has its own, so that strangers never spend what members need. No database is asked
on the way: `run` leases shares of the common ceilings in the background.
"""

from __future__ import annotations

import asyncio
import hmac
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import structlog

from agent.billing.accounts import Account, AccountKey, Common, LeaseStore, LeaseWish, Scope, hour_after
from agent.billing.holds import Hold, StreamHold
from agent.billing.prices import NANO, usd
from agent.billing.pricing import utc_now
from agent.budgets import Tier, TierCeilings
from agent.core import clock
from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics

MAX_ACCOUNTS: Final = 50_000  # about 20 MB
LEASE_EVERY_S: Final = 1.0
SWEEP_EVERY_S: Final = 15.0
SWEEP_PIECE: Final = 500
LEAVE_S: Final = 2.0
IDLE_S: Final = 60.0  # an account that nobody used for so long gives back what it has leased
MOST_RETRY_S: Final = 3600.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Payer:
    """On whose account a session spends. `address` None where it is not limited, `key` where there is no API key."""

    subject: str
    tier: Tier
    address: str | None
    key: str | None = None


class Step(StrEnum):
    """What the ceilings ask of a session."""

    NORMAL = "normal"
    ECONOMY = "economy"  # cheaper models and voices
    STOP = "stop"  # the cost-cap sentence, and the end


STEPS: Final = (*Step, "refused")
"""Values of the `action` label: what was asked of a session, and refusals at the door."""


@dataclass(frozen=True, slots=True)
class CeilingReached:
    """Why nothing more is spent, and in how many seconds that may be different."""

    scope: Scope
    retry_after_s: float


class Purse:
    """What one session spends from."""

    def __init__(self, ceilings: SpendingCeilings, payer: Payer, session: Account) -> None:
        self._ceilings = ceilings
        self._payer = payer
        self._session = session
        self._told: set[Step] = set()
        self._streams: set[StreamHold] = set()
        self._common: Common | None = None

    @property
    def used_usd(self) -> float:
        """Dollars spent and reserved by this session."""
        self._settle()
        return usd(self._session.used)

    @property
    def limit_usd(self) -> float:
        """Dollars that this session may spend."""
        return usd(self._session.limit)

    @property
    def step(self) -> Step:
        """What the ceilings ask of the session now."""
        self._settle()
        accounts = self._accounts()
        need = self._ceilings.turn_nano(self._payer.tier)
        short = next((account for account in accounts if account.room < need), None)
        if short is not None:
            return self._tell(Step.STOP, short)
        cheaper = next((account for account in accounts if account.cheaper), None)
        return Step.NORMAL if cheaper is None else self._tell(Step.ECONOMY, cheaper)

    def reserve(self, nano_usd: int) -> Hold | None:
        """Reserves the expected price of a call; None when a ceiling has no room for it."""
        self._settle()
        accounts = self._accounts()
        short = next((account for account in accounts if account.room < nano_usd), None)
        if short is not None:
            self._tell(Step.STOP, short)
            return None
        return Hold(accounts, nano_usd)

    def stream(self) -> StreamHold:
        """An empty reservation for a stream, which follows what is sent."""
        return StreamHold(self._accounts(), self._streams)

    def spend(self, nano_usd: int) -> None:
        """Counts the price of a call that has ended; it is never refused, since the provider was paid."""
        for account in self._accounts():
            account.spent += nano_usd

    def _settle(self) -> None:
        for hold in self._streams:
            hold.settle()

    def _accounts(self) -> tuple[Account, ...]:
        if self._common is None or not self._ceilings.touch(self._common):
            self._common = self._ceilings.common(self._payer)
        return (self._session, *self._common.accounts)

    def _tell(self, step: Step, account: Account) -> Step:
        if step not in self._told:
            self._told.add(step)
            self._ceilings.count(account.key.scope, self._payer.tier, step)
        return step


class SpendingCeilings:
    """The ceilings of one process. `secret` makes digests of subjects and addresses, which are stored with leases."""

    def __init__(
        self,
        limits: dict[Tier, TierCeilings],
        metrics: Metrics,
        *,
        secret: str,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._limits = limits
        self._metrics = metrics
        self._secret = secret.encode()
        self._now = now
        self._accounts: dict[AccountKey, Account] = {}
        self._touched: set[Account] = set()  # since the last exchange
        self._swept_at = 0.0
        self._reachable = True
        for tier in Tier:
            for scope in Scope:
                for step in (Step.ECONOMY, Step.STOP, "refused"):
                    metrics.child(catalog.SPENDING_LIMITED, scope, tier, step)
            for scope in (Scope.TIER_HOUR, Scope.PROCESS_HOUR):
                metrics.child(catalog.SPENDING_USED, scope, tier)
        for result in ("granted", "failed"):
            metrics.child(catalog.SPENDING_LEASES, result)

    def turn_nano(self, tier: Tier) -> int:
        """What a turn of this tier may take, in nano-dollars."""
        return _nano(self._limits[tier].turn_usd)

    def session_usd(self, tier: Tier) -> float:
        """What a session of this tier may spend, in dollars."""
        return self._limits[tier].session_usd

    def purse(self, payer: Payer, spent_nano_usd: int = 0) -> Purse:
        """The purse of a new session, or of one that goes on from what it had cost."""
        limits = self._limits[payer.tier]
        limit = _nano(limits.session_usd)
        key = AccountKey(Scope.SESSION, payer.tier, "", None)
        economy = int(limit * limits.economy_share)
        session = Account(key, limit, local=limit, economy=economy, turn=self.turn_nano(payer.tier))
        session.spent = spent_nano_usd
        return Purse(self, payer, session)

    def reached(self, payer: Payer) -> CeilingReached | None:
        """Whether a new session of this payer would find no room; None when it would."""
        need = self.turn_nano(payer.tier)
        for account in self._accounts_of(payer):
            if account.room < need:
                self.count(account.key.scope, payer.tier, "refused")
                until = account.key.until
                left = MOST_RETRY_S if until is None else (until - self._now()).total_seconds()
                return CeilingReached(account.key.scope, min(max(left, 1.0), MOST_RETRY_S))
        return None

    def count(self, scope: Scope, tier: Tier, action: str) -> None:
        """Counts that a ceiling made a session cheaper, ended it, or refused it."""
        self._metrics.add(catalog.SPENDING_LIMITED, scope, tier, action)

    def common(self, payer: Payer) -> Common:
        """The common accounts of a payer in the present hour and day."""
        accounts = tuple(self._accounts_of(payer))
        kept = all(self._accounts.get(account.key) is account for account in accounts)
        return Common(accounts, hour_after(self._now()) if kept else datetime.min.replace(tzinfo=UTC), clock.now())

    def touch(self, common: Common) -> bool:
        """Notes that these accounts are used again; False where they may have changed, or have been forgotten."""
        now = clock.now()
        if self._now() >= common.until or now - common.used_at > IDLE_S / 2:
            return False
        common.used_at = now
        for account in common.accounts:
            account.used_at = now
        self._touched.update(common.accounts)
        return True

    def _accounts_of(self, payer: Payer) -> Iterator[Account]:
        tier, now = payer.tier, self._now()
        hour = hour_after(now)
        day = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        yield self._account(AccountKey(Scope.SUBJECT_DAY, tier, self._digest("s", payer.subject), day))
        if payer.key is not None:
            yield self._account(AccountKey(Scope.KEY_DAY, tier, self._digest("k", payer.key), day))
        if payer.address is not None:
            digest = self._digest("a", payer.address)
            yield self._account(AccountKey(Scope.ADDRESS_DAY, tier, digest, day))
            yield self._account(AccountKey(Scope.ADDRESS_HOUR, tier, digest, hour))
        yield self._account(AccountKey(Scope.TIER_HOUR, tier, "", hour))
        yield self._account(AccountKey(Scope.PROCESS_HOUR, tier, "", hour))

    def _account(self, key: AccountKey) -> Account:
        account = self._accounts.get(key)
        if account is None:
            limits = self._limits[key.tier]
            limit = _nano(_limit_of(limits, key.scope))
            local, economy = int(limit * limits.local_share), int(limit * limits.economy_share)
            account = Account(key, limit, local=local, economy=economy, turn=self.turn_nano(key.tier))
            if len(self._accounts) >= MAX_ACCOUNTS:
                return account  # not kept: those of the tier and of the process, which were there first, hold
            self._accounts[key] = account
        account.used_at = clock.now()
        self._touched.add(account)
        return account

    def _digest(self, kind: str, name: str) -> str:
        """Made anew each time, in 1 µs: names of callers are not kept."""
        return hmac.digest(self._secret, f"{kind}:{name}".encode(), "sha256").hex()[:32]

    # Leases

    async def run(self, store: LeaseStore) -> None:
        """Leases in the background until it is cancelled; then gives back what is not needed."""
        try:
            while True:
                await self.exchange(store)
                await asyncio.sleep(LEASE_EVERY_S)
        finally:
            for account in self._accounts.values():
                account.used_at = -math.inf
            await asyncio.shield(self._leave(store))

    async def exchange(self, store: LeaseStore) -> None:
        """Asks once for what is needed and gives back what is not. Never raises for a database that is down."""
        touched, self._touched = self._touched, set()
        if clock.now() - self._swept_at >= SWEEP_EVERY_S:
            self._swept_at = clock.now()
            touched |= await self._sweep()
        wishes: list[tuple[Account, LeaseWish]] = []
        for account in touched:
            wish = account.wish(clock.now(), idle=_idle(account)) if account.shared else 0
            if wish:
                owed = min(wish, account.spent - account.granted)
                wishes.append((account, LeaseWish(account.key, account.limit, wish, owed)))
        if wishes:
            await self._ask(store, wishes)
        self._show()

    async def _ask(self, store: LeaseStore, wishes: list[tuple[Account, LeaseWish]]) -> None:
        try:
            granted = await store.lease([wish for _, wish in wishes])
        except Exception as error:  # whatever it is, calls go on with the lease in hand or the local share
            self._metrics.add(catalog.SPENDING_LEASES, "failed")
            if self._reachable:
                log.warning("spending is not shared, local limits apply", error=type(error).__name__)
            self._reachable = False
            for account, _ in wishes:
                account.refused = False
            return
        self._reachable = True
        self._metrics.add(catalog.SPENDING_LEASES, "granted")
        for (account, wish), got in zip(wishes, granted, strict=True):
            account.answer(got, wish.nano_usd)

    async def _leave(self, store: LeaseStore) -> None:
        self._swept_at = -math.inf
        try:
            async with asyncio.timeout(LEAVE_S):
                await self.exchange(store)
        except TimeoutError:
            log.warning("leases not given back")

    async def _sweep(self) -> set[Account]:
        """Drops the accounts of windows that are over and those that nobody uses; returns what holds a lease in vain.

        Thousands of accounts are looked through in pieces, between which calls go on.
        """
        returning: set[Account] = set()
        for count, (key, account) in enumerate(list(self._accounts.items())):
            if count % SWEEP_PIECE == 0:
                await asyncio.sleep(0)
            over = key.until is not None and key.until <= self._now()
            settled = _idle(account) and account.shared and account.granted == account.spent
            if account.reserved == 0 and (over or settled):
                del self._accounts[key]
            elif _idle(account):
                returning.add(account)
        self._metrics.set(catalog.SPENDING_ACCOUNTS, value=len(self._accounts))
        return returning

    def _show(self) -> None:
        for tier in Tier:
            for scope in (Scope.TIER_HOUR, Scope.PROCESS_HOUR):
                account = self._accounts.get(AccountKey(scope, tier, "", hour_after(self._now())))
                share = 0.0 if account is None else account.used / account.limit
                self._metrics.set(catalog.SPENDING_USED, scope, tier, value=share)


def _idle(account: Account) -> bool:
    return account.reserved == 0 and clock.now() - account.used_at > IDLE_S


def _limit_of(limits: TierCeilings, scope: Scope) -> float:
    return getattr(limits, f"{scope}_usd")


def _nano(dollars: float) -> int:
    return round(dollars * NANO)
