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


async def test_it_lies_about_another_day_or_gives_orders() -> None:
    async with instant_sandbox() as sandbox:
        inject_fault(sandbox, "back_end", "lies", variant="other_day", count=1)
        inject_fault(sandbox, "back_end", "lies", variant="orders", count=1)
        assert (await ask(sandbox.url)).json()["day"] != "Friday"
        assert "SYSTEM" in (await ask(sandbox.url)).json()["free"][0]
