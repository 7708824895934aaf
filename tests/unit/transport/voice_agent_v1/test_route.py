"""The route from its socket to a session and back: whom it lets in, what it tells them, and how it closes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from litestar import WebSocket
from litestar.datastructures import Address, Headers, State

from agent.auth.tokens import TokenBook
from agent.budgets import Tier
from agent.core.addresses import ClientAddresses
from agent.core.audio import duration_s
from agent.telemetry.events import QueueDropped, SessionEnded, SessionOutcome, SessionRefused
from agent.transport.send_queue import MAX_WAITING
from agent.transport.voice_agent_v1.messages import SUBPROTOCOL, CloseCode
from agent.transport.voice_agent_v1.route import BEARER, VoiceRoute, voice
from tests.support.scripted_socket import ScriptedSocket
from tests.support.session import ScriptedVoice, SessionHarness, running
from tests.support.virtual_time import run_virtual

BOOK = TokenBook("a-secret-of-at-least-thirty-two-characters", minutes=15)
START: dict[str, Any] = {"type": "start"}


@dataclass
class Upgrade(ScriptedSocket):
    """A socket that asks for the route."""

    offered: Sequence[str] = (SUBPROTOCOL,)
    accepted: list[str | None] = field(default_factory=list[str | None])
    client: Address = field(default_factory=lambda: Address("203.0.113.7", 50_000))
    headers: Headers = field(default_factory=Headers)

    @property
    def scope(self) -> dict[str, Any]:
        return {"subprotocols": list(self.offered)}

    async def accept(self, *, subprotocols: str | None) -> None:
        self.accepted.append(subprotocols)


def token(subject: str = "ada") -> str:
    return BOOK.issue(subject, Tier.PREMIUM)[0]


def upgrade(offered_token: str | None = None, **more: Any) -> Upgrade:
    return Upgrade(offered=(SUBPROTOCOL, f"{BEARER}{offered_token or token()}"), **more)


async def connect(harness: SessionHarness, socket: Upgrade, **more: Any) -> None:
    """Runs the route's handler until it has done with the socket."""
    route = VoiceRoute(
        BOOK,
        harness.registry,
        harness.sinks,
        start_timeout_s=5.0,
        resume_s=60.0,
        simulated=lambda: ("stt",),
        addresses=ClientAddresses(),
        **more,
    )
    state = cast(State, SimpleNamespace(voice=route))
    await voice.fn(cast("WebSocket[Any, Any, State]", socket), state)


def test_a_call_from_its_start_to_its_hangup() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness, asyncio.TaskGroup() as group:
            socket = upgrade()
            socket.says(START, {"type": "text", "text": "hello"})
            handler = group.create_task(connect(harness, socket))
            await asyncio.sleep(5.0)
            socket.says({"type": "hangup"})
            await handler
        assert socket.accepted == [SUBPROTOCOL]
        types = socket.types()
        assert (types[0], types[1], types[-1]) == ("session.ready", "transcript.final", "session.end")
        ready = next(frame for frame in socket.frames if frame["type"] == "session.ready")
        assert (ready["resumed"], ready["simulated"], ready["tier"]) == (False, ["stt"], "premium")
        assert socket.closed == (CloseCode.NORMAL, "completed")
        assert len(socket.audio) > 0

    run_virtual(scenario())


def test_who_calls_while_the_process_still_loads_waits_for_it() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness, asyncio.TaskGroup() as group:
            loaded = asyncio.Event()

            async def wait() -> None:
                await loaded.wait()

            socket = upgrade()
            socket.says(START, {"type": "hangup"})
            handler = group.create_task(connect(harness, socket, loaded=wait))
            await asyncio.sleep(1.0)
            assert socket.frames == []
            loaded.set()
            await handler
        assert socket.types() == ["session.ready", "session.end"]

    run_virtual(scenario())


def test_whether_the_agent_speaks_first_is_told_to_who_comes_and_not_to_who_comes_back() -> None:
    async def scenario(greeting: str | None) -> list[bool]:
        async with running(SessionHarness(greeting=greeting)) as harness:
            first = upgrade()
            first.says(START, None)
            await connect(harness, first)
            ready = next(frame for frame in first.frames if frame["type"] == "session.ready")
            again = upgrade(ready["resume_token"])
            again.says(START, {"type": "hangup"})
            await connect(harness, again)
            back = next(frame for frame in again.frames if frame["type"] == "session.ready")
        return [ready["greets"], back["greets"]]

    assert run_virtual(scenario("Good day.")) == [True, False]
    assert run_virtual(scenario(None)) == [False, False]


def test_who_was_cut_off_comes_back_with_his_resume_token() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            first = upgrade()
            first.says(START, None)
            await connect(harness, first)
            assert first.closed is None  # nobody is there to take a close frame
            ready = next(frame for frame in first.frames if frame["type"] == "session.ready")
            again = upgrade(ready["resume_token"])
            again.says(START, {"type": "hangup"})
            await connect(harness, again)
            back = next(frame for frame in again.frames if frame["type"] == "session.ready")
            assert (back["resumed"], back["session_id"]) == (True, ready["session_id"])
        assert [event.outcome for event in harness.all(SessionEnded)] == [SessionOutcome.COMPLETED]

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("offered", "code", "close_code"),
    [
        ((), "subprotocol", CloseCode.BAD_MESSAGE),
        ((SUBPROTOCOL,), "token_missing", CloseCode.BAD_TOKEN),
        ((SUBPROTOCOL, f"{BEARER}nonsense"), "token_malformed", CloseCode.BAD_TOKEN),
    ],
)
def test_who_may_not_come_in_is_told_why_after_the_accept(offered: tuple[str, ...], code: str, close_code: int) -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            socket = Upgrade(offered=offered)
            await connect(harness, socket)
        assert socket.accepted == [SUBPROTOCOL if offered else None]
        assert [frame["code"] for frame in socket.frames] == [code]
        assert socket.closed == (close_code, code)
        refused = [event.reason for event in harness.all(SessionRefused)]
        assert refused == ([code.removeprefix("token_")] if code.startswith("token_") else [])

    run_virtual(scenario())


def test_who_finds_no_room_is_told_when_to_try_again() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(max_sessions=0)) as harness:
            socket = upgrade()
            socket.says(START)
            await connect(harness, socket)
        (error,) = socket.frames
        assert (error["code"], error["fatal"]) == ("full", True)
        assert error["retry_after_s"] > 0
        assert socket.closed == (CloseCode.OVERLOADED, "full")

    run_virtual(scenario())


@pytest.mark.parametrize("frames", [[None], [{"type": "hangup"}]])
def test_who_sends_no_start_opens_no_session(frames: list[Any]) -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            socket = upgrade()
            socket.says(*frames)
            await connect(harness, socket)
        assert harness.all(SessionEnded) == []
        assert (socket.closed is None) is (frames == [None])

    run_virtual(scenario())


def test_breaking_the_protocol_ends_the_session_too() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            socket = upgrade()
            socket.says(START, bytes(3))
            await connect(harness, socket)
        assert [event.outcome for event in harness.all(SessionEnded)] == [SessionOutcome.REFUSED]
        assert socket.closed is not None
        assert socket.closed[0] == CloseCode.BAD_MESSAGE

    run_virtual(scenario())


def test_a_client_that_stops_reading_is_counted_and_let_go_of() -> None:
    async def scenario() -> None:
        voice_of_a_minute = ScriptedVoice(seconds=duration_s(MAX_WAITING) + 1.0)
        async with running(SessionHarness(tts=voice_of_a_minute)) as harness:
            socket = upgrade(reads_audio_bytes=1)
            socket.says(START, {"type": "text", "text": "tell me everything"})
            await connect(harness, socket)
            assert harness.all(QueueDropped) == [QueueDropped("outbox")]
            assert socket.closed is None
            assert harness.registry.count == 1  # he may come back

    run_virtual(scenario())
