"""uvicorn's two protocols with what they lack against strangers: a gate, deadlines, bounded frames and answers.

Tried with uvicorn 0.54: a request line that never ends, headers or a body that never come, an answer that nobody reads
and a handshake that `websockets` refuses while it reads it stay open for ever; empty continuation frames and pings that
nobody reads the answers of grow memory without a bound; 256 KiB of tiny frames or chunks that are read at once keep
everybody waiting for 0.2 s.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from statistics import median
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import (
    CloseCode,
    Frame,
    apply_mask,  # pyright: ignore[reportPrivateImportUsage]  the one in C, where there is one
)
from websockets.http11 import Request
from websockets.server import ServerProtocol

from agent.server.connections import ConnectionGate
from agent.server.pieces import AUDIO_FRAME, PatientFlow, Pieces, whole_frames
from agent.server.request_rules import CheckedRequests, problem_with
from agent.transport.voice_agent_v1.websocket import AUDIO, ROUND_TRIP

MAX_FRAME: Final = (
    128 * 1024
)  # bytes of a message; docs/protocol.md: 1009 beyond, 4413 below where it is still too large
MAX_FRAGMENTS: Final = 1_024  # frames of one message
CONTROL_FRAMES_S: Final = 20.0  # pings and pongs of the WebSocket layer, which no application sees
CONTROL_BURST: Final = 200.0
DIRECT: Final = 328  # bytes of a frame with 10 ms of audio: a shorter one is not handed over directly
LEAST_READ: Final = 16_384  # bytes of an answer that are read within a deadline, where so much waits
FIRST_PINGS: Final = 3
FIRST_PINGS_S: Final = 0.2
PING_EVERY_S: Final = 5.0
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 10\r\n"
    b"x-content-type-options: nosniff\r\nconnection: close\r\n"
)
_BUSY_BODY: Final = b'{"status":503,"title":"Service Unavailable","detail":"too many connections: try again in 10 s"}'
_LATE: Final = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain\r\nx-content-type-options: nosniff\r\n"
    b"connection: close\r\ncontent-length: 34\r\n\r\nthe request did not arrive in time"
)


class GuardedHttp(H11Protocol):
    """HTTP with a gate and a deadline for each request's line and headers, for its body, and for reading the answer."""

    gate: ConnectionGate
    deadline_s: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app = CheckedRequests(self.app)
        self._pieces = Pieces(self._take, lambda: not self.flow.read_paused)
        self._entered = False
        self._deadline: asyncio.TimerHandle | None = None
        self._awaited: Any = None  # h11's state in which the deadline was set
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = PatientFlow(transport, self._pieces)
        self._entered = self.gate.enter(_address(self.client))
        if not self._entered:
            length = f"content-length: {len(_BUSY_BODY)}\r\n\r\n".encode()
            transport.write(_BUSY + length + _BUSY_BODY)
            transport.close()
            return
        transport.set_write_buffer_limits(
            high=0
        )  # so that `pause_writing` tells of every byte that waits for its reader
        self._mind()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._mind_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_unread()

    def _mind_reader(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(self.deadline_s, self._not_read, waiting)

    def _not_read(self, waiting: int) -> None:
        """A reader who has taken enough since then has another deadline. The rest would wait even after a close."""
        if self.transport.get_write_buffer_size() <= waiting - LEAST_READ:
            self._mind_reader()
            return
        self.gate.cut("unread")
        self.transport.abort()

    def _cancel_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def data_received(self, data: bytes) -> None:
        if self._entered:
            self._pieces.arrived(data, self.transport)

    def _take(self, piece: bytes) -> None:
        super().data_received(piece)
        self._mind()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        self._cancel_unread()
        if self._entered:
            self._entered = False
            self.gate.leave(_address(self.client))
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        if (problem := problem_with(self.headers)) is not None:
            self.transport.write(problem.response())
            self.transport.close()
            return
        self._entered = False  # it goes on as a WebSocket, which leaves the gate when it ends
        self._pieces.forget()
        self._cancel()
        self._cancel_unread()
        self.transport.set_write_buffer_limits()
        super().handle_websocket_upgrade(event)

    def _mind(self) -> None:
        """Runs one deadline while something of a request is outstanding: single bytes do not prolong it."""
        state = self.conn.their_state
        upgraded = not self._entered
        if upgraded or self.transport.is_closing() or state not in (h11.IDLE, h11.SEND_BODY):
            self._cancel()
        elif self.timeout_keep_alive_task is None and (self._deadline is None or state is not self._awaited):
            self._cancel()  # the headers have come: the body has its own deadline
            self._awaited = state
            self._deadline = self.loop.call_later(self.deadline_s, self._late)

    def _late(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if self.conn.their_state is not self._awaited:
            self._mind()
            return
        self.gate.cut("request_timeout")
        cycle: Any = self.cycle  # None before the first request
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(_LATE)
        self.transport.close()

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class FollowedProtocol(ServerProtocol):
    """The parser of a connection, with `unread`: bytes that have come and are not part of a whole frame yet."""

    unread = 0

    def receive_data(self, data: bytes | bytearray) -> None:
        self.unread += len(data)
        super().receive_data(data)

    def recv_frame(self, frame: Frame) -> None:
        size = len(frame.data)
        self.unread -= size + (6 if size < 126 else 8 if size < 65_536 else 14)
        super().recv_frame(frame)


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket whose memory is bounded, and that answers a handshake which cannot be read."""

    gate: ConnectionGate

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pieces = Pieces(self._take, lambda: not self.read_paused, whole_frames)
        self._control = CONTROL_BURST
        self._control_at = self.loop.time()
        self._round_trips: deque[float] = deque(maxlen=5)
        self._take_audio: Callable[[bytes], bool] | None = None
        self.conn: FollowedProtocol = FollowedProtocol(
            extensions=self.conn.available_extensions, max_size=self.config.ws_max_size, logger=self.logger
        )

    def hand_audio_to(self, take: Callable[[bytes], bool] | None) -> None:
        """Hands audio over as it arrives, fifty times a second for each caller, instead of by `receive`.

        A frame that is whole is unmasked here; the parser and the queue take ten times as long for it.
        """
        self._take_audio = take

    def _hand_over(self, piece: bytes) -> int:
        """Hands over the whole frames of audio that `piece` begins with; returns how many bytes that were.

        None overtakes what came before it, and tiny frames take the long way. Several come at once after a moment in
        which the line or this process stood still: that is when time is short.
        """
        begin = 0
        while (
            (take := self._take_audio) is not None
            and piece[begin : begin + 2] == AUDIO_FRAME
            and (end := begin + 8 + int.from_bytes(piece[begin + 2 : begin + 4], "big")) <= len(piece)
            and end - begin >= DIRECT
            and self.conn.unread == 0
            and not self.frames
            and not self.close_sent
            and self.queue.empty()
            and take(apply_mask(piece[begin + 8 : end], piece[begin + 4 : begin + 8]))
        ):
            begin = end
        return begin

    def round_trip_s(self) -> float | None:
        """The median of the last five pings of this layer, which no page can answer late; None until there is one."""
        return median(self._round_trips) if self._round_trips else None

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self.conn.unread = 0  # that was the request
            told: dict[str, dict[object, object]] = {
                ROUND_TRIP: {"seconds": self.round_trip_s},
                AUDIO: {"to": self.hand_audio_to},
            }
            self.scope["extensions"] = {**(self.scope.get("extensions") or {}), **told}

    def schedule_ping(self) -> None:
        """The first pings follow each other quickly, so that the first turn already has a round trip."""
        wait_s = FIRST_PINGS_S if len(self._round_trips) < FIRST_PINGS else PING_EVERY_S
        self.ping_timer = self.loop.call_later(wait_s, self.send_keepalive_ping)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gate.leave(_address(self.client))
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._pieces.arrived(data, self.transport)

    async def receive(self) -> Any:
        """The next message. Reading goes on when the last one is taken."""
        message = await super().receive()
        if self._pieces.waiting:
            self.transport.pause_reading()
        return message

    def _take(self, piece: bytes) -> None:
        if self._take_audio is not None:
            taken = self._hand_over(piece)
            if taken == len(piece):
                return
            piece = piece[taken:] if taken else piece
        super().data_received(piece)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.gate.cut("handshake")
            self.handshake_initiated = self.handshake_complete = self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self._fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:  # uvicorn logs an exception, which would reach whoever is told of faults
                self._fail(CloseCode.INVALID_DATA, "text that is not UTF-8")
                return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        if not self._allow_control():
            return
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # who does not read our answers gets no more of them

    def handle_pong(self, event: Frame) -> None:
        if not self._allow_control():
            return
        waited = self.pending_ping_payload is not None
        super().handle_pong(event)
        if waited and self.pending_ping_payload is None:
            self._round_trips.append(self.last_ping_rtt)

    def _allow_control(self) -> bool:
        if self.close_sent or self.transport.is_closing():
            return False
        now = self.loop.time()
        self._control = min(CONTROL_BURST, self._control + (now - self._control_at) * CONTROL_FRAMES_S)
        self._control_at = now
        if self._control < 1:
            self._fail(CloseCode.POLICY_VIOLATION, "too many pings")
            return False
        self._control -= 1
        return True

    def _fail(self, code: int, reason: str) -> None:
        if self.close_sent:
            return
        self.gate.cut("frames")
        self.frames = []
        self.conn.fail(code, reason)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.close_sent = True
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()


def guarded(gate: ConnectionGate, deadline_s: float) -> tuple[type[GuardedHttp], type[GuardedWebSocket]]:
    """The protocols of one server, for `http` and `ws` of uvicorn's configuration."""
    http = type("GuardedHttp", (GuardedHttp,), {"gate": gate, "deadline_s": deadline_s})
    websocket = type("GuardedWebSocket", (GuardedWebSocket,), {"gate": gate})
    return http, websocket


def _address(client: tuple[str, int] | None) -> str | None:
    return None if client is None else client[0]
