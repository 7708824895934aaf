"""The back end that tools ask in tests: what it knows, and how it fails."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.providers import inject_fault, instant_sandbox


async def ask(url: str, day: str = "Friday") -> httpx.Response:
    async with httpx.AsyncClient(timeout=0.5) as client:
        return await client.post(f"{url}/back-end/v1/rooms", json={"day": day}, headers={"x-client-session": "s1"})


async def test_the_same_day_has_the_same_rooms() -> None:
    async with instant_sandbox() as sandbox:
        first, second = (await ask(sandbox.url)).json(), (await ask(sandbox.url)).json()
        assert first == second
        assert first["day"] == "Friday"
        assert len(first["free"]) == 2
        assert [entry.session for entry in sandbox.world.log.entries] == ["s1", "s1"]


@pytest.mark.parametrize(
    ("kind", "variant", "answer"),
    [
        ("server_error", "", 500),
        ("rate_limited", "", 429),
        ("empty", "", b""),
        ("malformed", "", ValueError),
        ("refuse", "", httpx.TransportError),
        ("cut", "", httpx.TransportError),
        ("stall", "", httpx.ReadTimeout),
        ("lies", "wrong_type", ["all of them", None, {"day": 4}]),
    ],
)
async def test_it_fails_as_back_ends_do(kind: str, variant: str, answer: Any) -> None:
    async with instant_sandbox() as sandbox:
        inject_fault(sandbox, "back_end", kind, variant=variant)
        if isinstance(answer, type):
            with pytest.raises(answer):
                (await ask(sandbox.url)).json()
            return
        response = await ask(sandbox.url)
        match answer:
            case int():
                assert response.status_code == answer
            case bytes():
                assert response.content == answer
            case _:
                assert response.json() == answer


async def test_its_mcp_server_has_the_same_rooms_and_faults_befall_its_tool_alone() -> None:
    async with instant_sandbox() as sandbox, httpx.AsyncClient() as client:
        inject_fault(sandbox, "back_end", "server_error")

        async def say(method: str, **given: Any) -> httpx.Response:
            body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": given}
            return await client.post(f"{sandbox.url}/back-end/mcp", json=body)

        assert (await say("initialize", protocolVersion="2025-11-25")).json()["result"]["serverInfo"]
        (tool,) = (await say("tools/list")).json()["result"]["tools"]
        assert (await say("tools/call", name=tool["name"], arguments={"day": "Friday"})).status_code == 500
        assert (await say("server/discover")).json()["error"]["code"] == -32601
        sandbox.world.faults.clear()
        said = (await say("tools/call", name=tool["name"], arguments={"day": "Friday"})).json()
        assert said["id"] == 7
        assert '"day":"Friday"' in said["result"]["content"][0]["text"]
        told = await client.post(f"{sandbox.url}/back-end/mcp", json={"method": "notifications/initialized"})
        assert told.status_code == 202


@pytest.mark.parametrize(
    ("variant", "status", "part"),
    [
        ("nan", 200, b"NaN"), ("half_utf8", 200, b"\xc3"), ("huge", 200, b"x" * 9_999), ("packed", 200, b"\x1f\x8b"),
        ("redirect", 307, b""), ("elsewhere", 302, b""),
    ],
)  # fmt: skip
async def test_it_answers_as_none_should(variant: str, status: int, part: bytes) -> None:
    async with instant_sandbox() as sandbox:
        inject_fault(sandbox, "back_end", "odd_answer", variant=variant)
        url = f"{sandbox.url}/back-end/v1/rooms?day=Friday"
        async with httpx.AsyncClient() as client, client.stream("GET", url) as answer:
            assert answer.status_code == status
            assert part in b"".join([piece async for piece in answer.aiter_raw()])


async def test_an_answer_without_end_goes_on_until_nobody_listens() -> None:
    async with instant_sandbox() as sandbox:
        inject_fault(sandbox, "back_end", "odd_answer", variant="endless")
        url, got = f"{sandbox.url}/back-end/v1/rooms?day=Friday", 0
        async with httpx.AsyncClient() as client, client.stream("GET", url) as answer:
            async for piece in answer.aiter_raw():
                got += len(piece)
                if got > 200_000:
                    break
        assert sandbox.world.log.entries[-1].provider == "back_end"


async def test_it_lies_about_another_day_or_gives_orders() -> None:
    async with instant_sandbox() as sandbox:
        inject_fault(sandbox, "back_end", "lies", variant="other_day", count=1)
        inject_fault(sandbox, "back_end", "lies", variant="orders", count=1)
        assert (await ask(sandbox.url)).json()["day"] != "Friday"
        assert "SYSTEM" in (await ask(sandbox.url)).json()["free"][0]
