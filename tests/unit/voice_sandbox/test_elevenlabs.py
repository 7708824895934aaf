from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from elevenlabs.client import AsyncElevenLabs
from elevenlabs.core.api_error import ApiError

from voice_sandbox.faults import FaultKind, FaultRule
from voice_sandbox.server import RunningSandbox, run_sandbox
from voice_sandbox.state import SandboxOptions

TEXT = "Your room is booked."


@asynccontextmanager
async def sandbox_and_client(
    *, key: str = "k", timeout_s: float = 5
) -> AsyncGenerator[tuple[RunningSandbox, AsyncElevenLabs]]:
    async with (
        run_sandbox(SandboxOptions(port=0, profile="instant", voice="tones")) as sandbox,
        httpx.AsyncClient(timeout=timeout_s, headers={"x-client-session": "s1"}) as http,
    ):
        yield sandbox, AsyncElevenLabs(api_key=key, base_url=sandbox.url, timeout=timeout_s, httpx_client=http)


async def speak(client: AsyncElevenLabs, text: str = TEXT, **options: Any) -> list[bytes]:
    defaults: dict[str, Any] = {"model_id": "eleven_flash_v2_5", "output_format": "pcm_16000"}
    request: Any = {"max_retries": 0, "chunk_size": 640}
    stream = client.text_to_speech.stream("rachel", text=text, request_options=request, **(defaults | options))
    return [chunk async for chunk in stream]


async def until(condition: Callable[[], bool]) -> None:
    """Waits up to five seconds for something that only the other side of the connection makes true."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come true within five seconds")


async def test_speech_at_the_wanted_rate() -> None:
    async with sandbox_and_client() as (sandbox, client):
        chunks = await speak(client)
        assert {len(chunk) for chunk in chunks[:-1]} == {640}
        pcm = b"".join(chunks)
        assert len(pcm) == len(TEXT) * 960 * 2  # tones: 60 ms a character
        assert np.abs(np.frombuffer(pcm, "<i2")).max() > 2000
        faster = b"".join(await speak(client, output_format="pcm_24000"))
        assert len(faster) == len(pcm) * 3 // 2
        counters = sandbox.world.counters
        assert counters.total("elevenlabs", "characters", session="s1") == 2 * len(TEXT)
        assert counters.total("elevenlabs", "requests", model="eleven_flash_v2_5") == 2


async def test_the_headers_tell_request_and_cost() -> None:
    async with (
        sandbox_and_client() as (_, client),
        client.text_to_speech.with_raw_response.stream(
            "rachel", text=TEXT, model_id="eleven_flash_v2_5", output_format="pcm_16000"
        ) as response,
    ):
        assert response.headers["character-cost"] == str(len(TEXT))
        assert response.headers["request-id"]
        assert [chunk async for chunk in response.data]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"text": " "}, 400),
        ({"model_id": "eleven_v9"}, 400),
        ({"output_format": "mp3_44100_128"}, 400),
        ({"text": 5}, 422),
    ],
)
async def test_refused_requests(options: dict[str, Any], status: int) -> None:
    async with sandbox_and_client() as (sandbox, client):
        with pytest.raises(ApiError) as raised:
            await speak(client, **options)
        assert raised.value.status_code == status
        assert sandbox.world.counters.total("elevenlabs", "characters") == 0


async def test_an_empty_key_is_refused() -> None:
    async with sandbox_and_client(key="") as (_, client):
        with pytest.raises(ApiError) as raised:
            await speak(client)
        assert raised.value.status_code == 401


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FaultKind.UNAUTHORIZED, 401),
        (FaultKind.RATE_LIMITED, 429),
        (FaultKind.OVERLOADED, 529),
        (FaultKind.SERVER_ERROR, 500),
    ],
)
async def test_status_faults(kind: FaultKind, status: int) -> None:
    async with sandbox_and_client() as (sandbox, client):
        sandbox.world.faults.add(FaultRule(provider="elevenlabs", kind=kind, count=1))
        with pytest.raises(ApiError) as raised:
            await speak(client)
        assert raised.value.status_code == status
        assert ("retry-after" in (raised.value.headers or {})) == (status == 429)
        assert sandbox.world.counters.total("elevenlabs", "characters") == 0
        assert await speak(client)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.REFUSE, httpx.RemoteProtocolError),
        (FaultKind.CUT, httpx.RemoteProtocolError),
        (FaultKind.STALL, httpx.ReadTimeout),
    ],
)
async def test_broken_streams(kind: FaultKind, error: type[Exception]) -> None:
    async with sandbox_and_client(timeout_s=0.3) as (sandbox, client):
        sandbox.world.faults.add(FaultRule(provider="elevenlabs", kind=kind, after=3, count=1))
        with pytest.raises(error):
            await speak(client)
        assert sandbox.world.log.entries[-1].outcome == kind


async def test_a_malformed_stream_ends_inside_a_sample() -> None:
    async with sandbox_and_client() as (sandbox, client):
        sandbox.world.faults.add(FaultRule(provider="elevenlabs", kind=FaultKind.MALFORMED, after=2))
        assert sum(map(len, await speak(client))) == 3 * 640 - 1


async def test_empty_successes() -> None:
    async with sandbox_and_client() as (sandbox, client):
        whole = b"".join(await speak(client))
        sandbox.world.faults.add(FaultRule(provider="elevenlabs", kind=FaultKind.EMPTY, count=1))
        assert b"".join(await speak(client)) == b""
        sandbox.world.faults.add(FaultRule(provider="elevenlabs", kind=FaultKind.EMPTY, count=1, variant="silence"))
        assert b"".join(await speak(client)) == bytes(len(whole))


async def test_a_slow_drip_arrives_whole() -> None:
    async with sandbox_and_client() as (sandbox, client):
        whole = b"".join(await speak(client, "Hello."))
        sandbox.world.faults.add(FaultRule(provider="elevenlabs", kind=FaultKind.SLOW_DRIP, interval_s=0.01))
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert b"".join(await speak(client, "Hello.")) == whole
        assert loop.time() - started >= 0.01 * len(whole) // 640


async def test_a_cancelled_stream_pays_for_the_whole_text() -> None:
    async with sandbox_and_client() as (sandbox, client):
        world = sandbox.world
        world.faults.add(FaultRule(provider="elevenlabs", kind=FaultKind.SLOW_DRIP, interval_s=0.01))
        stream = client.text_to_speech.stream(
            "rachel", text=TEXT, model_id="eleven_flash_v2_5", output_format="pcm_16000"
        )
        async with aclosing(stream) as chunks:  # pyright: ignore[reportArgumentType]  (it is an async generator)
            async for _ in chunks:
                break
        await until(lambda: world.log.entries[-1].outcome == "cancelled")
        assert world.counters.total("elevenlabs", "characters") == len(TEXT)
        assert world.counters.total("elevenlabs", "requests_cancelled") == 1
