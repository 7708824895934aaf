"""A real server with the guarded protocols, and raw sockets against it."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from agent.core.addresses import Networks
from agent.server.connections import ConnectionGate
from agent.server.protocols import MAX_FRAME, guarded
from agent.telemetry.exposition import Metrics
from agent.transport.voice_agent_v1.websocket import AUDIO, ROUND_TRIP

DEADLINE_S = 0.3
LARGE = 8_000_000  # bytes: more than the system buffers
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: " + base64.b64encode(bytes(16)) + b"\r\n"
)


async def raw_app(scope: Any, receive: Any, send: Any) -> None:
    """Answers HTTP after the body has come; a WebSocket is accepted and read to its end."""
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        body = bytes(LARGE) if scope["path"] == "/large" else b"ok"
        length = str(len(body)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": body})
        return
    await receive()
    await send({"type": "websocket.accept"})
    ROUND_TRIPS.append(scope["extensions"][ROUND_TRIP]["seconds"])
    hand_over = scope["extensions"][AUDIO]["to"]
    while (message := await receive())["type"] != "websocket.disconnect":
        if message.get("bytes"):
            TOOK.append(("message", len(message["bytes"])))
        elif message.get("text") == "hand over":
            hand_over(take)
        elif message.get("text") == "mark":
            TOOK.append(("mark", 0))
        if message.get("text") == "fill":
            FILLING.append(asyncio.create_task(fill(send)))
        elif message.get("text") == "heard?":
            HEARD.set()
    while FILLING:
        FILLING.pop().cancel()


FILLING: list[asyncio.Task[None]] = []
ROUND_TRIPS: list[Callable[[], float | None]] = []
HEARD = asyncio.Event()
TOOK: list[tuple[str, int]] = []


def take(audio: bytes) -> bool:
    """Takes audio that is handed over, but for frames of 999 bytes."""
    if len(audio) == 999:
        return False
    TOOK.append(("handed", len(audio)))
    return True


async def fill(send: Any) -> None:
    """A long reply to a client that does not read, or whose line is slow: more than the system buffers."""
    while True:
        await send({"type": "websocket.send", "bytes": bytes(100_000)})


@dataclass(frozen=True)
class RawServer:
    port: int
    gate: ConnectionGate
    metrics: Metrics

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def counted(self, name: str, reason: str) -> float:
        return self.metrics.registry.get_sample_value(f"voice_agent_{name}", {"reason": reason}) or 0.0


@asynccontextmanager
async def raw_server(
    limit: int = 100, per_address: int = 100, exempt: tuple[str, ...] = (), deadline_s: float = DEADLINE_S
) -> AsyncGenerator[RawServer]:
    metrics = Metrics()
    gate = ConnectionGate(limit, per_address, (Networks.parse(exempt),), metrics)
    http, websocket = guarded(gate, deadline_s)
    config = uvicorn.Config(
        raw_app, port=0, http=http, ws=websocket, ws_max_size=MAX_FRAME, ws_per_message_deflate=False, log_config=None,
        lifespan="off", loop="asyncio", timeout_graceful_shutdown=1,
    )  # fmt: skip
    running = uvicorn.Server(config)
    running.capture_signals = _no_signals  # type: ignore[method-assign]
    task = asyncio.create_task(running.serve())
    async with asyncio.timeout(10):
        while not running.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.005)
    try:
        yield RawServer(running.servers[0].sockets[0].getsockname()[1], gate, metrics)
    finally:
        running.should_exit = True
        await task


@contextmanager
def _no_signals() -> Any:
    yield


def frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    length = len(payload)
    head = bytes([opcode | (0x80 if final else 0)])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 65_536:
        head += bytes([0x80 | 126]) + struct.pack("!H", length)
    else:
        head += bytes([0x80 | 127]) + struct.pack("!Q", length)
    return head + bytes(4) + payload  # a mask of zeros


async def upgraded(at: RawServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await at.connect()
    writer.write(UPGRADE + b"\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    return reader, writer


async def close_code(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(5):
        data = await reader.read()
    position = data.rindex(b"\x88")
    return struct.unpack("!H", data[position + 2 : position + 4])[0]
