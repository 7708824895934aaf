"""A WebSocket without a network: the client's side of a connection, in virtual time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from math import inf
from typing import Any


@dataclass
class ScriptedSocket:
    """A client: plays frames (None: it leaves), answers pings after `round_trip_s`, and may stop reading."""

    reads: bool = True
    reads_audio_bytes: float = inf  # it stops reading after so many
    round_trip_s: float | None = None
    frames: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    audio: bytearray = field(default_factory=bytearray)
    closed: tuple[int, str | None] | None = None
    _incoming: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue[dict[str, Any]])

    def says(self, *frames: str | bytes | dict[str, Any] | None) -> None:
        for frame in frames:
            match frame:
                case None:
                    self._incoming.put_nowait({"type": "websocket.disconnect"})
                case bytes():
                    self._incoming.put_nowait({"type": "websocket.receive", "bytes": frame})
                case str():
                    self._incoming.put_nowait({"type": "websocket.receive", "text": frame})
                case dict():
                    self._incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    async def receive(self) -> dict[str, Any]:
        return await self._incoming.get()

    async def send_text(self, data: str) -> None:
        await self._reading()
        message = json.loads(data)
        self.frames.append(message)
        if message["type"] == "ping" and self.round_trip_s is not None:
            pong = {"type": "pong", "id": message["id"]}
            asyncio.get_running_loop().call_later(self.round_trip_s, self.says, pong)

    async def send_bytes(self, data: bytes) -> None:
        await self._reading()
        self.audio += data
        self.reads = len(self.audio) < self.reads_audio_bytes

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        await self._reading()
        self.closed = (code, reason)

    async def _reading(self) -> None:
        if not self.reads:
            await asyncio.Event().wait()

    def types(self) -> list[str]:
        return [frame["type"] for frame in self.frames if frame["type"] != "ping"]
