"""A caller who types, hears at once what is said, and can lose the line: one call over one connection or several."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

from voice_loadtest.protocol import CallError, CallRefusedError

LOST: Final = (ConnectionClosed, OSError, InvalidHandshake, InvalidMessage, TimeoutError)
"""What a line that is lost, or does not come about, raises."""
PATIENCE_S: Final = 20.0
_START: Final = json.dumps({"type": "start", "capabilities": {"playback_reports": True}})
_HEARD_MS: Final = 600_000  # whatever was sent was heard: a report may claim no more than that
REAL: Final = frozenset({"typed", "replied"})


def dial_to(url: str, token: str, **options: Any) -> connect:
    """A connection to one process, or to a proxy. `url` is that of its HTTP side."""
    offered = [Subprotocol("voice-agent.v1"), Subprotocol(f"bearer.{token}")]
    return connect(
        url.replace("http", "ws", 1) + "/v1/voice", subprotocols=offered, max_size=None, proxy=None, **options
    )


@dataclass
class TypedCaller:
    """`open` first; `close` at the end. `request` is the body of its session request."""

    url: str
    request: Mapping[str, Any] = field(default_factory=dict[str, Any])
    api_key: str | None = field(default=None, repr=False)
    session: str = ""
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    slow: bool = False
    """Hears only the beginning of what is said: the answer goes on."""
    _line: ClientConnection | None = None
    _reader: asyncio.Task[None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _resume: str | None = None

    async def open(self) -> None:
        """Connects, or comes back, and waits for `session.ready`."""
        if self._resume is None:
            self._resume = await self._token()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    self._line = await dial_to(self.url, self._resume or "")
                    await self._line.send(_START)
                    break
                except LOST:
                    await asyncio.sleep(0.05)
        count = len(self.of("session.ready"))
        self._reader = asyncio.create_task(self._read(self._line))
        await self.until(lambda: len(self.of("session.ready")) > count)
        ready = self.of("session.ready")[-1]
        if self.session and (not ready["resumed"] or ready["session_id"] != self.session):
            raise CallError("it came back as another call")
        self.session, self._resume = ready["session_id"], ready["resume_token"]

    async def _token(self) -> str:
        headers = {} if self.api_key is None else {"authorization": f"Bearer {self.api_key}"}
        async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:
            answer = await client.post(f"{self.url}/v1/sessions", json=dict(self.request), headers=headers)
        if answer.is_error:
            raise CallRefusedError(answer.status_code, str(answer.json().get("detail", answer.status_code)))
        return answer.json()["token"]

    async def lose(self) -> None:
        """The connection is gone without a word."""
        if self._line is not None and self._reader is not None:
            self._line.transport.abort()
            await asyncio.wait({self._reader})

    async def close(self) -> None:
        """Hangs up, where the line is still there."""
        if self._line is not None and self._reader is not None:
            try:
                await self._line.send(json.dumps({"type": "hangup"}))
                await asyncio.wait({self._reader}, timeout=PATIENCE_S)
            except ConnectionClosed:
                pass
            await self._line.close()
            await asyncio.wait({self._reader})

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The messages of a type so far."""
        return [event for event in self.events if event["type"] == kind]

    def replies(self, since: int = 0) -> list[str]:
        """What was said in each turn, of the messages from number `since` on."""
        said: dict[int, list[str]] = {}
        for event in self.events[since:]:
            if event["type"] == "reply.text":
                said.setdefault(event["turn"], []).append(event["text"])
        return [" ".join(parts) for parts in said.values()]

    def reply(self, turn: int) -> str:
        """What was said in one turn; turn 0 is the greeting."""
        return " ".join(event["text"] for event in self.of("reply.text") if event["turn"] == turn)

    async def type(self, text: str) -> int:
        """Says something; returns the number of its turn."""
        count = len(self.of("transcript.final"))
        await self._send({"type": "text", "text": text})
        await self.until(lambda: len(self.of("transcript.final")) > count)
        return self.of("transcript.final")[-1]["turn"]

    async def say(self, text: str) -> None:
        """Says something, and hears the reply to its end."""
        await self.over(await self.type(text))

    async def over(self, turn: int) -> None:
        """Waits for the end of a turn."""
        await self.until(lambda: turn in {event["turn"] for event in self.of("turn.metrics")})

    async def answered(self, since: int) -> None:
        """Waits for the end of a turn that was answered, among the messages from number `since` on."""
        await self.until(lambda: any(e["type"] == "turn.metrics" and e["outcome"] in REAL for e in self.events[since:]))

    async def begins(self, since: int, patience_s: float) -> bool:
        """Whether the service takes a turn by itself within so many seconds, after message number `since`."""
        try:
            async with asyncio.timeout(patience_s):
                await self.until(lambda: any(event["type"] == "transcript.final" for event in self.events[since:]))
        except TimeoutError:
            return False
        return True

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something is true; raises TimeoutError after `PATIENCE_S`."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def _read(self, line: ClientConnection) -> None:
        try:
            async for frame in line:
                if isinstance(frame, bytes):
                    continue
                event = json.loads(frame)
                self.events.append(event)
                if event["type"] == "ping":
                    await self._send({"type": "pong", "id": event["id"]})
                elif event["type"] == "audio.start":
                    await self._report(event["turn"], "started", 0)
                    if self.slow:
                        await self._report(event["turn"], "progress", 200)
                elif event["type"] == "audio.end" and not self.slow:
                    await self._report(event["turn"], "finished", _HEARD_MS)
                self._changed.set()
        except LOST:
            return

    async def _report(self, turn: int, event: str, played_ms: float) -> None:
        await self._send({"type": "playback", "turn": turn, "event": event, "played_ms": played_ms})

    async def _send(self, message: dict[str, Any]) -> None:
        if self._line is None:
            raise CallError("there is no line: open it first")
        await self._line.send(json.dumps(message))
