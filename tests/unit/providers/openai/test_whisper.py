from __future__ import annotations

import asyncio
import json
import wave
from typing import Any

import pytest

from agent.core.calls import ErrorKind, ProviderError, Unit
from agent.providers.openai.whisper import Whisper
from tests.support.providers import RecordingRecorder, hidden, inject_fault, instant_sandbox, until
from voice_sandbox.server import RunningSandbox
from voice_sandbox.state import BUNDLED_CLIPS

KEY = "secret-key"
MODEL = "gpt-transcribe"


def _clip() -> tuple[bytes, str]:
    """A bundled clip of the sandbox as PCM s16le mono 16 kHz, and its words."""
    entry = json.loads((BUNDLED_CLIPS / "transcripts.jsonl").read_text().splitlines()[0])
    with wave.open(str(BUNDLED_CLIPS / entry["file"]), "rb") as reader:
        assert (reader.getframerate(), reader.getnchannels()) == (16_000, 1)
        return reader.readframes(reader.getnframes()), entry["transcript"]


def _whisper(sandbox: RunningSandbox) -> Whisper:
    return Whisper(api_key=KEY, base_url=f"{sandbox.url}/v1", model=MODEL, deadline_s=0.5)


def _words(text: str) -> list[str]:
    return "".join(letter for letter in text.lower() if letter.isalnum() or letter == " ").split()


async def test_a_segment_is_transcribed_and_counted(recorder: RecordingRecorder) -> None:
    pcm, words = _clip()
    async with instant_sandbox() as sandbox:
        whisper = _whisper(sandbox)
        text = await whisper.transcribe("s1", pcm, recorder)
        await whisper.close()
        seconds = sandbox.world.counters.total("openai_stt", "audio_seconds", model=MODEL, session="s1")
    assert _words(text) == _words(words)
    call = recorder.only
    assert (call.service, call.provider, call.outcome) == ("stt", "openai_stt", "ok")
    assert call.usage.quantities == {Unit.AUDIO_SAMPLES: len(pcm) // 2}
    assert seconds == len(pcm) / 32_000


FAULTS: list[tuple[dict[str, Any], ErrorKind]] = [
    ({"kind": "refuse"}, ErrorKind.REFUSED),
    ({"kind": "unauthorized"}, ErrorKind.MISCONFIGURED),
    ({"kind": "rate_limited", "retry_after_s": 7}, ErrorKind.RATE_LIMITED),
    ({"kind": "overloaded"}, ErrorKind.OVERLOADED),
    ({"kind": "server_error"}, ErrorKind.OVERLOADED),
    ({"kind": "stall"}, ErrorKind.TIMEOUT),
    ({"kind": "empty"}, ErrorKind.EMPTY),
    ({"kind": "empty", "variant": "whitespace"}, ErrorKind.EMPTY),
    ({"kind": "malformed"}, ErrorKind.MALFORMED),
    ({"kind": "cut"}, ErrorKind.DISCONNECTED),
]


@pytest.mark.parametrize(("fault", "kind"), FAULTS)
async def test_every_fault_has_its_kind(fault: dict[str, Any], kind: ErrorKind, recorder: RecordingRecorder) -> None:
    pcm, _ = _clip()
    async with instant_sandbox() as sandbox:
        whisper = _whisper(sandbox)
        inject_fault(sandbox, "openai_stt", **fault)
        with pytest.raises(ProviderError) as caught:
            await whisper.transcribe("s1", pcm, recorder)
        await whisper.close()
        seconds = sandbox.world.counters.total("openai_stt", "audio_seconds", session="s1")
    error = caught.value
    assert (error.provider, error.kind, error.delivered) == ("openai_stt", kind, False)
    assert error.retry_after_s == fault.get("retry_after_s")
    assert hidden(error, KEY)
    assert recorder.only.outcome == kind
    assert recorder.only.usage.quantities.get(Unit.AUDIO_SAMPLES, 0) == round(seconds * 16_000)


async def test_a_cancelled_transcription_is_billed(recorder: RecordingRecorder) -> None:
    pcm, _ = _clip()
    async with instant_sandbox() as sandbox:
        whisper = _whisper(sandbox)
        inject_fault(sandbox, "openai_stt", "stall")
        task = asyncio.create_task(whisper.transcribe("s1", pcm, recorder))
        await until(lambda: sandbox.world.counters.total("openai_stt", "audio_seconds", session="s1") > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await whisper.close()
    assert recorder.only.outcome == "cancelled"
    assert recorder.only.usage.quantities == {Unit.AUDIO_SAMPLES: len(pcm) // 2}
