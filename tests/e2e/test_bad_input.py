"""What a broken or hostile client gets: a clear error event, a close code, and a service that goes on."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest

from agent.core.pace import Rate
from agent.transport import send_queue
from agent.transport.send_queue import SendQueue
from agent.transport.voice_agent_v1 import pace
from tests.support.stack import API_KEY, running_stack, sample
from tests.support.websocket_client import START, dial, ending, signed, token_of


async def test_bad_tokens_are_told_what_is_wrong_and_closed_with_4401() -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    cases = {
        "token_missing": None,
        "token_malformed": "x.y.z",
        "token_expired": signed(exp=past),
        "token_scope": signed(scope="something-else"),
        "token_tier": signed(tier="gold"),
        "token_signature": jwt.encode({"sub": "a", "exp": past, "scope": "voice-session"}, "x" * 40, "HS256"),
        "token_algorithm": jwt.encode({"sub": "a", "scope": "voice-session", "exp": 9999999999}, "", "none"),
        "token_oversized": "a" * 5000,
    }
    async with running_stack() as stack:
        for code, token in cases.items():
            async with dial(stack, token) as socket:
                error, close_code = await ending(socket)
            assert (error["code"], close_code) == (code, 4401), code
            assert error["fatal"]
            assert "token" in error["message"]
        text = await stack.metrics()
        assert sample(text, "voice_agent_sessions_refused_total") == len(cases)
        assert sample(text, "voice_agent_sessions_total") == 0


async def test_a_token_of_another_issuer_without_a_tier_is_premium() -> None:
    async with running_stack() as stack, dial(stack, signed(tier=None)) as socket:
        await socket.send(START)
        ready = json.loads(await socket.recv())
        assert (ready["type"], ready["tier"]) == ("session.ready", "premium")


@pytest.mark.parametrize(
    ("frames", "code", "close_code"),
    [
        (["not json"], "not_json", 4400),
        (['{"type": "start"'], "not_json", 4400),
        ([b"\0\0"], "no_start", 4400),
        (['{"type": "hangup"}'], "no_start", 4400),
        ([START, START], "started_twice", 4400),
        ([START, b"\0" * 641], "odd_audio", 4400),
        ([START, b"\0" * (64 * 1024 + 2)], "too_large", 4413),
        ([START, b"\0" * (127 * 1024)], "too_large", 4413),
        ([START, json.dumps({"type": "text", "text": "a" * 20_000})], "too_large", 4413),
        ([START, '{"type": "text"}'], "bad_message", 4400),
        ([START, '{"type": "text", "text": 5}'], "bad_message", 4400),
        ([START, '{"type": "text", "text": "  "}'], "bad_text", 4400),
        ([START, "\0\x01 pcm as text"], "not_json", 4400),
        ([START, "[1, 2]"], "bad_message", 4400),
        ([START, '{"type": "playback", "turn": 1, "event": "sideways"}'], "bad_message", 4400),
    ],
)
async def test_broken_frames_get_an_error_and_a_close_code(
    frames: list[str | bytes], code: str, close_code: int
) -> None:
    async with running_stack() as stack:
        async with dial(stack, await token_of(stack)) as socket:
            for frame in frames:
                await socket.send(frame)
            error, closed = await ending(socket)
        assert (error.get("code"), closed) == (code, close_code)
        assert len(error["message"]) > 20
        await stack.quiet()
        assert sample(await stack.metrics(), "voice_agent_active_sessions") == 0


async def test_an_unknown_type_is_a_warning_and_the_call_goes_on() -> None:
    async with running_stack() as stack, dial(stack, await token_of(stack)) as socket:
        for frame in (START, '{"type": "dance", "how": "slowly"}', '{"type": "text", "text": "hello", "extra": 1}'):
            await socket.send(frame)
        kinds: list[str] = []
        while "reply.text" not in kinds:
            frame = await socket.recv()
            if isinstance(frame, str):
                message = json.loads(frame)
                kinds.append(message["type"])
                assert message["type"] != "error" or not message["fatal"]
        assert "error" in kinds


async def test_a_client_that_never_reads_is_told_so_and_closed_with_4410(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "CONTROLS", Rate(per_s=1e6, burst=1e6))  # so that its pace is not what ends it
    found = asyncio.Event()
    close = SendQueue.close

    def closed(queue: SendQueue, code: int, reason: str) -> None:
        close(queue, code, reason)
        found.set()

    monkeypatch.setattr(SendQueue, "close", closed)
    monkeypatch.setattr(send_queue, "MAX_WAITING", 50_000)  # bytes
    small = 65_536  # bytes: the own buffers of the system grow to megabytes
    async with (
        running_stack(send_buffer=small) as stack,
        dial(stack, await token_of(stack), receive_buffer=small) as socket,
        asyncio.timeout(60),
    ):
        await socket.send(START)
        while not found.is_set():  # each is answered with an error, and no answer is read
            await socket.send('{"type": "dance"}')
            await asyncio.sleep(0)
        error, code = await ending(socket)
    assert (error["code"], code) == ("slow_client", 4410)


async def test_a_client_that_does_not_start_is_closed() -> None:
    async with running_stack(start_timeout_s=0.2) as stack, dial(stack, await token_of(stack)) as socket:
        error, code = await ending(socket)
    assert (error["code"], code) == ("no_start", 4408)


async def test_a_newer_session_of_the_same_subject_wins() -> None:
    async with running_stack() as stack, dial(stack, signed()) as older:
        await older.send(START)
        await older.recv()
        async with dial(stack, signed()) as newer:
            await newer.send(START)
            ready = json.loads(await newer.recv())
            assert ready["type"] == "session.ready"
            _, code = await ending(older)
            assert code == 4409
            assert stack.registry.count == 1


async def test_a_full_house_refuses_with_4429_and_says_when_to_try_again() -> None:
    async with running_stack(max_sessions=1) as stack, dial(stack, await token_of(stack)) as first:
        await first.send(START)
        await first.recv()
        async with dial(stack, await token_of(stack)) as second:
            await second.send(START)
            error, code = await ending(second)
        assert code == 4429
        assert "try again" in error["message"]
        ready = httpx.Response(503)
        async with httpx.AsyncClient() as client:
            ready = await client.get(f"{stack.url}/health/ready")
        assert ready.status_code == 503


async def test_each_way_to_end_has_its_own_outcome() -> None:
    async with running_stack(idle_timeout_s=0.3, resume_grace_s=0.1) as stack:
        async with dial(stack, await token_of(stack)) as socket:
            await socket.send(START)
            await socket.send('{"type": "hangup"}')
            _, code = await ending(socket)
            assert code == 1000
        async with dial(stack, await token_of(stack)) as socket:
            await socket.send(START)
            _, code = await ending(socket)  # idle
            assert code == 1000
        async with dial(stack, await token_of(stack)) as socket:
            await socket.send(START)
            await socket.recv()
            socket.transport.abort()
        await stack.quiet()
        text = await stack.metrics()
        for outcome in ("completed", "idle", "vanished"):
            assert sample(text, "voice_agent_sessions_total", outcome=outcome) == 1, outcome
    async with running_stack(max_session_s=0.3) as stack:
        async with dial(stack, await token_of(stack)) as socket:
            await socket.send(START)
            _, code = await ending(socket)
            assert code == 1000
        await stack.quiet()
        assert sample(await stack.metrics(), "voice_agent_sessions_total", outcome="too_long") == 1


async def test_who_gets_which_tier() -> None:
    secret = "a-membership-site-signs-with-8f1c7e02d5b9"
    cookie = jwt.encode({"sub": "member-1", "exp": datetime.now(UTC) + timedelta(hours=1)}, secret, "HS256")
    stale = jwt.encode({"sub": "member-1", "exp": datetime.now(UTC) - timedelta(hours=1)}, secret, "HS256")
    async with running_stack(membership_secret=secret) as stack, httpx.AsyncClient() as client:
        door = f"{stack.url}/v1/sessions"

        async def tier(**headers: str) -> tuple[int, str]:
            answer = await client.post(door, headers=headers)
            return answer.status_code, answer.json().get("tier") or answer.json()["detail"]

        assert await tier() == (201, "free")
        assert await tier(cookie=f"premium_token={cookie}") == (201, "premium")
        assert await tier(authorization=f"Bearer {API_KEY}") == (201, "premium")
        assert (await tier(cookie=f"premium_token={stale}"))[0] == 401
        assert (await tier(authorization="Bearer wrong"))[0] == 401
        assert (await tier(authorization="Basic abc"))[0] == 401
    async with running_stack(free_sessions=False) as stack, httpx.AsyncClient() as client:
        answer = await client.post(f"{stack.url}/v1/sessions")
        assert answer.status_code == 403
        assert "free sessions are switched off" in answer.json()["detail"]
        assert answer.headers["content-type"].startswith("application/problem+json")
