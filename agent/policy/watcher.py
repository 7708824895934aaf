"""Which policies are in force, read from the database once a second, so that every process follows a change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog

from agent.budgets import Tier
from agent.core import clock
from agent.policy.assignments import Change, ChangeCause, Revision, described
from agent.policy.follower import READ_S, Follower
from agent.policy.policies import Policy, PolicyBook
from agent.policy.store import PolicyStore
from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics

log = structlog.get_logger()

Prepare = Callable[[Tier, Policy], None]
"""Creates the series of a policy that a tier can be assigned from now on."""


class AssignmentWatcher(Follower):
    """The policy book with the assignments that are in force. Use `running()` around the life of the server.

    At the very first start the assignments of the policy file become revision 1. Without its database a process goes on
    with what it knows, and `assignment_age_seconds` says since when. So it does with a revision that names a policy
    which its file does not have; where it knows nothing better, at its start, everybody gets the baseline: the file's
    own assignments may be what was rolled back.
    """

    what = "assignments"
    meanwhile = "new sessions go by the policy file"
    first_read_s = 3.0

    def __init__(self, book: PolicyBook, store: PolicyStore, metrics: Metrics, prepare: Prepare) -> None:
        super().__init__()
        self.book = book
        self._store = store
        self._metrics = metrics
        self._prepare = prepare
        self._numbers: dict[Tier, int] = {}
        self._causes: dict[Tier, ChangeCause] = {}
        self._unusable: set[Tier] = set()
        self._read_at = dict.fromkeys(Tier, 0.0)
        for tier in Tier:
            self._show(tier)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Follows the database while the block runs; begins with what the database says, if it answers in time."""
        self._read_at = dict.fromkeys(Tier, clock.now())  # only a running loop has a clock
        async with super().running():
            yield

    def choices(self, tier: str) -> PolicyBook:
        """What new sessions of a tier can get."""
        del tier
        return self.book

    def age_s(self, tier: Tier) -> float:
        """Seconds since this process last put in force what the database says; from its start where it has not."""
        return clock.now() - self._read_at[tier]

    def revision(self, tier: Tier) -> int:
        """The number of the revision that was read last; 0 before the first."""
        return self._numbers.get(tier, 0)

    def weighs_for_a_while(self, tier: Tier) -> bool:
        """Whether what is in force is a holdout that was raised for a while."""
        return self._causes.get(tier) is ChangeCause.HOLDOUT

    async def refresh(self) -> None:
        """Reads what is in force now. Raises what the store raises, and TimeoutError after five seconds."""
        async with asyncio.timeout(READ_S):
            found = {Tier(one.change.tier): one for one in await self._store.current()}
            for tier in Tier:
                if tier not in found:
                    found[tier] = await self._first(tier)
        for tier, revision in found.items():
            if self._numbers.get(tier) != revision.number:
                self._take(tier, revision)
            if tier not in self._unusable:
                self._read_at[tier] = clock.now()

    def looked(self, failures: int) -> None:
        """Shows since when this process follows."""
        for tier in Tier:
            self._metrics.set(catalog.ASSIGNMENT_AGE, tier, value=self.age_s(tier))

    async def _first(self, tier: Tier) -> Revision:
        """Stores the policy file's assignment of a tier that has none, unless another process was faster."""
        weights = _shares(self.book.assignments[tier].weights)
        async with self._store.transaction() as transaction:
            history = await transaction.history(tier)
            if history:
                return history[-1]
            change = Change(tier, weights, ChangeCause.FIRST, "policy file", "first start")
            return await transaction.change(change, datetime.now(UTC))

    def _take(self, tier: Tier, revision: Revision) -> None:
        """Puts a revision in force here, if this process has its policies."""
        begins = tier not in self._numbers
        self._numbers[tier] = revision.number
        self._causes[tier] = revision.change.cause
        try:
            self.book = self.book.assigned(tier, revision.weights)
            self._unusable.discard(tier)
        except ValueError as error:
            self._unusable.add(tier)
            log.error("assignment cannot be used", tier=tier, revision=revision.number, reason=str(error))
            if begins:
                self._take_baseline(tier)
            return
        for name in revision.weights:
            self._prepare(tier, self.book.policies[name])
        self._show(tier)
        log.info("assignment in force", tier=tier, revision=revision.number, weights=described(revision.weights))

    def _take_baseline(self, tier: Tier) -> None:
        baseline = self.book.baseline
        self.book = self.book.assigned(tier, {baseline: 100})
        self._prepare(tier, self.book.policies[baseline])
        self._show(tier)
        log.warning("everybody gets the baseline until an assignment can be used", tier=tier, policy=baseline)

    def _show(self, tier: Tier) -> None:
        weights = dict(self.book.assignments[tier].weights)
        for name in self.book.policies:
            self._metrics.set(catalog.POLICY_WEIGHT, tier, name, value=weights.get(name, 0))


def _shares(weights: tuple[tuple[str, int], ...]) -> Mapping[str, int]:
    return {name: percent for name, percent in weights if percent}
