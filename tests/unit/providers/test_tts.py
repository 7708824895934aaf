"""Both hosted voices through their SDKs: what holds for one holds for the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from agent.core.audio import duration_s
from agent.core.calls import ErrorKind, ProviderError, Unit
from agent.providers.elevenlabs.tts import ElevenLabs
from agent.providers.openai.tts import OpenAISpeech
from agent.providers.output_check import audible
from tests.support.providers import RecordingRecorder, connections, hidden, inject_fault, instant_sandbox, until
from voice_sandbox.server import RunningSandbox

KEY = "secret-key"
CLAUSE = "Certainly, I can book a room for tomorrow."
VOICES = ("elevenlabs", "openai_tts")


def _voice(name: str, url: str) -> ElevenLabs | OpenAISpeech:
    if name == "elevenlabs":
        return ElevenLabs(api_key=KEY, base_url=url, model="eleven_flash_v2_5", voice="voice1", read_timeout_s=0.3)
    return OpenAISpeech(api_key=KEY, base_url=f"{url}/v1", model="tts-1", voice="alloy", read_timeout_s=0.3)


@asynccontextmanager
async def _speaking(name: str) -> AsyncGenerator[tuple[RunningSandbox, ElevenLabs | OpenAISpeech]]:
    async with instant_sandbox() as sandbox:
        voice = _voice(name, sandbox.url)
        try:
            yield sandbox, voice
        finally:
            await voice.close()


async def _say(voice: ElevenLabs | OpenAISpeech, recorder: RecordingRecorder) -> bytes:
    async with aclosing(voice.speak("s1", CLAUSE, recorder)) as speech:
        pieces = [piece async for piece in speech]
    assert all(piece.pcm and len(piece.pcm) % 2 == 0 for piece in pieces)
    return b"".join(piece.pcm for piece in pieces)


@pytest.mark.parametrize("name", VOICES)
async def test_a_clause_is_streamed_and_counted(name: str, recorder: RecordingRecorder) -> None:
    async with _speaking(name) as (sandbox, voice):
        pcm = await _say(voice, recorder)
        counted = sandbox.world.counters.total(name, "characters", model=voice.model, session="s1")
    assert audible(pcm)
    assert 1.0 < duration_s(len(pcm)) < 10.0
    call = recorder.only
    assert (call.service, call.provider, call.outcome) == ("tts", name, "ok")
    assert call.usage.quantities == {Unit.CHARACTERS: len(CLAUSE)}
    assert counted == len(CLAUSE)
    assert not call.usage.estimated
    assert call.first_output_at is not None
    assert set(call.headroom) == ({"concurrency"} if name == "elevenlabs" else {"requests"})
    assert all(0.9 < left < 1 for left in call.headroom.values())


async def test_24_khz_comes_out_as_long_as_16_khz(recorder: RecordingRecorder) -> None:
    lengths: list[float] = []
    for name in VOICES:
        async with _speaking(name) as (_, voice):
            lengths.append(duration_s(len(await _say(voice, recorder))))
    assert abs(lengths[0] - lengths[1]) < 0.02


FAULTS: list[tuple[dict[str, Any], ErrorKind, bool]] = [
    ({"kind": "refuse"}, ErrorKind.REFUSED, False),
    ({"kind": "unauthorized"}, ErrorKind.MISCONFIGURED, False),
    ({"kind": "rate_limited", "retry_after_s": 7}, ErrorKind.RATE_LIMITED, False),
    ({"kind": "overloaded"}, ErrorKind.OVERLOADED, False),
    ({"kind": "server_error"}, ErrorKind.OVERLOADED, False),
    ({"kind": "stall"}, ErrorKind.TIMEOUT, False),
    ({"kind": "stall", "after": 20}, ErrorKind.STALLED, True),
    ({"kind": "empty"}, ErrorKind.EMPTY, False),
    ({"kind": "empty", "variant": "silence"}, ErrorKind.EMPTY, False),
    ({"kind": "cut"}, ErrorKind.DISCONNECTED, False),
    ({"kind": "cut", "after": 20}, ErrorKind.DISCONNECTED, True),
]


@pytest.mark.parametrize("name", VOICES)
@pytest.mark.parametrize(("fault", "kind", "delivered"), FAULTS)
async def test_every_fault_has_its_kind(
    name: str, fault: dict[str, Any], kind: ErrorKind, delivered: bool, recorder: RecordingRecorder
) -> None:
    async with _speaking(name) as (sandbox, voice):
        inject_fault(sandbox, name, **fault)
        with pytest.raises(ProviderError) as caught:
            await _say(voice, recorder)
        counted = sandbox.world.counters.total(name, "characters", session="s1")
    error = caught.value
    assert (error.provider, error.kind, error.delivered) == (name, kind, delivered)
    assert error.retry_after_s == fault.get("retry_after_s")
    assert hidden(error, KEY, CLAUSE)
    call = recorder.only
    assert call.outcome == kind
    assert (call.first_output_at is not None) is delivered
    assert call.usage.quantities.get(Unit.CHARACTERS, 0) == counted


@pytest.mark.parametrize("name", VOICES)
async def test_a_closed_clause_is_billed_whole(name: str, recorder: RecordingRecorder) -> None:
    async with _speaking(name) as (sandbox, voice):
        async with aclosing(voice.speak("s1", CLAUSE, recorder)) as speech:
            async for piece in speech:
                if audible(piece.pcm):
                    break
        counted = sandbox.world.counters.total(name, "characters", session="s1")
    call = recorder.only
    assert call.outcome == "cancelled"
    assert call.usage.quantities == {Unit.CHARACTERS: len(CLAUSE)}
    assert counted == len(CLAUSE)


@pytest.mark.parametrize("name", VOICES)
async def test_cancelling_the_wait_for_audio_bills_the_clause(name: str, recorder: RecordingRecorder) -> None:
    async with _speaking(name) as (sandbox, voice):
        inject_fault(sandbox, name, "stall")
        task = asyncio.create_task(_say(voice, recorder))
        await until(lambda: sandbox.world.counters.total(name, "characters", session="s1") > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert recorder.only.outcome == "cancelled"
    assert recorder.only.usage.quantities == {Unit.CHARACTERS: len(CLAUSE)}


@pytest.mark.parametrize("name", VOICES)
async def test_nobody_there_is_refused(name: str, recorder: RecordingRecorder) -> None:
    voice = _voice(name, "http://127.0.0.1:1")
    with pytest.raises(ProviderError) as caught:
        await _say(voice, recorder)
    await voice.close()
    assert caught.value.kind is ErrorKind.REFUSED
    assert recorder.only.usage.quantities == {}


@pytest.mark.parametrize("name", VOICES)
async def test_the_connection_is_kept_between_clauses(name: str, recorder: RecordingRecorder) -> None:
    async with _speaking(name) as (sandbox, voice):
        await voice.warm()
        assert connections(sandbox) == 1
        for _ in range(3):
            await _say(voice, recorder)
        assert connections(sandbox) == 1
