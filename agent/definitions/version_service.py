"""What an operator does about versions of agents, by HTTP or by command: look, try, promote, roll back, undo."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from agent.definitions.version_watch import VersionWatcher
from agent.definitions.versions import AgentVersions, UnknownAgentError, VersionError
from agent.policy.assignments import Change, Revision
from agent.policy.decisions import Decision
from agent.policy.service import PATIENCE_S, PolicyService, as_expected
from agent.policy.store import LIMIT, PolicyStore

Weigh = Callable[[AgentVersions, Mapping[str, int] | None], dict[str, int]]
"""From what there is, and what is in force, to other weights. Raises VersionError."""


class VersionService:
    """The same as `PolicyService`, with an agent for the tier and its versions for policies.

    Raises UnknownAgentError, VersionError and AssignmentError for what cannot be done, and without its database what
    the store raises, or TimeoutError.
    """

    def __init__(self, watch: VersionWatcher, store: PolicyStore) -> None:
        self.watch = watch
        self.store = store

    def versions(self, agent: str) -> AgentVersions:
        """The versions of an agent. Raises UnknownAgentError."""
        found = self.watch.book.versions.get(agent)
        if found is None:
            known = ", ".join(self.watch.book.versions)
            raise UnknownAgentError(f"there is no agent {agent[:40]}: there are {known}")
        return found

    async def in_force(self) -> Mapping[str, Revision]:
        """The revision of each agent that new sessions go by; none of one whose versions were never assigned."""
        async with asyncio.timeout(PATIENCE_S):
            return {one.change.tier: one for one in await self.store.current()}

    async def planned(self, agent: str, weigh: Weigh) -> tuple[Revision | None, dict[str, int]]:
        """The revision in force, and the weights that a change would make of it, without doing it."""
        versions, now = self.versions(agent), (await self.in_force()).get(agent)
        return now, weigh(versions, None if now is None else now.weights)

    async def change(self, agent: str, weigh: Weigh, actor: str, reason: str, expected: int) -> Revision:
        """Puts other weights in force for new sessions of an agent, while revision `expected` is; 0 is none."""
        versions, now = self.versions(agent), (await self.in_force()).get(agent)
        as_expected(0 if now is None else now.number, agent, expected)
        weights = weigh(versions, None if now is None else now.weights)
        return await PolicyService(versions, self.store).assign(agent, weights, actor, reason, expected)

    async def planned_rollback(self, agent: str) -> tuple[Revision, Change]:
        """The revision in force and what a rollback would make of it, without doing it."""
        return await (await self._assigned(agent)).planned_rollback(agent)

    async def rollback(self, agent: str, actor: str, reason: str, expected: int) -> Revision:
        """Brings back what new sessions of an agent got before, while revision `expected` is in force."""
        return await (await self._assigned(agent)).rollback(agent, actor, reason, expected)

    async def history(self, agent: str) -> Sequence[Revision]:
        """Revisions of an agent, newest first."""
        async with asyncio.timeout(PATIENCE_S):
            return [*reversed(await self.watch.history(agent))][:LIMIT]

    async def decisions(self, agent: str | None = None) -> Sequence[Decision]:
        """Decisions, newest first."""
        async with asyncio.timeout(PATIENCE_S), self.store.reading() as transaction:
            return await transaction.decisions(agent)

    async def decision(self, decision_id: str) -> Decision | None:
        """None for what is no decision about a version."""
        if not decision_id.isprintable():
            return None
        async with asyncio.timeout(PATIENCE_S), self.store.reading() as transaction:
            return await transaction.decision_by_id(decision_id)

    async def planned_undo(self, decision_id: str) -> tuple[Revision, Change] | None:
        """What is in force and what `undo` would make of it; None for no decision about a version."""
        found = await self.decision(decision_id)
        if found is None:
            return None
        return await PolicyService(self.versions(found.alert.tier), self.store).planned_undo(decision_id)

    async def undo(self, decision_id: str, actor: str, reason: str) -> Revision | None:
        """Takes a decision's rollback back, while it is what is in force; None for no decision about a version."""
        found = await self.decision(decision_id)
        if found is None:
            return None
        service = PolicyService(self.versions(found.alert.tier), self.store)
        return await service.undo(decision_id, actor, reason)

    async def _assigned(self, agent: str) -> PolicyService:
        versions = self.versions(agent)
        if agent not in await self.in_force():
            raise VersionError(f"{agent}: no version was ever tried: everybody gets {versions.baseline}")
        return PolicyService(versions, self.store)
