"""One connection over a scripted socket: frames become commands, and breaking the protocol ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.core import clock
from agent.session.commands import CommandError, EndCall, ReportPlayback, SayText, SessionCommand
from agent.session.events import ReplyStarted, TypingRequested
from agent.session.transport import CloseReason
from agent.transport.send_queue import MAX_WAITING
from agent.transport.voice_agent_v1.errors import ProtocolError
from agent.transport.voice_agent_v1.messages import MAX_BINARY_FRAME, MAX_TEXT_FRAME, CloseCode
from agent.transport.voice_agent_v1.websocket import CLOSE_S, LINGER_S, WebSocketConnection
from tests.support.scripted_socket import ScriptedSocket
from tests.support.virtual_time import run_virtual


@dataclass
class RecordingSession:
    audio_bytes: int = 0
    commands: list[SessionCommand] = field(default_factory=list[SessionCommand])

    def audio(self, pcm: bytes, at: float) -> None:
        self.audio_bytes += len(pcm)

    def handle(self, command: SessionCommand, at: float) -> None:
        if command == SayText("bad"):
            raise CommandError("bad_text", "not this one")
        self.commands.append(command)


def test_frames_of_a_client_become_audio_and_commands_until_it_leaves() -> None:
    async def scenario() -> None:
        socket, session = ScriptedSocket(), RecordingSession()
        report = {"type": "playback", "turn": 1, "event": "started", "played_ms": 20, "ear_ms": 600}
        socket.says(bytes(640), {"type": "text", "text": "hi"}, report, {"type": "sing"}, {"type": "hangup"}, None)
        assert await WebSocketConnection(socket).run(session) is True
        assert session.audio_bytes == 640
        played = ReportPlayback(1, "started", 0.02, None, 0.6)
        assert session.commands == [SayText("hi"), played, EndCall()]

    run_virtual(scenario())


@dataclass
class HandingServer:
    """A server that hands over audio; what is not taken comes as a message."""

    socket: ScriptedSocket
    take: Callable[[bytes], bool] | None = None

    def to(self, take: Callable[[bytes], bool] | None) -> None:
        self.take = take

    def arrived(self, frame: bytes) -> None:
        if self.take is None or not self.take(frame):
            self.socket.says(frame)


def test_audio_that_the_server_hands_over_needs_no_task() -> None:
    async def scenario() -> None:
        socket, session = ScriptedSocket(), RecordingSession()
        server = HandingServer(socket)
        connection = WebSocketConnection(socket, hand_audio_to=server.to)
        server.arrived(bytes(640))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(connection.run(session))
            await asyncio.sleep(0.1)
            assert session.audio_bytes == 640
            server.arrived(bytes(320))
            assert session.audio_bytes == 960
            socket.says(None)
        assert running.result() is True
        assert server.take is None

    run_virtual(scenario())


@pytest.mark.parametrize(("size", "code"), [(641, "odd_audio"), (MAX_BINARY_FRAME + 2, "too_large")])
def test_audio_at_fault_ends_the_connection_also_when_it_was_handed_over(size: int, code: str) -> None:
    async def scenario() -> None:
        socket = ScriptedSocket()
        server = HandingServer(socket)
        running = asyncio.ensure_future(WebSocketConnection(socket, hand_audio_to=server.to).run(RecordingSession()))
        await asyncio.sleep(0.1)
        server.arrived(bytes(size))
        with pytest.raises(ProtocolError) as caught:
            await running
        assert caught.value.code == code

    run_virtual(scenario())


def test_audio_that_is_handed_over_keeps_its_pace() -> None:
    async def scenario() -> None:
        socket, session = ScriptedSocket(), RecordingSession()
        dropped: list[str] = []
        server = HandingServer(socket)
        running = asyncio.ensure_future(
            WebSocketConnection(socket, dropped.append, hand_audio_to=server.to).run(session)
        )
        await asyncio.sleep(0.1)
        for _ in range(12):
            server.arrived(bytes(32_000))
        assert session.audio_bytes == 320_000
        assert dropped == ["audio", "audio"]
        socket.says(None)
        assert await running is True

    run_virtual(scenario())


def test_an_unknown_message_is_answered_and_the_call_goes_on() -> None:
    async def scenario() -> None:
        socket, session = ScriptedSocket(), RecordingSession()
        connection = WebSocketConnection(socket)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(connection.run(session))
            socket.says({"type": "sing"}, {"type": "text", "text": "hi"})
            await asyncio.sleep(0.1)
            socket.says(None)
        assert running.result() is True
        (error,) = [frame for frame in socket.frames if frame["type"] == "error"]
        assert (error["code"], error["fatal"]) == ("unknown_type", False)
        assert session.commands == [SayText("hi")]

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("frame", "code", "close_code"),
    [
        (bytes(3), "odd_audio", CloseCode.BAD_MESSAGE),
        (bytes(MAX_BINARY_FRAME + 2), "too_large", CloseCode.TOO_LARGE),
        ("x" * (MAX_TEXT_FRAME + 1), "too_large", CloseCode.TOO_LARGE),
        ("{", "not_json", CloseCode.BAD_MESSAGE),
        ({"type": "text", "text": 5}, "bad_message", CloseCode.BAD_MESSAGE),
        ({"type": "text", "text": "bad"}, "bad_text", CloseCode.BAD_MESSAGE),
        ({"type": "start"}, "started_twice", CloseCode.BAD_MESSAGE),
    ],
)
def test_breaking_the_protocol_ends_the_connection_and_says_why(
    frame: bytes | str | dict[str, Any], code: str, close_code: int
) -> None:
    async def scenario() -> None:
        socket = ScriptedSocket()
        connection = WebSocketConnection(socket)
        socket.says(frame)
        with pytest.raises(ProtocolError) as broken:
            await connection.run(RecordingSession())
        assert (broken.value.code, broken.value.close_code) == (code, close_code)
        await connection.refuse(broken.value)
        assert (socket.frames[-1]["type"], socket.frames[-1]["code"]) == ("error", code)
        assert socket.closed == (close_code, code)

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("frames", "code"), [([], "no_start"), ([{"type": "hangup"}], "no_start"), ([bytes(640)], "no_start")]
)
def test_the_first_message_is_start(frames: list[Any], code: str) -> None:
    async def scenario() -> None:
        socket = ScriptedSocket()
        socket.says(*frames)
        with pytest.raises(ProtocolError) as broken:
            await WebSocketConnection(socket).read_start(5.0)
        assert broken.value.code == code
        assert clock.now() == (0.0 if frames else 5.0)

    run_virtual(scenario())


def test_start_declares_what_the_client_can_do_and_who_leaves_before_sends_none() -> None:
    async def scenario() -> None:
        socket = ScriptedSocket()
        socket.says({"type": "start", "capabilities": {"playback_reports": True}}, None)
        connection = WebSocketConnection(socket)
        start = await connection.read_start(5.0)
        assert start is not None
        assert start.capabilities.playback_reports
        assert not start.capabilities.browser_speech
        assert await connection.read_start(5.0) is None

    run_virtual(scenario())


def test_what_was_sent_leaves_before_the_close() -> None:
    async def scenario() -> None:
        socket = ScriptedSocket()
        connection = WebSocketConnection(socket)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(connection.run(RecordingSession()))
            connection.send(ReplyStarted(1))
            connection.send_audio(bytes(640))
            await connection.drained()
            assert len(socket.audio) == 640
            connection.send(TypingRequested())
            connection.send_audio(bytes(640))
            connection.clear_audio()
            connection.close(CloseReason.DRAINED)
            connection.close(CloseReason.FAILED)
        assert running.result() is False
        await connection.finish()
        assert socket.types() == ["audio.start", "error"]
        assert len(socket.audio) == 640
        assert socket.closed == (CloseCode.GOING_AWAY, "drained")

    run_virtual(scenario())


def test_a_client_that_does_not_read_is_let_go_of_in_bounded_time() -> None:
    async def scenario() -> None:
        socket = ScriptedSocket(reads=False)
        connection = WebSocketConnection(socket)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(connection.run(RecordingSession()))
            connection.send_audio(bytes(MAX_WAITING))
            connection.send_audio(bytes(2))
        assert running.result() is False
        assert connection.queue.overflowed
        assert connection.queue.closing[0] == CloseCode.SLOW_CLIENT
        await connection.finish()
        assert clock.now() == pytest.approx(LINGER_S + CLOSE_S)
        await WebSocketConnection(socket).refuse(ProtocolError("no_start", "", CloseCode.TIMEOUT))
        assert clock.now() == pytest.approx(2 * (LINGER_S + CLOSE_S))
        assert socket.closed is None

    run_virtual(scenario())


def test_the_round_trip_is_measured_before_the_first_turn_and_bounded_without_answers() -> None:
    async def scenario() -> None:
        socket = ScriptedSocket(round_trip_s=0.08)
        connection = WebSocketConnection(socket)
        assert connection.round_trip_s is None
        async with asyncio.TaskGroup() as group:
            group.create_task(connection.run(RecordingSession()))
            socket.says({"type": "pong", "id": 99})  # nobody asked
            await asyncio.sleep(1.0)
            assert connection.round_trip_s == pytest.approx(0.08)
            known = [frame["round_trip_ms"] for frame in socket.frames if frame["type"] == "ping"]
            assert known == [None, 80.0, 80.0], "the client is told how the line is"
            socket.round_trip_s = None
            await asyncio.sleep(600.0)
            socket.says({"type": "pong", "id": 4})  # asked for too long ago
            await asyncio.sleep(1.0)
            assert connection.round_trip_s == pytest.approx(0.08)
            socket.says(None)

    run_virtual(scenario())


@pytest.mark.parametrize(("layer_s", "known_s"), [(0.03, 0.03), (0.5, 0.08), (None, 0.08)])
def test_the_smaller_round_trip_counts_so_that_late_answers_make_no_line_slow(
    layer_s: float | None, known_s: float
) -> None:
    async def scenario() -> None:
        socket = ScriptedSocket(round_trip_s=0.08)
        connection = WebSocketConnection(socket, layer_round_trip=lambda: layer_s)
        assert connection.round_trip_s == layer_s  # the layer may know before the protocol does
        async with asyncio.TaskGroup() as group:
            group.create_task(connection.run(RecordingSession()))
            await asyncio.sleep(1.0)
            assert connection.round_trip_s == pytest.approx(known_s)
            socket.says(None)

    run_virtual(scenario())
