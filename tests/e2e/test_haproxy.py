"""`deploy/haproxy/haproxy.cfg` with Debian's HAProxy before the real service: calls, drain, limits, slow clients."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection

from tests.support.billing import say, until
from tests.support.haproxy import needs_haproxy, proxied
from tests.support.stack import running_stack
from tests.support.websocket_client import START, ending

pytestmark = [pytest.mark.slow, needs_haproxy]


def service(**settings: Any) -> Any:
    """A service with its limits as they are by default, behind this proxy."""
    return running_stack(trusted_proxies=("127.0.0.1",), unlimited_addresses=(), **settings)


async def _heard(call: ClientConnection) -> int:
    """How many bytes of the reply's audio come before its end."""
    heard = 0
    async with asyncio.timeout(20):
        while True:
            frame = await call.recv()
            if isinstance(frame, bytes):
                heard += len(frame)
            elif json.loads(frame)["type"] == "audio.end":
                return heard


async def test_a_whole_call_and_nothing_of_the_operators(tmp_path: Path) -> None:
    async with service() as stack, proxied(tmp_path, stack.url) as proxy, proxy.client() as client:
        given = (await client.post("/v1/sessions")).raise_for_status()
        assert given.headers["strict-transport-security"] == "max-age=31536000"
        assert given.json()["url"].startswith("wss://127.0.0.1")
        async with proxy.call(given.json()["token"]) as call:
            await call.send(START)
            await until(call, "session.ready")
            await say(call, {"type": "text", "text": "hello"})
            assert await _heard(call) > 16_000, "half a second of audio came"
            await call.send(bytes(6_400))
            await say(call, {"type": "hangup"})
            assert (await ending(call))[1] == 1000
        codes = [(await client.get(path)).status_code for path in ("/metrics", "/v1/ops/policies", "/v1/voice")]
        assert codes == [404, 404, 426]
        async with httpx.AsyncClient(trust_env=False) as plain:
            moved = await plain.get(f"http://127.0.0.1:{proxy.plain}/")
        assert moved.status_code == 308 and moved.headers["location"].startswith("https://")


async def test_a_process_that_drains_gets_no_new_calls_and_finishes_its_turn(tmp_path: Path) -> None:
    async with service() as one, service() as other, proxied(tmp_path, one.url, other.url) as proxy:
        async with proxy.call(await proxy.token()) as call:
            await call.send(START)
            await until(call, "session.ready")
            leaving, staying = (one, other) if one.registry.count else (other, one)
            await say(call, {"type": "text", "text": "hello"})
            await until(call, "reply.text")
            draining = asyncio.create_task(leaving.registry.drain(20.0))
            assert await _heard(call) > 16_000, "the reply that was being spoken came whole"
            assert (await ending(call))[1] not in (1000, 1006), "the service says itself that it goes away"
            await draining
        async with asyncio.timeout(10):
            while True:  # at most one health check later every call goes to the other process
                async with proxy.call(await proxy.token()) as call:
                    await call.send(START)
                    message = json.loads(await call.recv())
                    if message["type"] == "session.ready":
                        break
                await asyncio.sleep(0.1)
        for _ in range(4):
            async with proxy.call(await proxy.token()) as call:
                await call.send(START)
                await until(call, "session.ready")
                assert staying.registry.count >= 1


async def test_one_address_has_its_limits_and_another_one_notices_nothing(tmp_path: Path) -> None:
    async with service() as stack, proxied(tmp_path, stack.url) as proxy:
        pairs: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        refused = 0
        for _ in range(90):
            try:
                pair = await asyncio.open_connection("127.0.0.1", proxy.tls, local_addr=("127.0.0.5", 0))
            except OSError:
                refused += 1
                continue
            pairs.append(pair)
        await asyncio.sleep(0.5)
        gone = sum(reader.at_eof() or reader.exception() is not None for reader, _ in pairs)
        assert 25 <= refused + gone <= 35, "60 stay"
        async with proxy.client("127.0.0.6") as client:
            assert (await client.post("/v1/sessions")).status_code == 201
        for _, writer in pairs:
            writer.close()
        async with proxy.client("127.0.0.7") as client:
            codes = [(await client.get("/v1/voice")).status_code for _ in range(70)]
        assert codes.count(426) <= 60 and codes[-1] == 429, "60 upgrades a minute"
        async with proxy.client("127.0.0.8") as client:  # the service sees the caller's address, not the proxy's
            given = [(await client.post("/v1/sessions")).status_code for _ in range(40)]
            assert given.count(201) <= 32 and given[-1] == 429
            assert (await client.get("/health/live")).status_code == 200
        async with proxy.client("127.0.0.9") as client:
            assert (await client.post("/v1/sessions", headers={"x-forwarded-for": "127.0.0.8"})).status_code == 201


async def test_slow_headers_and_bodies_are_cut_before_the_service_sees_them(tmp_path: Path) -> None:
    async with service() as stack, proxied(tmp_path, stack.url) as proxy:

        async def slowly(data: bytes) -> tuple[bytes, float]:
            began = asyncio.get_running_loop().time()
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.tls, ssl=proxy.trusted)
            writer.write(data)
            reading = asyncio.create_task(reader.read())
            while not reading.done() and asyncio.get_running_loop().time() - began < 12:
                try:
                    writer.write(b"x")
                    await writer.drain()
                except OSError:
                    break
                await asyncio.sleep(0.5)
            answer = await reading
            writer.close()
            return answer, asyncio.get_running_loop().time() - began

        before = stack.wiring.metrics.registry.get_sample_value("voice_agent_connections")
        answers = await asyncio.gather(
            slowly(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "),
            slowly(b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\n"),
        )
        for answer, took in answers:
            assert b" 408 " in answer and took < 8
        assert (stack.wiring.metrics.registry.get_sample_value("voice_agent_connections") or 0) <= (before or 0)
