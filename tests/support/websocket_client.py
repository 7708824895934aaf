"""A bare client of the session protocol, for tests that do what no decent client does."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from agent.settings import SANDBOX_SECRET
from tests.support.stack import API_KEY, Stack

START = json.dumps({"type": "start"})


async def token_of(stack: Stack, *, premium: bool = False) -> str:
    headers = {"authorization": f"Bearer {API_KEY}"} if premium else {}
    async with httpx.AsyncClient() as client:
        return (await client.post(f"{stack.url}/v1/sessions", headers=headers)).json()["token"]


def signed(**changes: Any) -> str:
    now = datetime.now(UTC)
    claims: dict[str, Any] = {
        "sub": "somebody",
        "scope": "voice-session",
        "tier": "free",
        "exp": now + timedelta(minutes=5),
    }
    claims |= changes
    return jwt.encode({key: value for key, value in claims.items() if value is not None}, SANDBOX_SECRET, "HS256")


@asynccontextmanager
async def dial(
    stack: Stack, token: str | None, *, protocol: str = "voice-agent.v1", receive_buffer: int | None = None
) -> AsyncGenerator[ClientConnection]:
    """Connects, with the system's receive buffer at `receive_buffer` bytes where that is given."""
    offered = [Subprotocol(protocol)] + ([Subprotocol(f"bearer.{token}")] if token is not None else [])
    url = stack.url.replace("http", "ws") + "/v1/voice"
    given: dict[str, Any] = {}
    if receive_buffer is not None:
        given["sock"] = raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.connect(("127.0.0.1", urlsplit(stack.url).port))
    async with connect(url, subprotocols=offered, max_size=None, **given) as connection:
        yield connection


async def ending(connection: ClientConnection) -> tuple[dict[str, Any], int]:
    """The last fatal `error` event and the close code."""
    error: dict[str, Any] = {}
    try:
        async with asyncio.timeout(10):
            while True:
                frame = await connection.recv()
                if isinstance(frame, str) and json.loads(frame)["type"] == "error":
                    error = json.loads(frame)
    except ConnectionClosed as closed:
        return error, closed.rcvd.code if closed.rcvd else 1006


async def until(socket: ClientConnection, kind: str, timeout_s: float = 15) -> dict[str, Any]:
    """The next message of this type."""
    async with asyncio.timeout(timeout_s):
        while True:
            frame = await socket.recv()
            if isinstance(frame, str):
                message = json.loads(frame)
                if message["type"] == kind:
                    return message


async def say(socket: ClientConnection, text: str) -> None:
    await socket.send(json.dumps({"type": "text", "text": text}))
