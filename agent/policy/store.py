"""What the policies' rooms need of a database; `agent.ledger.policy_store` is it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from agent.policy.assignments import Change, Revision
from agent.policy.decisions import Decision, Mode, RollbackAlert


class PolicyTransaction(Protocol):
    """All of it happens, or nothing; two of them never overlap, also in different processes."""

    async def history(self, tier: str) -> Sequence[Revision]:
        """Every revision of a tier, oldest first."""
        ...

    async def change(self, change: Change, at: datetime) -> Revision:
        """Puts a change in force as the tier's next revision."""
        ...

    async def decision(self, alert: RollbackAlert, mode: Mode) -> Decision | None:
        """What was decided about this alert in this mode."""
        ...

    async def decisions(self, tier: str | None = None) -> Sequence[Decision]:
        """Decisions, newest first, at most `LIMIT`."""
        ...

    async def rollbacks(self, tier: str, since: datetime) -> Sequence[Decision]:
        """Every decision that rolled a tier back since then, also where that was taken back."""
        ...

    async def decision_by_id(self, decision_id: str) -> Decision | None: ...

    async def save(self, decision: Decision) -> None:
        """Stores a decision, in place of an earlier one about the same alert in the same mode."""
        ...


class PolicyStore(Protocol):
    """Assignments and decisions. Every call raises SQLAlchemyError or OSError, or hangs, without its database."""

    def transaction(self) -> AbstractAsyncContextManager[PolicyTransaction]: ...

    def reading(self) -> AbstractAsyncContextManager[PolicyTransaction]:
        """For looking only: takes no lock, so that it waits for nobody who writes."""
        ...

    async def current(self) -> Sequence[Revision]:
        """The revision in force of each tier; none for a tier that was never assigned."""
        ...


LIMIT = 200
"""Decisions and revisions that are listed at the most."""
