"""One stranger with an address of its own on loopback, and what it can do: ask, connect, send bytes."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support.stack import sample

PROTOCOL: Final = "voice-agent.v1"
START: Final = json.dumps({"type": "start"})
WAIT_S: Final = 15.0


class RefusedError(Exception):
    """The attack could not begin, so nothing is known about it."""


@dataclass(frozen=True, slots=True)
class AttackResult:
    """What happened, in a few words, and whether the doors held."""

    happened: str
    held: bool


@dataclass(frozen=True, slots=True)
class Target:
    """A running service, and what the one who runs the attacks sees of it: its sandbox, its folder, its process."""

    url: str
    ops_url: str
    operator_token: str = ""
    sandbox_url: str = ""
    folder: str = ""
    pid: int = 0

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series."""
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"{self.ops_url}/metrics")).text
        return sample(text, f"voice_agent_{name}", **labels)


@dataclass(frozen=True, slots=True)
class Attacker:
    """A stranger. Each one has its own loopback address, so that what one has used up is not missing for the next."""

    target: Target
    address: str

    @property
    def port(self) -> int:
        return urlsplit(self.target.url).port or 80

    def client(self) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(local_address=self.address)
        return httpx.AsyncClient(base_url=self.target.url, transport=transport, timeout=WAIT_S)

    async def token(self, **headers: str) -> str:
        """A session token. Raises KeyError where none is given."""
        async with self.client() as client:
            return (await client.post("/v1/sessions", headers=headers)).json()["token"]

    @asynccontextmanager
    async def call(self, token: str | None, *, start: bool = True, **options: Any) -> AsyncGenerator[ClientConnection]:
        """A WebSocket with this token; `start` is sent where that is wanted."""
        offered = [Subprotocol(PROTOCOL), *([Subprotocol(f"bearer.{token}")] if token is not None else [])]
        url = f"{self.target.url.replace('http', 'ws')}/v1/voice"
        options = {"max_size": None, "compression": None, "ping_interval": None, "close_timeout": 1} | options
        async with connect(url, subprotocols=offered, local_addr=(self.address, 0), **options) as socket:
            if start:
                await socket.send(START)
            yield socket

    async def ready(self, socket: ClientConnection) -> dict[str, Any]:
        """What the service says first on a call. Raises RefusedError where that is not that it is ready."""
        said: dict[str, Any] = json.loads(await socket.recv())
        if said["type"] != "session.ready":
            raise RefusedError(f"the attacker's own call was refused: {said.get('code', said['type'])}")
        return said

    async def raw(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TCP connection on which so much was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.address, 0))
        writer.write(data)
        return reader, writer

    async def answer(self, data: bytes, wait_s: float = WAIT_S) -> bytes:
        """What the server says to so many bytes until it closes; `still open` where it does not."""
        reader, writer = await self.raw(data)
        try:
            async with asyncio.timeout(wait_s):
                return await reader.read()
        except TimeoutError:
            return b"still open"
        except OSError:
            return b"closed"
        finally:
            writer.close()

    def upgrade(self, token: str, *headers: str) -> bytes:
        """The bytes of an upgrade."""
        lines = [
            "GET /v1/voice HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            f"Sec-WebSocket-Protocol: {PROTOCOL}, bearer.{token}", *headers,
        ]  # fmt: skip
        return "\r\n".join([*lines, "", ""]).encode()

    async def upgraded(self, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A WebSocket of which the attacker writes every byte itself."""
        reader, writer = await self.raw(self.upgrade(token))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(frame(1, START.encode()))
        return reader, writer


def frame(
    opcode: int, payload: bytes = b"", *, final: bool = True, masked: bool = True, claims: int | None = None
) -> bytes:
    """One frame of the WebSocket protocol; `claims` is the length that its header gives, whatever follows."""
    length = len(payload) if claims is None else claims
    mask = 0x80 if masked else 0
    head = bytes([opcode | (0x80 if final else 0)])
    if length < 126:
        head += bytes([mask | length])
    elif length < 65_536:
        head += bytes([mask | 126]) + struct.pack("!H", length)
    else:
        head += bytes([mask | 127]) + struct.pack("!Q", length)
    return head + (bytes(4) if masked else b"") + payload


async def close_code(socket: ClientConnection, wait_s: float = WAIT_S) -> int:
    """The code with which the server closes; 0 where it does not."""
    try:
        async with asyncio.timeout(wait_s):
            while True:
                await socket.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
    except TimeoutError:
        return 0


async def flood(socket: ClientConnection, message: str | bytes, count: int) -> tuple[int, int]:
    """Sends as fast as it is taken; how many left, and the close code (0 where it stayed open)."""
    sent = 0
    listening = asyncio.create_task(close_code(socket, WAIT_S))
    try:
        while sent < count:
            await socket.send(message)
            sent += 1
    except ConnectionClosed:
        pass
    if not listening.done():
        await asyncio.wait({listening}, timeout=1.0)
    if not listening.done():
        listening.cancel()
        await asyncio.wait({listening})
        return sent, 0
    return sent, listening.result()


async def raw_code(reader: asyncio.StreamReader, wait_s: float = WAIT_S) -> int:
    """The code of the close frame that comes on a raw WebSocket; 0 where none does, 1006 where it is just cut."""
    data = b""
    try:
        async with asyncio.timeout(wait_s):
            while piece := await reader.read(65_536):
                data = (data + piece)[-4096:]
    except TimeoutError:
        return 0
    except OSError:
        pass
    position = data.rfind(b"\x88")
    return struct.unpack("!H", data[position + 2 : position + 4])[0] if 0 <= position <= len(data) - 4 else 1006
