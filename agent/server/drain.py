"""A server that drains before it stops: SIGTERM lets running turns finish, a second signal does not wait."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import FrameType

import structlog
import uvicorn

from agent.server.quiet_server import QuietServer
from agent.session.registry import Registry

log = structlog.get_logger()


class DrainingServer(QuietServer):
    """uvicorn, which by itself closes every WebSocket at once on SIGTERM."""

    def __init__(
        self,
        config: uvicorn.Config,
        registry: Registry,
        limit_s: float,
        operations: AbstractAsyncContextManager[None],
        opened: Callable[[], None] = lambda: None,
    ) -> None:
        """`operations` is the operators' listener; it runs as long as the server does.

        `opened` is called once, when both ports are open.
        """
        super().__init__(config)
        self._operations = operations
        self._opened = opened
        self._registry = registry
        self._limit_s = limit_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drain: asyncio.Task[None] | None = None
        self.leaves_port = False
        """Whether it takes no connection any more once it drains: other processes listen on the same socket."""

    async def main_loop(self) -> None:
        """Serves until a drain has ended."""
        gc.freeze()  # what the providers' SDKs bring is set apart when they are loaded
        self._loop = asyncio.get_running_loop()
        async with self._operations:
            self._opened()
            await super().main_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to drain; stops at once when it is told twice or has not started yet."""
        if self._loop is None or self._drain is not None:
            super().handle_exit(sig, frame)
            return
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if self._drain is None:
            log.info("draining", sessions=self._registry.count, limit_s=self._limit_s)
            if self.leaves_port:
                for server in self.servers:
                    server.close()
            self._drain = asyncio.get_running_loop().create_task(self._drain_and_stop())

    async def _drain_and_stop(self) -> None:
        try:
            await self._registry.drain(self._limit_s)
        finally:
            self.leave()
