from __future__ import annotations

import io
import wave
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from json import JSONDecodeError
from typing import Any

import httpx2
import openai
import pytest

from voice_sandbox.faults import FaultKind, FaultRule
from voice_sandbox.server import RunningSandbox, run_sandbox
from voice_sandbox.state import BUNDLED_CLIPS, SandboxOptions

TEXT = "Your room is booked."
CLIP = BUNDLED_CLIPS / "room_03.wav"
HEARD = "For five people."


@asynccontextmanager
async def sandbox_and_client(**options: Any) -> AsyncGenerator[tuple[RunningSandbox, openai.AsyncOpenAI]]:
    defaults: dict[str, Any] = {
        "api_key": "k",
        "max_retries": 0,
        "timeout": 5,
        "default_headers": {"x-client-session": "s1"},
    }
    async with (
        run_sandbox(SandboxOptions(port=0, profile="instant", voice="tones")) as sandbox,
        openai.AsyncOpenAI(base_url=f"{sandbox.url}/v1", **(defaults | options)) as client,
    ):
        yield sandbox, client


async def speak(client: openai.AsyncOpenAI, **options: Any) -> bytes:
    defaults: dict[str, Any] = {"model": "tts-1", "voice": "alloy", "input": TEXT, "response_format": "pcm"}
    async with client.audio.speech.with_streaming_response.create(**(defaults | options)) as response:
        return b"".join([chunk async for chunk in response.iter_bytes(640)])


async def transcribe(client: openai.AsyncOpenAI, **options: Any) -> Any:
    defaults: dict[str, Any] = {"model": "gpt-transcribe", "file": ("audio.wav", CLIP.read_bytes())}
    return await client.audio.transcriptions.create(**(defaults | options))


async def test_speech_is_pcm_at_24_khz() -> None:
    async with sandbox_and_client() as (sandbox, client):
        pcm = await speak(client)
        assert len(pcm) == int(len(TEXT) * 0.06 * 24_000) * 2
        with wave.open(io.BytesIO(await speak(client, response_format="wav"))) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
            assert file.readframes(file.getnframes()) == pcm
        assert sandbox.world.counters.total("openai_tts", "characters", session="s1") == 2 * len(TEXT)


async def test_transcription_of_a_known_clip() -> None:
    async with sandbox_and_client() as (sandbox, client):
        heard = await transcribe(client)
        assert heard.text.strip(".").lower() == HEARD.strip(".").lower()
        assert heard.usage.type == "tokens"
        whisper = await transcribe(client, model="whisper-1")
        assert (whisper.usage.type, whisper.usage.seconds) == ("duration", pytest.approx(1.2, abs=0.01))
        plain = await transcribe(client, response_format="text")
        assert plain.strip() == heard.text
        assert sandbox.world.counters.total("openai_stt", "audio_seconds") == pytest.approx(3.6, abs=0.03)


async def test_transcription_as_a_stream() -> None:
    async with sandbox_and_client() as (_, client):
        events = [event async for event in await transcribe(client, stream=True)]
        assert {event.type for event in events[:-1]} == {"transcript.text.delta"}
        assert events[-1].type == "transcript.text.done"
        assert "".join(event.delta for event in events[:-1]) == events[-1].text
        usage = events[-1].usage
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0
        assert (await transcribe(client, stream=True, model="whisper-1")).response.headers["content-type"] == (
            "application/json"
        )


async def test_stereo_at_44_khz_is_heard() -> None:
    async with sandbox_and_client() as (_, client):
        with wave.open(str(CLIP)) as file:
            samples = file.readframes(file.getnframes())
        stereo = io.BytesIO()
        with wave.open(stereo, "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(b"".join(samples[i : i + 2] * 2 for i in range(0, len(samples), 2)))
        assert (await transcribe(client, file=("a.wav", stereo.getvalue()))).text == (await transcribe(client)).text


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": "tts-9"}, openai.NotFoundError),
        ({"input": ""}, openai.BadRequestError),
        ({"input": "x" * 4097}, openai.BadRequestError),
        ({"response_format": "mp3"}, openai.BadRequestError),
        ({"stream_format": "sse"}, openai.BadRequestError),
    ],
)
async def test_refused_speech(options: dict[str, Any], error: type[openai.APIStatusError]) -> None:
    async with sandbox_and_client() as (sandbox, client):
        with pytest.raises(error):
            await speak(client, **options)
        assert sandbox.world.counters.total("openai_tts", "characters") == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": "whisper-9"}, openai.NotFoundError),
        ({"file": ("a.wav", b"no audio")}, openai.BadRequestError),
        ({"file": ("a.wav", b"")}, openai.BadRequestError),
        ({"response_format": "vtt"}, openai.BadRequestError),
    ],
)
async def test_refused_transcriptions(options: dict[str, Any], error: type[openai.APIStatusError]) -> None:
    async with sandbox_and_client() as (sandbox, client):
        with pytest.raises(error):
            await transcribe(client, **options)
        assert sandbox.world.counters.total("openai_stt", "audio_seconds") == 0


async def test_an_empty_key_is_refused() -> None:
    async with sandbox_and_client(default_headers={"Authorization": "Bearer"}) as (_, client):
        with pytest.raises(openai.AuthenticationError):
            await speak(client)
        with pytest.raises(openai.AuthenticationError):
            await transcribe(client)


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
        for provider in ("openai_tts", "openai_stt"):
            sandbox.world.faults.add(FaultRule(provider=provider, kind=kind, count=1, retry_after_s=3))
        for attempt in (speak, transcribe):
            with pytest.raises(openai.APIStatusError) as raised:
                await attempt(client)
            assert raised.value.status_code == status
            assert raised.value.response.headers["retry-after"] == "3"
            assert await attempt(client)


# After its headers have come, the SDK hands on the errors of its HTTP library as they are; before, it wraps them.
@pytest.mark.parametrize(
    ("kind", "speech_error", "transcription_error"),
    [
        (FaultKind.REFUSE, openai.APIConnectionError, openai.APIConnectionError),
        (FaultKind.CUT, httpx2.RemoteProtocolError, openai.APIConnectionError),
        (FaultKind.STALL, httpx2.ReadTimeout, openai.APITimeoutError),
    ],
)
async def test_broken_answers(
    kind: FaultKind, speech_error: type[Exception], transcription_error: type[Exception]
) -> None:
    async with sandbox_and_client(timeout=0.5) as (sandbox, client):
        for provider in ("openai_tts", "openai_stt"):
            sandbox.world.faults.add(FaultRule(provider=provider, kind=kind))
        with pytest.raises(speech_error):
            await speak(client)
        with pytest.raises(transcription_error):
            await transcribe(client)
        assert [entry.outcome for entry in sandbox.world.log.entries] == [kind, kind]


async def test_malformed_answers() -> None:
    async with sandbox_and_client() as (sandbox, client):
        sandbox.world.faults.add(FaultRule(provider="openai_tts", kind=FaultKind.MALFORMED))
        sandbox.world.faults.add(FaultRule(provider="openai_stt", kind=FaultKind.MALFORMED))
        assert len(await speak(client)) % 2 == 1
        with pytest.raises(JSONDecodeError):
            [event async for event in await transcribe(client, stream=True)]
        with pytest.raises((openai.APIResponseValidationError, JSONDecodeError)):
            await transcribe(client)


async def test_empty_successes() -> None:
    async with sandbox_and_client() as (sandbox, client):
        whole = await speak(client)
        add = sandbox.world.faults.add
        add(FaultRule(provider="openai_tts", kind=FaultKind.EMPTY, count=1))
        assert await speak(client) == b""
        add(FaultRule(provider="openai_tts", kind=FaultKind.EMPTY, count=1, variant="silence"))
        assert await speak(client) == bytes(len(whole))
        add(FaultRule(provider="openai_stt", kind=FaultKind.EMPTY, count=1))
        assert (await transcribe(client)).text == ""
        add(FaultRule(provider="openai_stt", kind=FaultKind.EMPTY, count=1, variant="whitespace"))
        assert (await transcribe(client)).text.isspace()


async def test_a_slow_drip_arrives_whole() -> None:
    async with sandbox_and_client() as (sandbox, client):
        whole, text = await speak(client, input="Hi."), (await transcribe(client)).text
        for provider in ("openai_tts", "openai_stt"):
            sandbox.world.faults.add(FaultRule(provider=provider, kind=FaultKind.SLOW_DRIP, interval_s=0.01))
        assert await speak(client, input="Hi.") == whole
        assert (await transcribe(client)).text == text
