"""Which versions of agents are in force, read from the database once a second, so that every process follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from agent.definitions.book import AgentBook
from agent.policy.assignments import Choices, Revision
from agent.policy.follower import READ_S, Follower
from agent.policy.store import PolicyStore

FAILED_POLLS: Final = 60  # a minute and more: a database that is away for a moment is nobody's ticket

log = structlog.get_logger()


class VersionWatcher(Follower):
    """Use `running()` around the life of the server. Without its database a process goes on with what it knows.

    Where it knows nothing, at its start, everybody gets the usual version. `failed` hears of it when it has not been
    able to follow for a minute, and of versions that it cannot put in force.
    """

    what = "versions of agents"
    meanwhile = "new sessions get the usual ones"
    first_read_s = 1.0  # the watcher of policies has waited for the database before

    def __init__(self, book: AgentBook, store: PolicyStore, failed: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.book = book
        self._store = store
        self._failed = failed
        self._in_force: dict[str, Revision] = {}
        self._files: object = book.versions  # of which agents it was looked whether they have what is in force

    def choices(self, tier: str) -> Choices | None:
        """The versions of an agent, which stands for the tier; None for one that is not there."""
        return self.book.versions.get(tier)

    @property
    def in_force(self) -> Mapping[str, Revision]:
        """The revision of each agent that was read last."""
        return self._in_force

    async def refresh(self) -> None:
        """Reads what is in force now. Raises what the store raises, and TimeoutError."""
        async with asyncio.timeout(READ_S):
            found = {one.change.tier: one for one in await self._store.current()}
        if found != self._in_force or self.book.versions is not self._files:
            self._in_force, self._files = found, self.book.versions
            self._take()

    async def history(self, agent: str) -> Sequence[Revision]:
        """Every revision of an agent, oldest first. Raises what the store raises."""
        async with self._store.reading() as reader:
            return await reader.history(agent)

    def looked(self, failures: int) -> None:
        """A minute without an answer is told."""
        if failures == FAILED_POLLS:
            self._failed()

    def _take(self) -> None:
        weights = {agent: one.weights for agent, one in self._in_force.items()}
        self.book.assign(weights)
        for agent, shares in weights.items():
            try:
                if (versions := self.book.versions.get(agent)) is not None:
                    versions.assigned(agent, shares)
            except ValueError as error:
                log.error("version cannot be used: everybody gets the usual one", agent=agent, reason=str(error))
                self._failed()
