"""What should run on machines of one's own, and what of it does not at the moment: one place that all ask."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.core.calls import Service


class OwnMachine:
    """`failed`: service → why it does not run, in words for an operator. `wanted` are services of the sandbox."""

    def __init__(self, wanted: Sequence[Service] = ()) -> None:
        self.wanted = tuple(wanted)
        self.failed: dict[Service, str] = {}
        self._known = asyncio.Event()
        if not wanted:
            self._known.set()

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
