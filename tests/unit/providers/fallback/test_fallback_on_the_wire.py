"""Whole chains of real adapters against the sandbox: what is still heard when a provider is ill."""

from __future__ import annotations

import asyncio
import json
import time
import wave
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.core.audio import bytes_for, duration_s
from agent.core.calls import ErrorKind, Fallback, ProviderError
from agent.providers.anthropic.claude import Claude
from agent.providers.base import Audio, Message, Prompt, SpeechToText, SttEvent, SttEventKind
from agent.providers.browser import ClientVoice
from agent.providers.deepgram.flux import DeepgramFlux
from agent.providers.deepgram.nova import DeepgramNova
from agent.providers.elevenlabs.tts import ElevenLabs
from agent.providers.fallback.chain import ChainDeadlines, ChainStep
from agent.providers.fallback.llm_tts import LlmFallback, TtsFallback
from agent.providers.fallback.stt import FallbackSttStream, SttFallback
from agent.providers.fallback.stt_rules import ListeningRules
from agent.providers.openai.segmented_stt import SegmentedSpeech
from agent.providers.openai.tts import OpenAISpeech
from agent.providers.openai.whisper import Whisper
from agent.providers.output_check import audible
from agent.turn.vad import VoiceActivity
from tests.support.providers import RecordingRecorder, inject_fault, instant_sandbox
from voice_sandbox.server import RunningSandbox
from voice_sandbox.state import BUNDLED_CLIPS

DEADLINES = ChainDeadlines(first_s=0.6, stall_s=0.6, chain_s=1.2)
PROMPT = Prompt("You are a receptionist.", "", (Message("user", "I would like to book a room."),))


class WireTimeline(RecordingRecorder):
    def __init__(self) -> None:
        super().__init__()
        self.moves: list[Fallback] = []

    def fell_back(self, fallback: Fallback) -> None:
        self.moves.append(fallback)

    @property
    def path(self) -> list[tuple[str, str, str]]:
        return [(move.from_provider, move.to_provider, move.reason) for move in self.moves]


@dataclass
class Adapters:
    """Every adapter on one sandbox."""

    sandbox: RunningSandbox
    built: list[Any] = field(default_factory=list[Any])

    def keep(self, adapter: Any) -> Any:
        self.built.append(adapter)
        return adapter

    def voices(self, *, client_speaks: bool = False) -> TtsFallback:
        url = self.sandbox.url
        eleven = self.keep(ElevenLabs(api_key="k", base_url=url, model="eleven_flash_v2_5", voice="v"))
        openai = self.keep(OpenAISpeech(api_key="k", base_url=f"{url}/v1", model="tts-1", voice="alloy"))
        steps = [ChainStep("elevenlabs", eleven), ChainStep("openai_tts", openai)]
        if client_speaks:
            steps.append(ChainStep("browser", ClientVoice(), instant=True))
        return TtsFallback(steps, DEADLINES)

    def models(self) -> LlmFallback:
        sonnet, haiku = (
            self.keep(Claude(api_key="k", base_url=self.sandbox.url, model=model))
            for model in ("claude-sonnet-5-5", "claude-haiku-5-5")
        )
        return LlmFallback([ChainStep("sonnet", sonnet), ChainStep("haiku", haiku)], DEADLINES)

    def recognisers(self, name: str, *, deaf_s: float = 0.8) -> SttFallback:
        """The rules count seconds of audio, and audio is played faster than it was spoken (see `_call`)."""
        url = self.sandbox.url
        build = DeepgramFlux if name == "flux" else DeepgramNova
        whisper = self.keep(Whisper(api_key="k", base_url=f"{url}/v1", model="gpt-transcribe"))
        first: ChainStep[SpeechToText] = ChainStep("deepgram", self.keep(build(api_key="k", base_url=url)))
        second: ChainStep[SpeechToText] = ChainStep("whisper", SegmentedSpeech(whisper, VoiceActivity))
        # a machine that is busy with other tests takes its time to tell a turn again
        rules = ListeningRules(deaf_s=deaf_s, last_answer_s=60.0, retold_s=10.0)
        return SttFallback([first, second], last="browser", rules=rules)


@asynccontextmanager
async def _adapters() -> AsyncGenerator[Adapters]:
    async with instant_sandbox() as sandbox:
        adapters = Adapters(sandbox)
        try:
            yield adapters
        finally:
            for adapter in adapters.built:
                await adapter.close()


FAULTS: list[dict[str, Any]] = [
    {"kind": "refuse"},
    {"kind": "unauthorized"},
    {"kind": "rate_limited"},
    {"kind": "overloaded"},
    {"kind": "server_error"},
    {"kind": "stall"},
    {"kind": "stall", "after": 3},
    {"kind": "slow_drip", "interval_s": 5.0},
    {"kind": "empty"},
    {"kind": "malformed", "after": 3},
    {"kind": "cut", "after": 3},
]


def _name(fault: dict[str, Any]) -> str:
    return f"{fault['kind']}-{fault['after']}" if "after" in fault else fault["kind"]


@pytest.mark.parametrize("fault", FAULTS, ids=_name)
async def test_a_clause_is_spoken_whatever_elevenlabs_does(fault: dict[str, Any]) -> None:
    recorder = WireTimeline()
    async with _adapters() as adapters:
        chain = adapters.voices()
        inject_fault(adapters.sandbox, "elevenlabs", **fault)
        async with aclosing(chain.speak("s1", "Certainly, a room for two.", recorder)) as speech:
            pcm = b"".join([piece.pcm async for piece in speech if isinstance(piece, Audio)])
        whole = adapters.sandbox.world.counters.total("openai_tts", "characters", session="s1")
    assert audible(pcm)
    assert whole == len("Certainly, a room for two.")
    assert [move[:2] for move in recorder.path] == [("elevenlabs", "openai_tts")]
    assert [call.provider for call in recorder.calls] == ["elevenlabs", "openai_tts"]
    assert recorder.calls[0].outcome == recorder.moves[0].reason  # the call says the same as the fallback


@pytest.mark.parametrize("fault", FAULTS, ids=_name)
async def test_a_reply_is_given_whatever_sonnet_does(fault: dict[str, Any]) -> None:
    recorder = WireTimeline()
    async with _adapters() as adapters:
        chain = adapters.models()
        inject_fault(adapters.sandbox, "anthropic", model="claude-sonnet-5-5", **fault)
        async with aclosing(chain.reply("s1", PROMPT, recorder)) as reply:
            text = "".join([said.text async for said in reply])
        asked = adapters.sandbox.world.log.entries[-1].body["messages"][-1]["content"]
    assert text.strip()
    assert [move[:2] for move in recorder.path] == [("sonnet", "haiku")]
    assert [call.model for call in recorder.calls] == ["claude-sonnet-5-5", "claude-haiku-5-5"]
    assert recorder.calls[0].outcome == recorder.moves[0].reason
    assert ("cut off after these words" in asked) is bool(fault.get("after"))


async def test_the_client_speaks_when_no_voice_answers() -> None:
    recorder = WireTimeline()
    async with _adapters() as adapters:
        chain = adapters.voices(client_speaks=True)
        for provider in ("elevenlabs", "openai_tts"):
            inject_fault(adapters.sandbox, provider, "stall")
        began = time.monotonic()
        async with aclosing(chain.speak("s1", "Hello.", recorder)) as speech:
            pieces = [piece async for piece in speech]
        took = time.monotonic() - began
    assert [type(piece).__name__ for piece in pieces] == ["ClientSpeech"]
    assert took < DEADLINES.chain_s + 0.5
    assert recorder.path == [("elevenlabs", "openai_tts", "timeout"), ("openai_tts", "browser", "timeout")]


# Recognisers


def _clip(index: int = 0) -> tuple[bytes, str]:
    entry = json.loads((BUNDLED_CLIPS / "transcripts.jsonl").read_text().splitlines()[index])
    with wave.open(str(BUNDLED_CLIPS / entry["file"]), "rb") as reader:
        return reader.readframes(reader.getnframes()), entry["transcript"]


def _words(text: str) -> list[str]:
    return "".join(letter for letter in text.lower() if letter.isalnum() or letter == " ").split()


async def _call(chain: SttFallback, pcm: bytes, recorder: WireTimeline, *, pace: float = 8.0) -> list[SttEvent]:
    """Plays audio into a stream of the chain at `pace` times its speed, and returns what was heard."""
    piece_s = 0.04

    async def play(stream: FallbackSttStream) -> None:
        activity = VoiceActivity()
        for start in range(0, len(pcm), bytes_for(piece_s)):
            piece, voiced_before = pcm[start : start + bytes_for(piece_s)], activity.voiced_s
            activity.feed(piece, duration_s(start))
            await stream.send(piece, voiced_s=activity.voiced_s - voiced_before)
            await asyncio.sleep(piece_s / pace)
        await stream.finish()

    async with chain.open("s1", recorder) as stream:
        playing = asyncio.create_task(play(stream))
        try:
            return [heard async for heard in stream]
        finally:
            playing.cancel()
            await asyncio.wait({playing})


STT_FAULTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"kind": "refuse"}, ["refused"]),
    ({"kind": "unauthorized"}, ["misconfigured"]),
    ({"kind": "rate_limited"}, ["rate_limited"]),
    ({"kind": "overloaded"}, ["overloaded"]),
    ({"kind": "server_error"}, ["overloaded"]),
    ({"kind": "cut"}, ["disconnected"]),
    ({"kind": "cut", "after": 1}, ["disconnected"]),
    ({"kind": "cut", "after": 1, "count": 1}, []),  # its own reconnect is enough
    ({"kind": "malformed", "after": 1}, ["malformed"]),
    ({"kind": "stall"}, ["empty"]),
    ({"kind": "empty"}, ["empty"]),
]


@pytest.mark.parametrize("name", ["flux", "nova"])
@pytest.mark.parametrize(("fault", "reasons"), STT_FAULTS)
async def test_a_turn_is_heard_whatever_deepgram_does(name: str, fault: dict[str, Any], reasons: list[str]) -> None:
    pcm, words = _clip()
    recorder = WireTimeline()
    async with _adapters() as adapters:
        # who fails aloud does so when the machine gets to it, and must not be taken for mute before
        chain = adapters.recognisers(name, deaf_s=0.8 if reasons == ["empty"] else 60.0)
        inject_fault(adapters.sandbox, "deepgram", **fault)
        heard = await _call(chain, bytes(bytes_for(0.5)) + pcm + bytes(bytes_for(4.0)), recorder)
    ended = [one for one in heard if one.kind is SttEventKind.ENDED]
    assert [_words(one.text) for one in ended] == [_words(words)]
    assert [move.reason for move in recorder.moves] == reasons
    end = ended[0].words[-1].end_s
    assert end is not None
    assert abs(end - 0.5 - len(pcm) / 32_000) < 0.25


async def test_when_all_recognisers_fail_the_client_is_next() -> None:
    pcm, _ = _clip()
    recorder = WireTimeline()
    async with _adapters() as adapters:
        chain = adapters.recognisers("flux")
        inject_fault(adapters.sandbox, "deepgram", "refuse")
        inject_fault(adapters.sandbox, "openai_stt", "unauthorized")
        with pytest.raises(ProviderError) as caught:
            await _call(chain, pcm + bytes(bytes_for(2.0)), recorder)
    assert caught.value.kind is ErrorKind.MISCONFIGURED
    assert recorder.path == [("deepgram", "whisper", "refused"), ("whisper", "browser", "misconfigured")]
