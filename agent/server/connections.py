"""Which TCP connections are taken: counted from the accept on, of everybody and of each address."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from agent.core.addresses import Networks, limited_as
from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics

RESERVE: Final = 64  # descriptors for files, the database and the providers: connections leave them free
RESERVE_SHARE: Final = 0.25
SPARE: Final = 32  # beside those that are in use for something else: new calls need some
WANTED_DESCRIPTORS: Final = 65_536
WATCH_S: Final = 2.0
NEAR: Final = 0.8  # share of the descriptors from which somebody is told
WELL: Final = 0.7
REFUSALS: Final = ("full", "descriptors", "address")
CUTS: Final = ("request_timeout", "unread", "handshake", "frames")

log = structlog.get_logger()


class ConnectionGate:
    """The connections of one process. `exempt` are addresses without a limit of their own, and proxies."""

    def __init__(self, limit: int, per_address: int, exempt: tuple[Networks, ...], metrics: Metrics) -> None:
        self._limit = limit
        self._per_address = per_address
        self._exempt = exempt
        self._metrics = metrics
        self._by_address: Counter[str] = Counter()
        self._others = 0  # descriptors that are no connections of clients, as they were last counted
        self.open = 0
        for reason in REFUSALS:
            metrics.child(catalog.CONNECTIONS_REFUSED, reason)
        for reason in CUTS:
            metrics.child(catalog.CONNECTIONS_CUT, reason)
        metrics.child(catalog.CONNECTIONS)

    def enter(self, address: str | None) -> bool:
        """Counts a connection that was just accepted; False, and counted as refused, where there is no room for it."""
        name = limited_as(address)
        reason: str | None = None
        if self.open >= self._limit:
            reason = "full"
        elif self.open >= _room(self._others):
            reason = "descriptors"
        elif self._by_address[name] >= self._per_address and not any(address in known for known in self._exempt):
            reason = "address"
        if reason is not None:
            self._metrics.add(catalog.CONNECTIONS_REFUSED, reason)
            return False
        self.open += 1
        self._by_address[name] += 1
        self._metrics.set(catalog.CONNECTIONS, value=self.open)
        return True

    def leave(self, address: str | None) -> None:
        """A connection that had entered is closed."""
        name = limited_as(address)
        self.open -= 1
        self._by_address[name] -= 1
        if self._by_address[name] <= 0:
            del self._by_address[name]
        self._metrics.set(catalog.CONNECTIONS, value=self.open)

    def cut(self, reason: str) -> None:
        """Counts a connection that is closed for what it does, or does not do."""
        self._metrics.add(catalog.CONNECTIONS_CUT, reason)

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """Watches the process's descriptors while the block runs: a metric, and a warning near the limit."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _watch(self) -> None:
        near = False
        while True:
            used = await asyncio.to_thread(_descriptors_used)
            self._others = max(0, used - self.open)
            share = used / descriptor_limit()
            self._metrics.set(catalog.DESCRIPTORS_USED, value=share)
            if share >= NEAR and not near:
                log.warning("descriptors near their limit", share=round(share, 2), limit=descriptor_limit())
            near = share >= (WELL if near else NEAR)
            await asyncio.sleep(WATCH_S)


def raise_descriptor_limit() -> None:
    """Takes as many descriptors as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, WANTED_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptor_limit() -> int:
    """How many descriptors this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def _room(others: int) -> int:
    """How many connections the descriptors allow; each session needs some more for its providers."""
    limit = descriptor_limit()
    return max(1, limit - max(RESERVE, int(limit * RESERVE_SHARE), others + SPARE))


def _descriptors_used() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0
