from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from voice_sandbox.faults import PROVIDERS, FaultKind
from voice_sandbox.latency import PROFILES
from voice_sandbox.server import run_sandbox
from voice_sandbox.state import SandboxOptions

ASKED = {"model": "claude-haiku-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
HEADERS = {"x-api-key": "k", "anthropic-version": "2026-10-21"}


@asynccontextmanager
async def control() -> AsyncGenerator[httpx.AsyncClient]:
    async with (
        run_sandbox(SandboxOptions(port=0, profile="instant", voice="tones", seed=9)) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url) as client,
    ):
        yield client


async def ask(client: httpx.AsyncClient, session: str) -> int:
    headers = {**HEADERS, "x-client-session": session}
    return (await client.post("/v1/messages", json=ASKED, headers=headers)).status_code


async def test_the_root_answers_what_there_is() -> None:
    async with control() as client:
        answer = await client.get("/control")
        assert answer.status_code == 200
        found = answer.json()
        assert set(found["fault_kinds"]) == {kind.value for kind in FaultKind}
        assert found["fault_kinds"]["refuse"] == "the connection closes without an answer"
        assert found["providers"] == list(PROVIDERS)
        assert found["profiles"] == list(PROFILES)
        assert "kind" in found["fault_fields"]
        assert found["routes"]["POST /control/faults"].startswith("Puts one fault rule in force")
        for route in found["routes"]:
            method, path = route.split()
            assert (await client.request(method, path)).status_code not in (404, 405)


async def test_state_shows_what_is_set() -> None:
    async with control() as client:
        await client.post("/control/faults", json={"provider": "deepgram", "kind": "stall", "count": 2})
        await client.put("/control/latency", json={"claude-haiku-5-5": {"p50_ms": 5, "p95_ms": 9}})
        state = (await client.get("/control/state")).json()
        assert (state["profile"], state["seed"], state["voice"], state["network"]) == ("instant", 9, "tones", None)
        assert state["overrides"] == {"claude-haiku-5-5": {"p50_ms": 5, "p95_ms": 9}}
        assert [(rule["provider"], rule["kind"], rule["left"]) for rule in state["faults"]] == [
            ("deepgram", "stall", 2)
        ]
        assert (await client.put("/control/profile", json={"profile": "measured"})).status_code == 200
        assert (await client.get("/control/state")).json()["network"] == {"p50_ms": 70, "p95_ms": 130}
        assert (await client.put("/control/latency", json={})).json() == {}


async def test_faults_are_switched_at_run_time_and_per_session() -> None:
    async with control() as client:
        rule = {"provider": "anthropic", "kind": "overloaded", "session": "s1"}
        assert (await client.post("/control/faults", json=rule)).status_code == 201
        assert [await ask(client, "s1"), await ask(client, "s2")] == [529, 200]
        assert (await client.delete("/control/faults?provider=anthropic&session=s2")).json() == {"cleared": 0}
        assert (await client.delete("/control/faults?provider=anthropic&session=s1")).json() == {"cleared": 1}
        assert await ask(client, "s1") == 200


async def test_counters_and_log_per_session() -> None:
    async with control() as client:
        await ask(client, "s1")
        await ask(client, "s2")
        everything = (await client.get("/control/counters")).json()
        assert everything["anthropic"]["claude-haiku-5-5"]["requests"] == 2
        one = (await client.get("/control/counters?session=s1")).json()
        assert one["anthropic"]["claude-haiku-5-5"]["input_tokens"] == 2
        log = (await client.get("/control/log?session=s2")).json()
        assert [(entry["session"], entry["outcome"], entry["body"]) for entry in log] == [("s2", "served", ASKED)]
        assert (await client.get("/control/log?provider=deepgram")).json() == []
        assert (await client.post("/control/counters/reset")).status_code == 204
        assert (await client.get("/control/counters")).json() == {}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/control/faults", {"provider": "nobody", "kind": "stall"}),
        ("POST", "/control/faults", {"provider": "deepgram", "kind": "nothing"}),
        ("POST", "/control/faults", {"provider": "deepgram", "kind": "stall", "colour": 1}),
        ("POST", "/control/faults", {"kind": "stall"}),
        ("POST", "/control/faults", []),
        ("PUT", "/control/latency", {"llm": {"p50_ms": 9, "p95_ms": 5}}),
        ("PUT", "/control/latency", {"llm": 5}),
        ("PUT", "/control/profile", {"profile": "fast"}),
        ("PUT", "/control/profile", {}),
    ],
)
async def test_nonsense_is_answered_with_a_reason(method: str, path: str, body: Any) -> None:
    async with control() as client:
        answer = await client.request(method, path, json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]
