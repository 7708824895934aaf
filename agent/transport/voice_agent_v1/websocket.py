"""One WebSocket connection of a session: reads and checks frames, writes the queue, measures the round trip."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from statistics import median
from typing import Any, Final, Protocol

import msgspec

from agent.core import clock
from agent.core.audio import SAMPLE_WIDTH
from agent.core.errors import leaves
from agent.session.commands import CommandError, SessionCommand
from agent.session.events import SessionEvent
from agent.session.transport import CloseReason
from agent.transport.send_queue import Overflow, SendQueue, Socket
from agent.transport.voice_agent_v1.errors import ProtocolError
from agent.transport.voice_agent_v1.messages import (
    CLIENT_TYPES,
    MAX_BINARY_FRAME,
    MAX_TEXT_FRAME,
    ClientMessage,
    CloseCode,
    Error,
    Hangup,
    Ping,
    PlaybackReport,
    Pong,
    ServerMessage,
    Start,
    Text,
    decode,
    encode,
)
from agent.transport.voice_agent_v1.pace import Pacer
from agent.transport.voice_agent_v1.translation import close_frame, command_of, message_of

PING_EVERY_S: Final = 5.0
FIRST_PINGS_S: Final = (0.0, 0.2, 0.4)  # so that the first turn already has a round trip
MAX_PINGS_OPEN: Final = 16
LINGER_S: Final = 2.0  # for what is queued to leave after a close was decided
ROUND_TRIP: Final = "voice_agent.round_trip"
"""The extension of the ASGI scope by which the server says the round trip that its WebSocket layer measures."""
AUDIO: Final = "voice_agent.audio"
"""The extension by which the server hands over audio as it arrives, past the queue and the task that messages take."""
CLOSE_S: Final = 5.0  # for the close frame itself
NOT_READING: Final = "the client does not read what it is sent: read the socket all the time"


class ReadWriteSocket(Socket, Protocol):
    """The part of a WebSocket that a connection needs."""

    def receive(self) -> Awaitable[Any]: ...

    async def close(self, code: int = 1000, reason: str | None = None) -> None: ...


HandOver = Callable[[Callable[[bytes], bool] | None], None]
"""Tells the server who takes the audio from now on; None: nobody, it comes as messages do.

Audio that is not taken (False) comes as a message, too; none overtakes a message that came before it.
"""


class Conversationalist(Protocol):
    """Who takes what the client sends: the session."""

    def audio(self, pcm: bytes, at: float) -> None: ...

    def handle(self, command: SessionCommand, at: float) -> None: ...


class RoundTrip:
    """The round trip to the client: the median of the last five pings, in seconds."""

    def __init__(self) -> None:
        self._open: dict[int, float] = {}
        self._measured: deque[float] = deque(maxlen=5)
        self._next = 0

    def ping(self, at: float, known_s: float | None = None) -> Ping:
        """The next ping; `known_s` is the round trip that counts so far, in seconds."""
        self._next += 1
        self._open[self._next] = at
        while len(self._open) > MAX_PINGS_OPEN:
            del self._open[next(iter(self._open))]
        return Ping(id=self._next, round_trip_ms=None if known_s is None else round(known_s * 1000, 1))

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
    """Frames in, frames out: a `ClientTransport`. `read_start` comes first, then `run`."""

    def __init__(
        self,
        socket: ReadWriteSocket,
        dropped: Callable[[str], None] = lambda _: None,
        layer_round_trip: Callable[[], float | None] = lambda: None,
        hand_audio_to: HandOver = lambda _: None,
    ) -> None:
        """`dropped` is told the kind of each thing that the client sent too fast.

        `layer_round_trip` is the round trip of the WebSocket layer's own pings in seconds, None until it is known.
        `hand_audio_to` is the server's way to hand over audio as it arrives, where it has one.
        """
        self._socket = socket
        self._layer_round_trip = layer_round_trip
        self._hand_audio_to = hand_audio_to
        self._fault: Exception | None = None  # of a frame that was handed over
        self._pacer = Pacer(clock.now(), self.send_message, dropped)
        slow = encode(Error(code="slow_client", message=NOT_READING, fatal=True))
        self.queue = SendQueue(Overflow(slow, CloseCode.SLOW_CLIENT, "slow client"))
        self.round_trip = RoundTrip()

    # What the session sees

    @property
    def round_trip_s(self) -> float | None:
        """The smaller of the protocol's and the layer's: a page that answers `ping` late makes no line slow."""
        known = (one for one in (self.round_trip.seconds, self._layer_round_trip()) if one is not None)
        return min(known, default=None)

    def send(self, event: SessionEvent) -> None:
        self.send_message(message_of(event))

    def send_audio(self, pcm: bytes) -> None:
        self.queue.send(pcm)

    def clear_audio(self) -> None:
        self.queue.discard_audio()

    async def drained(self) -> None:
        await self.queue.written()

    def close(self, reason: CloseReason) -> None:
        self.queue.close(*close_frame(reason))

    # What the route sees

    def send_message(self, message: ServerMessage) -> None:
        """Sends a message of the protocol itself, after what was sent before."""
        self.queue.send(encode(message))

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
        """Moves frames until the queue is closed or the client is gone; True when the client left by itself.

        Raises ProtocolError when the client breaks the protocol.
        """
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self.queue.run(self._socket))
                reader = group.create_task(self._read(session))
                pinger = group.create_task(self._ping())
                closed = group.create_task(self.queue.closed.wait())
                await asyncio.wait({reader, closed, writer}, return_when=asyncio.FIRST_COMPLETED)
                if not reader.done():
                    await asyncio.wait({writer, reader}, timeout=LINGER_S, return_when=asyncio.FIRST_COMPLETED)
                gone = reader.done()
                for task in (writer, reader, pinger, closed):
                    task.cancel()
        except* ProtocolError as failed:
            raise next(leaves(failed)) from None
        return gone

    async def refuse(self, error: ProtocolError) -> None:
        """Tells the client what was wrong and closes."""
        message = Error(code=error.code, message=str(error), fatal=True, retry_after_s=error.retry_after_s)
        self.send_message(message)
        self.queue.close(error.close_code, error.code)
        try:
            async with asyncio.timeout(LINGER_S):
                await self.queue.run(self._socket)
        except TimeoutError:
            pass
        await self._close(error.close_code, error.code)

    async def finish(self) -> None:
        """Sends the close frame that was decided; gives up on a client that does not even take that."""
        await self._close(*self.queue.closing)

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close(code=code, reason=reason)
        except TimeoutError:
            return

    async def _read(self, session: Conversationalist) -> None:
        self._hand_audio_to(partial(self._taken, session.audio))
        try:
            await self._read_messages(session)
        finally:
            self._hand_audio_to(None)

    def _taken(self, give: Callable[[bytes, float], None], frame: bytes) -> bool:
        """Takes audio as it arrives; False where it is at fault, which the reader raises when it gets it."""
        try:
            self._audio(give, frame)
        except Exception as error:
            self._fault = error
            return False
        return True

    def _audio(self, give: Callable[[bytes, float], None], frame: bytes) -> None:
        at, size = clock.now(), len(frame)
        if size > MAX_BINARY_FRAME or size % SAMPLE_WIDTH:
            raise _fault_of(size)
        if self._pacer.takes_audio(size, at):
            give(frame, at)

    async def _read_messages(self, session: Conversationalist) -> None:
        while (frame := await self._receive()) is not None:
            if self._fault is not None:
                raise self._fault
            if isinstance(frame, bytes):
                self._audio(session.audio, frame)
                continue
            at = clock.now()
            message = self._decode(frame)
            if not self._pacer.takes(message, at):
                continue
            if message is None:
                known = ", ".join(sorted(CLIENT_TYPES))
                text = f"this type of message is not known and was ignored; known are {known}"
                self.send_message(Error(code="unknown_type", message=text, fatal=False))
            elif isinstance(message, Pong):
                self.round_trip.pong(message, at)
            elif isinstance(message, Start):
                raise ProtocolError("started_twice", "start was sent before: send it once", CloseCode.BAD_MESSAGE)
            else:
                self._hand_over(session, message, at)

    def _hand_over(self, session: Conversationalist, message: Text | PlaybackReport | Hangup, at: float) -> None:
        try:
            session.handle(command_of(message), at)
        except CommandError as error:
            raise ProtocolError(error.code, str(error), CloseCode.BAD_MESSAGE) from None

    async def _ping(self) -> None:
        for delay in FIRST_PINGS_S:
            await asyncio.sleep(delay)
            self.send_message(self.round_trip.ping(clock.now(), self.round_trip_s))
        while True:
            await asyncio.sleep(PING_EVERY_S)
            self.send_message(self.round_trip.ping(clock.now(), self.round_trip_s))

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


def _fault_of(size: int) -> ProtocolError:
    """What is wrong with an audio frame of so many bytes."""
    if size > MAX_BINARY_FRAME:
        text = f"an audio frame of {size} bytes: {MAX_BINARY_FRAME} (2 s) are the most"
        return ProtocolError("too_large", text, CloseCode.TOO_LARGE)
    text = f"an audio frame of {size} bytes: PCM s16le has two bytes for each sample"
    return ProtocolError("odd_audio", text, CloseCode.BAD_MESSAGE)
