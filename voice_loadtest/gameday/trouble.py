"""Trouble that no provider makes: a way that is cut, a process that stands still; and the caller that probes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from voice_loadtest.errors import StackError
from voice_loadtest.gameday.scenario import STALL_EVERY_S
from voice_loadtest.probe_command import probe_once
from voice_loadtest.stack.processes import LocalStack

PROBE_EVERY_S: Final = 5.0
"""Every five minutes, by the rules' time."""
CHUNK: Final = 65_536  # bytes


class Way:
    """The way to the service: passes every connection on, until it is cut."""

    def __init__(self, target: str) -> None:
        self._host, _, self._port = target.removeprefix("http://").rpartition(":")
        self._own_port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._own_port}"

    async def open(self) -> None:
        """Takes connections; the address stays the same after a cut."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._own_port)
        self._own_port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Takes none any more, and drops those that are open."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = [writer]
        try:
            there, away = await asyncio.open_connection(self._host, int(self._port))
            pair.append(away)
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, away))
                both.create_task(_pump(there, writer))
        except OSError:
            pass  # nobody answers there: the caller is told so by a connection that closes
        finally:
            for one in pair:
                one.transport.abort()
            with contextlib.suppress(OSError):
                await asyncio.gather(*(one.wait_closed() for one in pair))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


@asynccontextmanager
async def way_to(stack: LocalStack) -> AsyncGenerator[Way]:
    """A way that is open while the block runs."""
    way = Way(stack.url)
    await way.open()
    try:
        yield way
    finally:
        await way.cut()


async def stand_still(stack: LocalStack, seconds: float) -> None:
    """Stops the service's process for so long, again and again, until cancelled. Raises StackError without one."""
    process = dict(stack.processes).get("service")
    if process is None:
        raise StackError("no service runs that could stand still")
    try:
        while True:
            os.kill(process.pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            os.kill(process.pid, signal.SIGCONT)
            await asyncio.sleep(STALL_EVERY_S - seconds)
    except ProcessLookupError:  # it has ended, which others notice
        return
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)


async def keep_probing(url: str, key: str) -> None:
    """The synthetic caller of every five minutes, until it is cancelled."""
    async with asyncio.TaskGroup() as calls:
        while True:
            calls.create_task(probe_once(url, key))
            await asyncio.sleep(PROBE_EVERY_S)
