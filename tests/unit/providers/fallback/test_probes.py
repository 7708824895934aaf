"""Probes against the sandbox, through the SDKs: what each costs, and that it tells well from ill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

from agent.core.calls import ErrorKind, ProviderError, Unit
from agent.providers.anthropic.claude import Claude
from agent.providers.deepgram.flux import DeepgramFlux
from agent.providers.deepgram.nova import DeepgramNova
from agent.providers.elevenlabs.tts import ElevenLabs
from agent.providers.fallback.breaker import Probe
from agent.providers.fallback.probes import probe_model, probe_recogniser, probe_voice
from agent.providers.openai.segmented_stt import SegmentedSpeech
from agent.providers.openai.tts import OpenAISpeech
from agent.providers.openai.whisper import Whisper
from agent.providers.recorded import Sentence, load_clips
from agent.turn.vad import VoiceActivity
from tests.support.providers import RecordingRecorder, inject_fault, instant_sandbox
from voice_sandbox.faults import FaultKind, FaultRule

CLIP = load_clips()[Sentence.ONE_MOMENT].pcm


class Closes(Protocol):
    async def close(self) -> None: ...


Build = Callable[[str], tuple[Closes, Probe]]


def _claude(url: str) -> tuple[Closes, Probe]:
    claude = Claude(api_key="k", base_url=url, model="claude-haiku-5-5")
    return claude, probe_model(claude)


def _elevenlabs(url: str) -> tuple[Closes, Probe]:
    voice = ElevenLabs(api_key="k", base_url=url, model="eleven_flash_v2_5", voice="v")
    return voice, probe_voice(voice)


def _openai_tts(url: str) -> tuple[Closes, Probe]:
    voice = OpenAISpeech(api_key="k", base_url=f"{url}/v1", model="tts-1", voice="alloy")
    return voice, probe_voice(voice)


def _openai_stt(url: str) -> tuple[Closes, Probe]:
    whisper = Whisper(api_key="k", base_url=f"{url}/v1", model="gpt-transcribe")
    return whisper, probe_recogniser(SegmentedSpeech(whisper, VoiceActivity), CLIP)


def _flux(url: str) -> tuple[Closes, Probe]:
    flux = DeepgramFlux(api_key="k", base_url=url)
    return flux, probe_recogniser(flux, CLIP)


def _nova(url: str) -> tuple[Closes, Probe]:
    nova = DeepgramNova(api_key="k", base_url=url)
    return nova, probe_recogniser(nova, CLIP)


PROBES: list[tuple[str, Build, dict[Unit, int]]] = [
    ("anthropic", _claude, {Unit.OUTPUT_TOKENS: 1}),
    ("elevenlabs", _elevenlabs, {Unit.CHARACTERS: 2}),
    ("openai_tts", _openai_tts, {Unit.CHARACTERS: 2}),
    ("openai_stt", _openai_stt, {}),
    ("deepgram", _flux, {}),
    ("deepgram", _nova, {}),
]


@pytest.mark.parametrize(("provider", "build", "usage"), PROBES)
async def test_a_probe_finds_out_and_costs_next_to_nothing(
    provider: str, build: Build, usage: dict[Unit, int], recorder: RecordingRecorder
) -> None:
    async with instant_sandbox() as sandbox:
        adapter, probe = build(sandbox.url)
        try:
            await probe(recorder)
            assert recorder.only.outcome == "ok"
            for unit, quantity in usage.items():
                assert recorder.only.usage.quantities[unit] == quantity
            assert sandbox.world.counters.total(provider, "requests", session="probe") == 1
            inject_fault(sandbox, provider, "empty")
            with pytest.raises(ProviderError) as caught:
                await probe(recorder)
            assert caught.value.kind is ErrorKind.EMPTY
        finally:
            await adapter.close()


@pytest.mark.parametrize("build", [_flux, _nova], ids=["flux", "nova"])
async def test_a_probe_of_a_recogniser_is_charged_what_was_read(build: Build, recorder: RecordingRecorder) -> None:
    async with instant_sandbox() as sandbox:
        adapter, probe = build(sandbox.url)
        await probe(recorder)
        await adapter.close()
        read = sandbox.world.counters.total("deepgram", "audio_seconds", session="probe")
        usage = recorder.only.usage
        assert (usage.quantities[Unit.AUDIO_SAMPLES], usage.estimated) == (round(read * 16_000), False)


@pytest.mark.parametrize("build", [_flux, _nova], ids=["flux", "nova"])
async def test_a_word_before_the_connection_breaks_is_an_answer_whose_price_is_estimated(
    build: Build, recorder: RecordingRecorder
) -> None:
    async with instant_sandbox() as sandbox:
        adapter, probe = build(sandbox.url)
        sandbox.world.faults.add(FaultRule(provider="deepgram", kind=FaultKind.CUT, after=2))
        await probe(recorder)
        await adapter.close()
        assert recorder.only.usage.estimated
