"""A provider that is far away: a TCP proxy in front of the sandbox, on which a new connection takes its time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class FarAway:
    """New connections pass nothing on for `connect_s` seconds: as long as the handshakes of TCP and TLS would take."""

    def __init__(self, upstream: str, connect_s: float) -> None:
        parts = urlsplit(upstream)
        self._host, self._port, self._connect_s = parts.hostname or "", parts.port or 0, connect_s
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""
        self.opened = 0
        """Connections so far."""

    def hang_up(self) -> None:
        """Closes every connection, as the vendor's proxies do after some minutes of silence."""
        for writer in list(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.opened += 1
        self._writers.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            await asyncio.sleep(self._connect_s)
            back, there = await asyncio.open_connection(self._host, self._port)
            _at_once(there)
            _at_once(writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, there))
                group.create_task(_pump(back, writer))
        except* (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            for end in (writer, there):
                if end is not None:
                    end.close()
            self._tasks.discard(task)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[FarAway]:
        """Listens until the block ends."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


def _at_once(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
