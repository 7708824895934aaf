"""An HTTP server on loopback that keeps what it was asked and answers by a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What is answered; `after_s` seconds later. `raw` is written as it is, in the place of all else, and then the
    connection is closed, or held open where it `stays`.
    """

    status: int = 200
    body: Any = field(default_factory=lambda: {"ok": True})
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    after_s: float = 0.0
    raw: bytes | None = None
    stays: bool = False


@dataclass
class Endpoint:
    """The server's script and its memory."""

    port: int = 0
    answer: Callable[[Asked], Answer] = lambda _: Answer()
    asked: list[Asked] = field(default_factory=list[Asked])
    serving: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a connection in a task that ends with the server."""
        task = asyncio.create_task(self.serve(reader, writer))
        self.serving.add(task)
        task.add_done_callback(self.serving.discard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                asked = Asked(method, target, headers, body)
                self.asked.append(asked)
                answer = self.answer(asked)
                await asyncio.sleep(answer.after_s)
                if answer.raw is not None:
                    writer.write(answer.raw)
                    await writer.drain()
                    await (reader.read() if answer.stays else asyncio.sleep(0))
                    return
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                lines = [f"HTTP/1.1 {answer.status} -", f"content-length: {len(content)}"]
                lines += [f"{name}: {value}" for name, value in answer.headers.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # nobody is there any more
        finally:
            writer.close()


@asynccontextmanager
async def endpoint() -> AsyncGenerator[Endpoint]:
    """A server while the block runs."""
    made = Endpoint()
    server = await asyncio.start_server(made.connected, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        async with server:
            yield made
    finally:
        for _ in range(5):  # a connection that was being taken when the server closed
            await asyncio.sleep(0)
        for task in made.serving:
            task.cancel()
        if made.serving:
            await asyncio.wait(made.serving)
