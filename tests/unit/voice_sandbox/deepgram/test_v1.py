"""Nova through the official SDK, and its listener against a clock of the test's own."""

from __future__ import annotations

import asyncio
import functools
import json
import time
import wave
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.types import (
    ListenV1CloseStream,
    ListenV1Configure,
    ListenV1Finalize,
    ListenV1KeepAlive,
    ListenV1Results,
)

from tests.support.paths import DATA
from voice_sandbox.deepgram.stream import Close, Out, OutgoingMessage
from voice_sandbox.deepgram.v1 import NovaListener
from voice_sandbox.faults import FaultKind, FaultRule
from voice_sandbox.recognizer.turns import TurnTracker
from voice_sandbox.server import RunningSandbox, run_sandbox
from voice_sandbox.state import BUNDLED_CLIPS, SandboxOptions, SandboxState

CHUNK = 640
EVENTS = DATA / "speech" / "deepgram_events"


def clip(name: str) -> bytes:
    with wave.open(str(BUNDLED_CLIPS / name)) as file:
        return file.readframes(file.getnframes())


@pytest.fixture(scope="module")
def world() -> SandboxState:
    return SandboxState.create(SandboxOptions(port=0, voice="tones", profile="instant"))


class Nova:
    """A listener fed 20 ms every 20 ms."""

    def __init__(self, world: SandboxState, **params: str) -> None:
        self.listener = NovaListener(
            world, "nova-3", "r1", params, functools.partial(TurnTracker, world.hearing.library)
        )
        self.now = 10.0
        self.outs: list[Out] = list(self.listener.opening(self.now))

    def play(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), CHUNK):
            self.wait(0.02)
            self.outs += self.listener.audio(pcm[start : start + CHUNK], self.now)

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (deadline := self.listener.deadline) is not None and deadline < until and not self.closes:
            self.now = max(self.now, deadline)
            self.outs += self.listener.check(self.now)
        self.now = until

    def say(self, kind: str) -> None:
        self.outs += self.listener.command(json.dumps({"type": kind}), self.now)

    @property
    def closes(self) -> list[Close]:
        return [out for out in self.outs if isinstance(out, Close)]

    def sent(self, kind: str) -> list[dict[str, Any]]:
        return [
            dict(out.payload) for out in self.outs if isinstance(out, OutgoingMessage) and out.payload["type"] == kind
        ]


def text(result: dict[str, Any]) -> str:
    return result["channel"]["alternatives"][0]["transcript"]


def finals(results: Sequence[dict[str, Any]]) -> list[str]:
    return [text(result) for result in results if result["is_final"] and text(result)]


def test_a_phrase_gives_interim_results_and_one_final_with_word_times(world: SandboxState) -> None:
    nova = Nova(world, interim_results="true", endpointing="300")
    nova.play(clip("room_01.wav") + bytes(32_000))
    results = nova.sent("Results")
    assert finals(results) == ["Hi, I'd like to book a meeting room."]
    final = next(result for result in results if result["speech_final"])
    words = final["channel"]["alternatives"][0]["words"]
    assert [word["word"] for word in words][:2] == ["hi", "i'd"] and words[-1]["punctuated_word"] == "room."
    assert final["start"] + final["duration"] - words[-1]["end"] == pytest.approx(0.3, abs=0.03)
    interim = [result for result in results if not result["is_final"]]
    assert [result["duration"] for result in interim][:2] == [pytest.approx(1.04), pytest.approx(2.08)]
    assert all(text(final).startswith(text(result)) for result in interim if result["start"] == 0)


def test_without_interim_results_only_finals_are_sent(world: SandboxState) -> None:
    nova = Nova(world)
    nova.play(clip("room_03.wav") + bytes(32_000))
    assert [result["is_final"] for result in nova.sent("Results")] == [True]
    assert nova.sent("SpeechStarted") == []


def test_speech_starts_and_utterance_ends_are_told_when_asked_for(world: SandboxState) -> None:
    nova = Nova(world, interim_results="true", vad_events="true", utterance_end_ms="1000", endpointing="10")
    nova.play(bytes(6_400) + clip("room_03.wav") + bytes(64_000))
    [started] = nova.sent("SpeechStarted")
    [ended] = nova.sent("UtteranceEnd")
    final = next(result for result in nova.sent("Results") if result["speech_final"])
    assert started["timestamp"] == pytest.approx(0.25, abs=0.03)
    assert ended["last_word_end"] == final["channel"]["alternatives"][0]["words"][-1]["end"]


def test_noise_may_start_speech_but_says_nothing(world: SandboxState) -> None:
    nova = Nova(world, interim_results="true", vad_events="true")
    nova.play(clip("noise_cough.wav") + bytes(32_000))
    assert len(nova.sent("SpeechStarted")) == 1
    assert all(text(result) == "" for result in nova.sent("Results"))


def test_endpointing_off_never_says_that_speech_is_final(world: SandboxState) -> None:
    nova = Nova(world, endpointing="false")
    nova.play(clip("room_03.wav") + bytes(32_000))
    assert finals(nova.sent("Results")) == ["For five people."]
    assert not any(result["speech_final"] for result in nova.sent("Results"))


def test_finalize_gives_what_was_heard_so_far(world: SandboxState) -> None:
    nova = Nova(world, interim_results="true")
    nova.play(clip("room_01.wav")[:48_000])
    nova.say("Finalize")
    last = nova.sent("Results")[-1]
    assert last["from_finalize"] and last["is_final"]
    assert 0 < len(text(last)) < len("Hi, I'd like to book a meeting room.")


def test_ten_seconds_without_audio_or_keep_alive_close_the_stream(world: SandboxState) -> None:
    nova = Nova(world)
    nova.play(bytes(3_200))
    nova.wait(9.5)
    nova.say("KeepAlive")
    nova.wait(9.5)
    assert nova.closes == []
    nova.wait(1)
    [close] = nova.closes
    assert close.code == 1011 and "net0001" in close.reason


def test_close_stream_sends_the_rest_and_metadata(world: SandboxState) -> None:
    nova = Nova(world)
    nova.play(clip("room_03.wav")[:-8_000])
    nova.say("CloseStream")
    assert nova.closes == [Close(1000)]
    rest, empty = nova.sent("Results")
    assert text(rest).startswith("For five") and text(empty) == "" and empty["duration"] == 0
    [metadata] = nova.sent("Metadata")
    assert metadata["duration"] == pytest.approx((len(clip("room_03.wav")) - 8_000) / 32_000, abs=1e-3)


def test_an_unreadable_message_is_answered_with_a_schema_error(world: SandboxState) -> None:
    nova = Nova(world)
    nova.outs += nova.listener.command("{", nova.now)
    [error] = nova.sent("Error")
    assert error["variant"] == "SchemaError" and nova.closes == []


def test_the_messages_have_the_fields_of_recorded_traffic(world: SandboxState) -> None:
    if not EVENTS.exists():
        pytest.skip("no recorded traffic at hand")
    recorded: dict[str, set[str]] = {}
    for path in EVENTS.glob("*-deepgram*.json"):
        if "flux" not in path.name:
            for event in json.loads(path.read_text())["events"]:
                recorded.setdefault(event["data"]["type"], set()).update(event["data"])
    nova = Nova(world, interim_results="true", vad_events="true", utterance_end_ms="1000")
    nova.play(clip("room_03.wav") + bytes(64_000))
    nova.say("CloseStream")
    for kind, fields in recorded.items():
        sent = nova.sent(kind)
        assert sent, kind
        assert all(set(message) == fields for message in sent)


@asynccontextmanager
async def connected(**options: Any) -> AsyncGenerator[tuple[RunningSandbox, Callable[[], Any]]]:
    async with run_sandbox(SandboxOptions(port=0, profile="instant", voice="tones")) as sandbox:
        urls = DeepgramClientEnvironment(
            base=sandbox.url, production=sandbox.ws_url, agent=sandbox.ws_url, agent_rest=sandbox.url
        )
        client = AsyncDeepgramClient(api_key="k", environment=urls)
        settings: dict[str, Any] = {
            "model": "nova-3",
            "encoding": "linear16",
            "sample_rate": 16_000,
            "interim_results": True,
            "vad_events": True,
            "punctuate": True,
            "smart_format": True,
            **options,
        }
        headers: Any = {"additional_headers": {"x-client-session": "s1"}}
        yield sandbox, lambda: client.listen.v1.connect(**settings, request_options=headers)


async def test_a_call_through_the_sdk() -> None:
    pcm = clip("room_03.wav") + bytes(16_000)
    messages: list[Any] = []
    async with connected(endpointing=100) as (sandbox, connect):
        async with asyncio.timeout(20), connect() as socket:
            await socket.send_keep_alive(ListenV1KeepAlive(type="KeepAlive"))
            await socket.send_configure(ListenV1Configure(keyterms=["people"]))
            began = time.monotonic()
            for number, start in enumerate(range(0, len(pcm), CHUNK)):
                await asyncio.sleep(max(0.0, began + number * 0.02 - time.monotonic()))
                await socket.send_media(pcm[start : start + CHUNK])
            await socket.send_finalize(ListenV1Finalize(type="Finalize"))
            await socket.send_close_stream(ListenV1CloseStream(type="CloseStream"))
            messages.extend([message async for message in socket])
        counted = sandbox.world.counters.total("deepgram", "audio_seconds", model="nova-3", session="s1")
    assert counted == pytest.approx(len(pcm) / 32_000, abs=1e-9)
    assert [message.type for message in messages][:2] == ["ConfigureSuccess", "SpeechStarted"]
    assert messages[-1].type == "Metadata"
    results = [message for message in messages if isinstance(message, ListenV1Results)]
    said = [result.channel.alternatives[0].transcript for result in results if result.speech_final]
    assert said[0] == "For five people." and any(result.from_finalize for result in results)


async def test_a_flux_model_and_a_missing_key_are_refused() -> None:
    async with connected(model="flux-general-en") as (sandbox, connect):
        with pytest.raises(ApiError) as caught:
            async with connect():
                pass
        assert caught.value.status_code == 400
        sandbox.world.faults.add(FaultRule(provider="deepgram", kind=FaultKind.UNAUTHORIZED, session="s1"))
        with pytest.raises(ApiError) as caught:
            async with connect():
                pass
        assert caught.value.status_code == 401
