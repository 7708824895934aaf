"""What an operator does about policies, by HTTP or by command: look, assign, roll back, take a rollback back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from agent.budgets import Tier
from agent.policy.assignments import AssignmentError, Change, Choices, Revision, assign, rollback, undo
from agent.policy.decisions import Decision, Outcome, Reason
from agent.policy.store import LIMIT, PolicyStore, PolicyTransaction

MAX_REASON: Final = 200  # characters
PATIENCE_S: Final = 10.0  # a database that takes longer is as good as down


class PolicyService:
    """Each method is one transaction.

    Raises AssignmentError for what cannot be done, and without its database what the store raises, or TimeoutError.
    """

    def __init__(self, book: Choices, store: PolicyStore) -> None:
        self._book = book
        self._store = store

    async def in_force(self) -> Mapping[Tier, Revision]:
        """The revision of each tier that new sessions go by."""
        async with asyncio.timeout(PATIENCE_S):
            return {Tier(one.change.tier): one for one in await self._store.current()}

    async def history(self, tier: str | None = None) -> Sequence[Revision]:
        """Revisions, newest first."""
        async with asyncio.timeout(PATIENCE_S), self._store.reading() as transaction:
            found = [one for each in (Tier if tier is None else (tier,)) for one in await transaction.history(each)]
        return sorted(found, key=lambda one: one.at, reverse=True)[:LIMIT]

    async def assign(
        self, tier: str, weights: Mapping[str, int], actor: str, reason: str, expected: int | None = None
    ) -> Revision:
        """Puts other weights in force for new sessions of a tier, while revision `expected` is in force."""
        async with asyncio.timeout(PATIENCE_S), self._store.transaction() as transaction:
            history = _expected(await transaction.history(tier), tier, expected)
            return await _make(transaction, assign(self._book, history, tier, weights, actor, _short(reason)))

    async def rollback(self, tier: str, actor: str, reason: str, expected: int | None = None) -> Revision:
        """Brings back the tier's previous assignment for new sessions, while revision `expected` is in force."""
        async with asyncio.timeout(PATIENCE_S), self._store.transaction() as transaction:
            history = _expected(await transaction.history(tier), tier, expected)
            return await _make(transaction, rollback(self._book, history, tier, actor, _short(reason)))

    async def planned_rollback(self, tier: str) -> tuple[Revision, Change]:
        """The revision in force and what a rollback would make of it, without doing it."""
        async with asyncio.timeout(PATIENCE_S), self._store.reading() as transaction:
            history = await transaction.history(tier)
        change = rollback(self._book, history, tier, "", "")
        return history[-1], change

    async def decisions(self, tier: str | None = None) -> Sequence[Decision]:
        """Decisions, newest first."""
        async with asyncio.timeout(PATIENCE_S), self._store.reading() as transaction:
            return await transaction.decisions(tier)

    async def decision(self, decision_id: str) -> Decision:
        async with asyncio.timeout(PATIENCE_S), self._store.reading() as transaction:
            return await _found(transaction, decision_id)

    async def planned_undo(self, decision_id: str) -> tuple[Revision, Change]:
        """The revision in force and what taking a decision's rollback back would make of it, without doing it."""
        async with asyncio.timeout(PATIENCE_S), self._store.reading() as transaction:
            decision = await _found(transaction, decision_id)
            history = await transaction.history(decision.alert.tier)
        return history[-1], self._undone(decision, history, "", "")

    async def undo(self, decision_id: str, actor: str, reason: str) -> Revision:
        """Takes a decision's rollback back, while it is what is in force."""
        async with asyncio.timeout(PATIENCE_S), self._store.transaction() as transaction:
            decision = await _found(transaction, decision_id)
            history = await transaction.history(decision.alert.tier)
            made = await _make(transaction, self._undone(decision, history, actor, _short(reason)))
            await transaction.save(replace(decision, outcome=Outcome.UNDONE, reason=Reason.BY_HAND))
            return made

    def _undone(self, decision: Decision, history: Sequence[Revision], actor: str, reason: str) -> Change:
        tier, number = decision.alert.tier, decision.to_revision
        if decision.outcome is not Outcome.ROLLED_BACK or number is None:
            raise AssignmentError(f"decision {decision.id} is {decision.outcome}: there is no rollback to take back")
        return undo(self._book, history, number, tier, actor, reason)


class RevisionError(AssignmentError):
    """Somebody else changed the assignment meanwhile: the same change once more would be one too many."""


def as_expected(now: int, tier: str, expected: int | None) -> None:
    """Raises RevisionError where another revision is in force than somebody saw."""
    if expected is not None and expected != now:
        raise RevisionError(
            f"{tier}: revision {now} is in force, and {expected} was expected: look at what changed before you go on"
        )


def newest(*found: Sequence[Decision]) -> list[Decision]:
    """All of these decisions, newest first, as many as are listed."""
    return sorted((one for each in found for one in each), key=lambda one: one.at, reverse=True)[:LIMIT]


def _expected(history: Sequence[Revision], tier: str, expected: int | None) -> Sequence[Revision]:
    as_expected(history[-1].number if history else 0, tier, expected)
    return history


async def _make(transaction: PolicyTransaction, change: Change) -> Revision:
    return await transaction.change(change, datetime.now(UTC))


async def _found(transaction: PolicyTransaction, decision_id: str) -> Decision:
    decision = await transaction.decision_by_id(decision_id) if decision_id.isprintable() else None
    if decision is None:
        raise AssignmentError(f"there is no decision {_short(decision_id)[:40]}: `voice-agent decisions` lists them")
    return decision


def _short(reason: str) -> str:
    """One line without what a database or a terminal cannot take."""
    return " ".join("".join(each for each in word if each.isprintable()) for word in reason.split())[:MAX_REASON]
