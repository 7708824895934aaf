"""A tiny scripted server side of the session protocol. A test says, turn by turn, what it answers.

It listens with its ears only: a frame that is not all zeros is voice, 200 ms of zeros after voice end an utterance.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from voice_loadtest.audio import SAMPLE_RATE, CallerRecording
from voice_loadtest.pacing import now

BUDGETS = {"voice_to_voice": 1500.0, "stt": 600.0, "llm": 400.0, "tts": 400.0, "network": 100.0}
_DEADLINE_S = 20.0


def tone(seconds: float) -> bytes:
    """A 300 Hz tone at -10 dBFS, PCM s16le mono 16 kHz."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (10_000 * np.sin(2 * np.pi * 300 * time + 0.1)).astype("<i2").tobytes()


def clip(name: str = "a clip", *, lead_s: float = 0.04, voice_s: float = 0.1, tail_s: float = 0.06) -> CallerRecording:
    """Digital silence, a tone, digital silence."""
    silence = [bytes(int(seconds * SAMPLE_RATE) * 2) for seconds in (lead_s, tail_s)]
    return CallerRecording.of(name, silence[0] + tone(voice_s) + silence[1])


@dataclass
class Talk:
    """One connection, as the server sees it. Moments are the callers' clock, in seconds."""

    socket: ServerConnection
    protocols: list[str]
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    frames: int = 0
    frame_sizes: set[int] = field(default_factory=set[int])
    arrivals: list[float] = field(default_factory=list[float])
    voice_began: float | None = None
    voice_ended: float | None = None
    closed: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    stop_listening: Callable[[], None] = lambda: None
    """From then on nobody else can connect; this connection stays."""
    _silent: int = 0

    async def listen(self) -> None:
        """Reads until the client is gone."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self._take(await self.socket.recv())
                self.changed.set()
        self.closed = True
        self.changed.set()

    def _take(self, frame: str | bytes) -> None:
        arrived = now()
        if isinstance(frame, str):
            self.messages.append(cast("dict[str, Any]", json.loads(frame)) | {"at": arrived})
            return
        self.frames += 1
        self.frame_sizes.add(len(frame))
        self.arrivals.append(arrived)
        if frame.strip(b"\0"):
            self.voice_began = self.voice_began or arrived
            self.voice_ended, self._silent = arrived, 0
        else:
            self._silent += 1

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(_DEADLINE_S):
            while not holds():
                if self.closed:
                    raise ConnectionResetError
                self.changed.clear()
                await self.changed.wait()

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def get(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The first message of a kind with these fields; waits for it."""
        await self.until(lambda: bool(self.all(kind, **fields)))
        return self.all(kind, **fields)[0]

    def all(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        wanted = {"type": kind, **fields}
        return [message for message in self.messages if wanted.items() <= message.items()]

    async def ready(self, **fields: Any) -> dict[str, Any]:
        """Waits for `start` and answers it."""
        start = await self.get("start")
        await self.send(
            "session.ready",
            **{"session_id": "s1", "tier": "premium", "policy": "haiku-first", "budgets_ms": BUDGETS, **fields},
        )
        return start

    async def hear(self) -> float:
        """Waits for an utterance to end; the moment at which its last voiced frame arrived."""
        await self.until(lambda: self.voice_ended is not None and self._silent >= 10)
        ended, self.voice_began, self.voice_ended = self.voice_ended, None, None
        assert ended is not None
        return ended

    async def voice(self) -> float:
        """Waits for voice to begin; the moment at which its first voiced frame arrived."""
        await self.until(lambda: self.voice_began is not None)
        assert self.voice_began is not None
        return self.voice_began

    async def reply(self, turn: int, text: str = "Of course.", *, seconds: float = 0.2, end: bool = True) -> float:
        """Sends a whole reply at once; the moment at which its first audio was sent."""
        await self.send("reply.text", turn=turn, clause=0, text=text)
        await self.send("audio.start", turn=turn)
        sent = now()
        pcm = tone(seconds)
        for start in range(0, len(pcm), 3200):
            await self.socket.send(pcm[start : start + 3200])
        if end:
            await self.send("audio.end", turn=turn, audio_ms=seconds * 1000)
        return sent

    async def metrics(self, turn: int, *, outcome: str = "replied", **fields: Any) -> None:
        stages = {"stt": 200.0, "llm": 300.0, "tts": 150.0, "send": 1.0, "network": 60.0}
        known = {"spoken": True, "model": "haiku", "rule": "short", "voice_to_voice_ms": 711.0, "over_budget": []}
        await self.send("turn.metrics", **{"turn": turn, "outcome": outcome, "stages": stages, **known, **fields})

    async def answer(self, turn: int, transcript: str = "hello", **reply: Any) -> float:
        """Hears an utterance, replies and measures; returns the server's own voice-to-voice in seconds."""
        ended = await self.hear()
        await self.send("transcript.final", turn=turn, text=transcript, spoken=True)
        elapsed = await self.reply(turn, **reply) - ended
        await self.metrics(turn, voice_to_voice_ms=elapsed * 1000)
        return elapsed

    async def goodbye(self, reason: str = "hangup", code: int = 1000) -> None:
        """Waits for the hang-up and ends the session."""
        await self.get("hangup")
        await self.send("session.end", reason=reason, turns=len(self.all("text")))
        await self.socket.close(code)


Behaviour = Callable[[Talk], Awaitable[None]]


@dataclass
class Service:
    """The address, and what was asked of `POST /v1/sessions`."""

    url: str = ""
    ws_url: str = ""
    talks: list[Talk] = field(default_factory=list[Talk])
    asked: list[dict[str, str]] = field(default_factory=list[dict[str, str]])  # headers, names in lower case


@contextlib.asynccontextmanager
async def service(
    behaviour: Behaviour, *, status: int = 201, body: dict[str, Any] | None = None
) -> AsyncGenerator[Service]:
    """Serves on loopback. `status` and `body` replace the answer of `POST /v1/sessions`."""
    made = Service()

    async def talk(socket: ServerConnection) -> None:
        request = socket.request
        assert request is not None
        offered = [name.strip() for name in request.headers["Sec-WebSocket-Protocol"].split(",")]
        here = Talk(socket, offered, stop_listening=lambda: socket.server.close(close_connections=False))
        made.talks.append(here)
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(here.listen())
            with contextlib.suppress(ConnectionResetError, ConnectionClosed):
                await behaviour(here)
            await socket.close()
            await listening

    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        made.asked.append(
            {"": head[0]} | {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if ": " in line)}
        )
        session = {"session_id": "s1", "token": "t0ken", "url": made.ws_url, "tier": "free", "expires_at": "2026"}
        answer = json.dumps(session if body is None else body).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n".encode())
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with (
        serve(talk, "127.0.0.1", 0, subprotocols=[Subprotocol("voice-agent.v1")], close_timeout=1) as sockets,
        await asyncio.start_server(http, "127.0.0.1", 0) as front,
    ):
        made.ws_url = f"ws://127.0.0.1:{sockets.sockets[0].getsockname()[1]}/v1/voice"
        made.url = f"http://127.0.0.1:{front.sockets[0].getsockname()[1]}"
        yield made
