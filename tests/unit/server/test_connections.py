"""Connections are counted from the accept on: every address has its share, and files and providers theirs."""

from __future__ import annotations

import asyncio
import os

import pytest

from agent.server import connections
from agent.server.connections import ConnectionGate
from agent.telemetry.exposition import Metrics
from tests.support.raw_server import (
    raw_server,
)


async def test_connections_are_counted_from_the_accept_on() -> None:
    async with raw_server(limit=5) as at:
        pairs = [await at.connect() for _ in range(5)]
        await asyncio.sleep(0.05)
        assert at.gate.open == 5
        reader, writer = await at.connect()
        answer = await reader.read()
        assert b" 503 " in answer and b"retry-after: 10" in answer
        assert at.counted("connections_refused_total", "full") == 1
        for _, one in [*pairs, (reader, writer)]:
            one.close()
        await asyncio.sleep(0.05)
        assert at.gate.open == 0


async def test_one_address_has_its_share_and_proxies_have_none() -> None:
    async with raw_server(per_address=2) as at:
        pairs = [await at.connect() for _ in range(3)]
        assert b" 503 " in await pairs[2][0].read()
        assert at.counted("connections_refused_total", "address") == 1
        for _, writer in pairs:
            writer.close()
    async with raw_server(per_address=2, exempt=("127.0.0.0/8",)) as at:
        pairs = [await at.connect() for _ in range(5)]
        await asyncio.sleep(0.05)
        assert at.gate.open == 5
        for _, writer in pairs:
            writer.close()


async def test_descriptors_are_left_for_files_and_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "descriptor_limit", lambda: 256)
    gate = ConnectionGate(100_000, 100_000, (), Metrics())
    taken = sum(gate.enter(f"192.0.2.{n}") for n in range(256))
    assert taken == 256 - 64


async def test_descriptors_that_are_used_for_something_else_are_not_given_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "descriptor_limit", lambda: 256)
    monkeypatch.setattr(connections, "_descriptors_used", lambda: 90)
    metrics = Metrics()
    gate = ConnectionGate(100_000, 100_000, (), metrics)
    async with gate.watched(), asyncio.timeout(5):
        while not metrics.registry.get_sample_value("voice_agent_descriptors_used_share"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert sum(gate.enter(f"192.0.2.{n}") for n in range(256)) == 256 - 90 - 32


async def test_descriptors_near_their_limit_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    used = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(connections, "descriptor_limit", lambda: used + 1)
    said: list[str] = []

    def warn(text: str, **_: object) -> None:
        said.append(text)

    monkeypatch.setattr(connections.log, "warning", warn)
    metrics = Metrics()
    async with ConnectionGate(10, 10, (), metrics).watched():
        async with asyncio.timeout(5):
            while not said:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert said == ["descriptors near their limit"]
    assert (metrics.registry.get_sample_value("voice_agent_descriptors_used_share") or 0) > 0.8
