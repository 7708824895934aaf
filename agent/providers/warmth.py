"""Connections that stand before they are needed: a new one costs two or three round trips of the first turn's time.

They are opened when a process starts, and at the start of a call or of what a caller says where that was `WARM_S` ago
or more. A call that is broken off (the caller speaks over it, a guess is taken back, the other one of two was faster)
takes its connection with it, since an answer that nobody reads cannot be skipped: another one is opened in its place.
A process without calls opens none, and each adapter keeps `MAX_IDLE_CONNECTIONS` idle ones at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol, runtime_checkable

WARM_S: Final = 60.0
"""Vendors' proxies close idle connections after one to five minutes."""
AGAIN_S: Final = 1.0
"""Seconds between two replacements of broken-off connections of all providers: each is a small request."""


@runtime_checkable
class Warms(Protocol):
    """An adapter that can open a connection ahead."""

    provider: str
    model: str

    async def warm(self) -> None:
        """Opens one with a request that is free of charge. Never fails."""
        ...


class Warmth:
    """Keeps the connections of these adapters open. Its methods never wait, but for `warm` and `run`."""

    def __init__(self, adapters: Sequence[object], tell: Callable[[str, str], None]) -> None:
        """`adapters` may grow. `tell` hears of each connection: (provider, `begun` or `broken_off`)."""
        self._adapters, self._tell = adapters, tell
        self._begun = asyncio.Event()
        self._lost: set[tuple[str, str]] = set()  # (provider, model): as many as adapters
        self._broken_off = asyncio.Event()

    async def warm(self, only: frozenset[tuple[str, str]] | None = None) -> None:
        """Opens a connection of each adapter that can, or of `only` these (provider, model)."""
        async with asyncio.TaskGroup() as group:
            for adapter in self._adapters:
                if isinstance(adapter, Warms) and (only is None or (adapter.provider, adapter.model) in only):
                    group.create_task(adapter.warm())
                    self._tell(adapter.provider, "begun" if only is None else "broken_off")

    def soon(self) -> None:
        """A call begins, or a caller to speak: what nobody has used for a while is opened meanwhile."""
        self._begun.set()

    def broken_off(self, provider: str, model: str) -> None:
        """A call was cancelled, and its connection is gone."""
        self._lost.add((provider, model))
        self._broken_off.set()

    async def run(self) -> None:
        """Opens what is wanted. Runs until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._at_begins())
            group.create_task(self._in_place())

    async def _at_begins(self) -> None:
        while True:
            await self.warm()
            await asyncio.sleep(WARM_S)
            self._begun.clear()
            await self._begun.wait()

    async def _in_place(self) -> None:
        while True:
            await self._broken_off.wait()
            self._broken_off.clear()
            lost, self._lost = frozenset(self._lost), set()
            await self.warm(lost)
            await asyncio.sleep(AGAIN_S)
