"""What should run on machines of one's own, and what of it does not at the moment: one place that all ask."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.core.calls import Service


class OwnMachine:
    """`failed`: service → why it does not run, in words for an operator. `wanted` are services of the sandbox.

    `failures`: service → how often it failed so far: who looks now and then sees by it what failed between two looks.
    `gone`: the program that runs `wanted` does not answer, and so nothing stands in for it.
    """

    def __init__(self, wanted: Sequence[Service] = ()) -> None:
        self.wanted = tuple(wanted)
        self.failed: dict[Service, str] = {}
        self.failures: dict[Service, int] = {}
        self.gone = False
        self._known = asyncio.Event()
        if not wanted:
            self._known.set()

    def fails(self, service: Service, why: str) -> None:
        """It does not run."""
        if service not in self.failed:
            self.died(service)
        self.failed[service] = why

    def died(self, service: Service) -> None:
        """It failed, and may run again already."""
        self.failures[service] = self.failures.get(service, 0) + 1

    @property
    def known(self) -> bool:
        """Whether it was heard whether `wanted` runs: in its first seconds it is still being loaded."""
        return self._known.is_set()

    def learned(self) -> None:
        """It is known now."""
        self._known.set()

    async def wait(self) -> None:
        """Waits until it is known."""
        await self._known.wait()
