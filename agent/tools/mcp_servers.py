"""The MCP servers of a process: those that definitions name are kept connected, and others are let go after a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final

import structlog

from agent.core import clock
from agent.core.errors import leaves
from agent.tools.egress import Egress
from agent.tools.mcp_server import McpServer, McpSpec, McpTool
from agent.tools.outside import OutsideError
from agent.tools.tool import Tool

SERVERS_LIMIT: Final = 16
"""Servers of a process at most: the name is a metric label, and each may be a program."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
STEADY_S: Final = 60.0
"""A connection that lasted so long begins again with the first pause when it is lost."""

NoteOf = Callable[[str, str], None]
"""Is told of a server's name and why a message of it was not taken."""
Tell = Callable[[str, bool | None], None]
"""Is told of a server's name whether it is there; None when nobody names it any more."""

log = structlog.get_logger()


class McpServers:
    """Starts and stops servers in one group of tasks; `run` it once."""

    def __init__(
        self, egress: Egress, tell: Tell = lambda _name, _up: None, *, linger_s: float = 3600.0,
        note: NoteOf = lambda _name, _reason: None,
    ) -> None:  # fmt: skip
        """A server that no definition names any more is kept for `linger_s`: sessions that know it go on."""
        self._egress, self._tell, self._linger_s, self._note = egress, tell, linger_s, note
        self._servers: dict[McpSpec, McpServer] = {}
        self._tasks: dict[McpSpec, asyncio.Task[None]] = {}
        self._unwanted: dict[McpSpec, float] = {}
        self._tried: dict[McpSpec, asyncio.Event] = {}
        self._changed = asyncio.Event()

    def want(self, specs: Iterable[McpSpec]) -> None:
        """These servers are named by the definitions in force."""
        wanted = list(dict.fromkeys(specs))
        for spec in self._servers:
            if spec not in wanted and spec not in self._unwanted:
                self._unwanted[spec] = clock.now()
                self._tell(spec.name, None)
        for spec in wanted:
            self._unwanted.pop(spec, None)
        for spec in wanted:
            if spec in self._servers:
                self._say(spec, self._servers[spec].up)
                continue
            if len(self._servers) >= SERVERS_LIMIT and self._unwanted:
                # one that is in force now goes before one that older sessions may still know
                self._let_go(min(self._unwanted, key=self._unwanted.__getitem__))
            if len(self._servers) >= SERVERS_LIMIT:
                log.error("mcp server not started", server=spec.name, most=SERVERS_LIMIT)
                continue
            self._servers[spec] = McpServer(spec, self._egress, partial(self._note, spec.name))
            self._tried[spec] = asyncio.Event()
            self._say(spec, False)
        self._changed.set()

    @property
    def names(self) -> list[str]:
        """The servers that are kept."""
        return [spec.name for spec in self._servers]

    def keeps(self, spec: McpSpec) -> bool:
        """Whether this server is kept, named by a definition or not."""
        return spec in self._servers

    def tool(self, wanted: McpTool) -> Tool | None:
        """A tool of a server as it is offered, or was when the server was last there; None where it never was."""
        server = self._servers.get(wanted.server)
        return None if server is None else server.tool(wanted)

    async def run(self) -> None:
        """Keeps the wanted servers connected. Runs until it is cancelled, and has ended them all then."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                for spec, server in self._servers.items():
                    if spec not in self._tasks:
                        self._tasks[spec] = group.create_task(self._keep(server), name=f"mcp {spec.name}")
                for spec, since in list(self._unwanted.items()):
                    if clock.now() - since >= self._linger_s:
                        self._let_go(spec)
                with suppress(TimeoutError):
                    async with asyncio.timeout(5.0):  # wait_for of Python 3.11 may lose a cancellation
                        await self._changed.wait()

    async def first_tries(self, at_most_s: float) -> None:
        """Waits until each server has been asked once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                for tried in list(self._tried.values()):
                    await tried.wait()

    def _let_go(self, spec: McpSpec) -> None:
        del self._servers[spec], self._unwanted[spec], self._tried[spec]
        if (task := self._tasks.pop(spec, None)) is not None:  # none before it was begun
            task.cancel()

    def _say(self, spec: McpSpec, up: bool) -> None:
        """Only of a server that is named: another may have its name by now."""
        if spec not in self._unwanted and spec in self._servers:
            self._tell(spec.name, up)

    async def _keep(self, server: McpServer) -> None:
        """One server, connected again and again with longer pauses."""
        name, pause, tried = server.spec.name, FIRST_PAUSE_S, self._tried[server.spec]

        def came() -> None:
            log.info("mcp server there", server=name, offers=len(server.offered))
            self._say(server.spec, True)
            tried.set()

        while True:
            began = clock.now()
            try:
                await server.stay(came)
            except (Exception, BaseExceptionGroup) as error:
                if _is_cancelled(error):
                    raise
                log.warning("mcp server lost", server=name, error=_name(error))
            finally:
                self._say(server.spec, False)
            tried.set()
            pause = FIRST_PAUSE_S if clock.now() - began >= STEADY_S else min(LONGEST_PAUSE_S, pause * 2)
            await asyncio.sleep(pause)


def _is_cancelled(error: BaseException) -> bool:
    return isinstance(error, BaseExceptionGroup) and any(isinstance(o, asyncio.CancelledError) for o in leaves(error))


def _name(error: BaseException) -> str:
    """The kind of an error, and never its words: they hold addresses and what servers say."""
    first = next(leaves(error)) if isinstance(error, BaseExceptionGroup) else error
    return f"{type(first).__name__} {first.reason}" if isinstance(first, OutsideError) else type(first).__name__
