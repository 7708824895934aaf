"""One WebSocket connection of a session: reads and checks frames, writes the outbox, measures the round trip."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from statistics import median
from typing import Any, Final, Protocol

import msgspec

from agent.core import clock
from agent.core.audio import SAMPLE_WIDTH
from agent.core.errors import ProtocolError
from agent.transport.send_queue import Outbox, Socket
from agent.transport.voice_agent_v1.messages import (
    CLIENT_TYPES,
    MAX_BINARY_FRAME,
    MAX_TEXT_FRAME,
    ClientMessage,
    CloseCode,
    Error,
    Ping,
    Pong,
    Start,
    decode,
)

PING_EVERY_S: Final = 5.0
FIRST_PINGS_S: Final = (0.0, 0.2, 0.4)  # so that the first turn already has a round trip
MAX_PINGS_OPEN: Final = 16
LINGER_S: Final = 2.0  # for what is queued to leave after a close was decided
CLOSE_S: Final = 5.0  # for the close frame itself


class ReadWriteSocket(Socket, Protocol):
    """The part of a WebSocket that a connection needs."""

    def receive(self) -> Awaitable[Any]: ...

    async def close(self, code: int = 1000, reason: str | None = None) -> None: ...


class Conversationalist(Protocol):
    """Who takes what the client sends: the session."""

    def audio(self, pcm: bytes, at: float) -> None: ...

    def message(self, message: ClientMessage, at: float) -> None: ...


class RoundTrip:
    """The round trip to the client: the median of the last five pings, in seconds."""

    def __init__(self) -> None:
        self._open: dict[int, float] = {}
        self._measured: deque[float] = deque(maxlen=5)
        self._next = 0

    def ping(self, at: float) -> Ping:
        self._next += 1
        self._open[self._next] = at
        while len(self._open) > MAX_PINGS_OPEN:
            del self._open[next(iter(self._open))]
        return Ping(id=self._next)

    def pong(self, pong: Pong, at: float) -> None:
        """Takes an answer; one that was not asked for is ignored."""
        sent = self._open.pop(pong.id, None)
        if sent is not None:
            self._measured.append(at - sent)

    @property
    def seconds(self) -> float | None:
        """None until it was measured."""
        return median(self._measured) if self._measured else None


class WebSocketConnection:
    """Frames in, frames out. `read_start` comes first, then `run`."""

    def __init__(self, socket: ReadWriteSocket) -> None:
        self._socket = socket
        self.outbox = Outbox()
        self.round_trip = RoundTrip()

    async def read_start(self, timeout_s: float) -> Start | None:
        """The client's `start`; None when it left before. Raises ProtocolError."""
        try:
            async with asyncio.timeout(timeout_s):
                frame = await self._receive()
        except TimeoutError:
            reason = f"no start message within {timeout_s:g} s: send start first"
            raise ProtocolError("no_start", reason, CloseCode.TIMEOUT) from None
        if frame is None:
            return None
        message = None if isinstance(frame, bytes) else self._decode(frame)
        if not isinstance(message, Start):
            raise ProtocolError("no_start", "the first message is not start: send start first", CloseCode.BAD_MESSAGE)
        return message

    async def run(self, session: Conversationalist) -> bool:
        """Moves frames until the outbox is closed or the client is gone; True when the client left by itself.

        Raises ProtocolError when the client breaks the protocol.
        """
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self.outbox.run(self._socket))
                reader = group.create_task(self._read(session))
                pinger = group.create_task(self._ping())
                closed = group.create_task(self.outbox.closed.wait())
                await asyncio.wait({reader, closed, writer}, return_when=asyncio.FIRST_COMPLETED)
                if not reader.done():
                    await asyncio.wait({writer, reader}, timeout=LINGER_S, return_when=asyncio.FIRST_COMPLETED)
                gone = reader.done()
                for task in (writer, reader, pinger, closed):
                    task.cancel()
        except* ProtocolError as failed:
            raise _only(failed) from None
        return gone

    async def refuse(self, error: ProtocolError) -> None:
        """Tells the client what was wrong and closes."""
        message = Error(code=error.code, message=str(error), fatal=True, retry_after_s=error.retry_after_s)
        self.outbox.send(message)
        self.outbox.close(error.close_code, error.code)
        try:
            async with asyncio.timeout(LINGER_S):
                await self.outbox.run(self._socket)
        except TimeoutError:
            pass
        await self.close(error.close_code, error.code)

    async def close(self, code: int, reason: str) -> None:
        """Sends the close frame; gives up on a client that does not even take that."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close(code=code, reason=reason)
        except TimeoutError:
            return

    async def _read(self, session: Conversationalist) -> None:
        while (frame := await self._receive()) is not None:
            at = clock.now()
            if isinstance(frame, bytes):
                session.audio(_checked(frame), at)
                continue
            message = self._decode(frame)
            if message is None:
                known = ", ".join(sorted(CLIENT_TYPES))
                text = f"this type of message is not known and was ignored; known are {known}"
                self.outbox.send(Error(code="unknown_type", message=text, fatal=False))
            elif isinstance(message, Pong):
                self.round_trip.pong(message, at)
            else:
                session.message(message, at)

    async def _ping(self) -> None:
        for delay in FIRST_PINGS_S:
            await asyncio.sleep(delay)
            self.outbox.send(self.round_trip.ping(clock.now()))
        while True:
            await asyncio.sleep(PING_EVERY_S)
            self.outbox.send(self.round_trip.ping(clock.now()))

    async def _receive(self) -> bytes | str | None:
        """The next frame; None when the client is gone."""
        event = await self._socket.receive()
        if event["type"] == "websocket.disconnect":
            return None
        data: bytes | None = event.get("bytes")
        return data if data is not None else event.get("text") or ""

    def _decode(self, frame: str) -> ClientMessage | None:
        if len(frame) > MAX_TEXT_FRAME:
            text = f"a text frame of {len(frame)} characters: {MAX_TEXT_FRAME} are the most"
            raise ProtocolError("too_large", text, CloseCode.TOO_LARGE)
        try:
            return decode(frame)
        except msgspec.ValidationError as error:
            text = f"the message does not have the shape that docs/protocol.md gives it: {error}"
            raise ProtocolError("bad_message", text, CloseCode.BAD_MESSAGE) from None
        except (msgspec.DecodeError, UnicodeError):
            text = "the text frame is not JSON: send audio as binary frames and messages as JSON objects"
            raise ProtocolError("not_json", text, CloseCode.BAD_MESSAGE) from None


def _checked(pcm: bytes) -> bytes:
    if len(pcm) > MAX_BINARY_FRAME:
        text = f"an audio frame of {len(pcm)} bytes: {MAX_BINARY_FRAME} (2 s) are the most"
        raise ProtocolError("too_large", text, CloseCode.TOO_LARGE)
    if len(pcm) % SAMPLE_WIDTH:
        text = f"an audio frame of {len(pcm)} bytes: PCM s16le has two bytes for each sample"
        raise ProtocolError("odd_audio", text, CloseCode.BAD_MESSAGE)
    return pcm


def _only(group: BaseExceptionGroup[ProtocolError]) -> ProtocolError:
    found = group.exceptions[0]
    return found if isinstance(found, ProtocolError) else _only(found)
