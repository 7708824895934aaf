"""Which policies a tier's new sessions get, as a history that only grows; and what a rollback brings back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from agent.core.errors import AgentError


class Choices(Protocol):
    """What new sessions can get: policies, or versions of an agent."""

    @property
    def baseline(self) -> str:
        """What everybody gets where there is nothing else to go back to."""
        ...

    def assigned(self, tier: str, weights: Mapping[str, int]) -> object:
        """Raises ValueError (one line) for weights that cannot be used."""
        ...


class AssignmentError(AgentError):
    """A change that cannot be made; its text is one line that says why and what can be done."""


class ChangeCause(StrEnum):
    """Why a revision exists."""

    FIRST = "first"  # the service's first start: what `policies.toml` says
    ASSIGN = "assign"  # somebody chose the weights
    ROLLBACK = "rollback"  # the assignment before came back
    UNDO = "undo"  # a rollback was taken back
    HOLDOUT = "holdout"  # the baseline got more callers for a while, to compare a policy that is watched with it
    HOLDOUT_OVER = "holdout_over"  # it gave them back


FOR_A_WHILE: Final = (ChangeCause.HOLDOUT, ChangeCause.HOLDOUT_OVER)
"""Changes that nobody chose: a rollback leads past them, and they are no reason to wait."""


@dataclass(frozen=True, slots=True)
class Change:
    """A new assignment of a tier. `weights` are whole percents by policy that sum to 100.

    Of an agent it is the same with its name for the tier, and its versions for policies. `restores` is the revision
    whose weights these are, where an older one comes back.
    """

    tier: str
    weights: Mapping[str, int]
    cause: ChangeCause
    actor: str
    reason: str
    restores: int | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """An assignment that is or was in force. Revisions of a tier are numbered from 1; the highest is in force."""

    number: int
    at: datetime  # UTC
    change: Change

    @property
    def weights(self) -> Mapping[str, int]:
        return self.change.weights


def assign(
    book: Choices, history: Sequence[Revision], tier: str, weights: Mapping[str, int], actor: str, reason: str
) -> Change:
    """A change to other weights, checked. Raises AssignmentError for weights that cannot be used or are in force."""
    usable = _usable(book, tier, weights)
    if history and usable == _shares(history[-1].weights):
        raise AssignmentError(f"{tier}: {described(usable)} is already in force (revision {history[-1].number})")
    return Change(tier, usable, ChangeCause.ASSIGN, actor, reason)


def rollback(
    book: Choices, history: Sequence[Revision], tier: str, actor: str, reason: str, without: str | None = None
) -> Change:
    """A change back to the tier's previous assignment; where there was none, to the baseline for everybody.

    A rollback is not itself something to go back to: after one, the next leads one step further into the past, and
    never forward to what was rolled back. Assignments that give something to `without` are passed over. Raises
    AssignmentError when there is nothing else to go back to.
    """
    if not history:
        raise AssignmentError(f"{tier}: no assignment is stored yet; start the service once")
    current = chosen(history)
    for before in reversed(history[: _origin(history, current) - 1]):
        if before.change.cause in FOR_A_WHILE or (without is not None and before.weights.get(without)):
            continue
        if _shares(before.weights) != _shares(current.weights):
            weights = _usable(book, tier, before.weights)
            return Change(tier, weights, ChangeCause.ROLLBACK, actor, reason, restores=before.number)
    baseline = {book.baseline: 100}
    if baseline == _shares(current.weights) == _shares(history[-1].weights):
        raise AssignmentError(f"{tier}: nothing to roll back to: the baseline {book.baseline} serves everybody already")
    return Change(tier, baseline, ChangeCause.ROLLBACK, actor, reason)


def undo(book: Choices, history: Sequence[Revision], number: int, tier: str, actor: str, reason: str) -> Change:
    """A change back to the revision before the rollback that made revision `number`.

    Raises AssignmentError when that rollback is no longer what is in force.
    """
    if not history or history[-1].number != number:
        now = history[-1].number if history else 0
        raise AssignmentError(
            f"{tier}: revision {number} is no longer in force ({now} is): assign the weights you want instead"
        )
    before = chosen(history[: number - 1])
    return Change(tier, _usable(book, tier, before.weights), ChangeCause.UNDO, actor, reason, restores=before.number)


def chosen(history: Sequence[Revision]) -> Revision:
    """The last revision that somebody chose, or a rollback made: without a holdout that was raised for a while."""
    return next((one for one in reversed(history) if one.change.cause not in FOR_A_WHILE), history[0])


def returned_at(history: Sequence[Revision]) -> dict[str, datetime]:
    """When each policy last came back to new sessions that had not got it: what was seen before is another time's.

    Policies that were there from the first are not named. A holdout that is raised for a while brings nothing back.
    """
    found: dict[str, datetime] = {}
    before: Mapping[str, int] = {}
    for revision in history:
        if revision.change.cause in FOR_A_WHILE:
            continue
        now = _shares(revision.weights)
        if before:
            found.update((name, revision.at) for name in now if name not in before)
        before = now
    return found


def described(weights: Mapping[str, int]) -> str:
    """Weights for a person: `haiku_first 95 %, sonnet_first 5 %`."""
    return ", ".join(f"{name} {percent} %" for name, percent in weights.items() if percent)


def _origin(history: Sequence[Revision], revision: Revision) -> int:
    """The number of the revision that first made these weights, through all that brought them back.

    The baseline that a rollback brought for want of anything older is older than everything.
    """
    while revision.change.restores is not None:
        revision = history[revision.change.restores - 1]
    return 1 if revision.change.cause is ChangeCause.ROLLBACK else revision.number


def _usable(book: Choices, tier: str, weights: Mapping[str, int]) -> dict[str, int]:
    try:
        book.assigned(tier, weights)
    except ValueError as error:
        raise AssignmentError(str(error)) from None
    return _shares(weights)


def _shares(weights: Mapping[str, int]) -> dict[str, int]:
    """Without policies of no weight."""
    return {name: percent for name, percent in weights.items() if percent}
