"""An agent's own language, voices, pace, key terms and pronunciations, up to what the vendors are asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from agent.budgets import load_budgets
from agent.core.calls import CallRecorder
from agent.providers.base import Audio
from agent.providers.elevenlabs.tts import ElevenLabs
from agent.providers.factory import MOST_OWN, ProviderFactory, ProviderHooks
from agent.providers.openai.tts import OpenAISpeech
from agent.providers.own import NOTHING_OWN, OwnSpeech
from agent.providers.pronounced import PronouncedVoice
from agent.settings import Settings
from agent.turn.vad import VoiceActivity
from tests.support.providers import RecordingRecorder, instant_sandbox

GERMAN = OwnSpeech("de", ("Zimmer",), (("elevenlabs", "voice-of-anna"), ("openai_tts", "nova")), 1.1)


def settings(url: str = "http://127.0.0.1:1") -> Settings:
    return Settings(sandbox_url=url, keyterms=("Sino", "Zimmer"), _env_file=None)  # pyright: ignore[reportCallIssue]


def factory(usual: Settings) -> ProviderFactory:
    hooks = ProviderHooks(RecordingRecorder(), lambda _: None, VoiceActivity, b"")
    return ProviderFactory(usual, load_budgets().deadlines, hooks)


def test_an_agent_has_the_settings_of_the_service_but_for_its_own() -> None:
    usual = settings()
    own = GERMAN.settings(usual)
    assert (own.language, own.keyterms) == ("de", ("Zimmer", "Sino"))
    assert (own.elevenlabs_voice, own.openai_voice, own.deepgram_voice) == (
        "voice-of-anna", "nova", usual.deepgram_voice
    )  # fmt: skip
    assert (own.elevenlabs_speed, own.openai_speed) == (1.1, 1.1)
    assert OwnSpeech().settings(usual) == usual


async def test_speech_of_its_own_is_built_once_shares_all_else_and_is_bounded() -> None:
    shared = factory(settings())
    assert shared.of(NOTHING_OWN) is shared
    german = shared.of(GERMAN)
    assert shared.of(OwnSpeech("de", ("Zimmer",), GERMAN.voices, 1.1)) is german
    assert german.breakers is shared.breakers
    assert german.model("haiku") is shared.model("haiku")
    assert shared.recogniser("flux").model == "flux-general-en"
    assert german.recogniser("flux").model == "flux-general-multi"
    assert german.voice("elevenlabs", "m") is not shared.voice("elevenlabs", "m")
    for number in range(MOST_OWN):
        shared.of(OwnSpeech(keyterms=(str(number),)))
    assert shared.of(OwnSpeech(keyterms=("one more",))) is shared
    await shared.close()


async def test_vendors_are_told_the_language_and_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    async with instant_sandbox() as sandbox:
        shared = factory(settings(sandbox.url))
        german = shared.of(GERMAN)
        for made in (german, shared):
            voice = made.voice("elevenlabs", "eleven_flash_v2_5")
            assert isinstance(voice, ElevenLabs)
            asked.append(voice._asked("s1"))  # pyright: ignore[reportPrivateUsage]
            other = made.voice("openai_tts", "-")
            assert isinstance(other, OpenAISpeech)
            asked.append(other._pace)  # pyright: ignore[reportPrivateUsage]
        async with aclosing(
            german.voice("elevenlabs", "eleven_flash_v2_5").speak("s1", "Gut.", RecordingRecorder())
        ) as said:
            assert [piece async for piece in said]
        async with aclosing(german.voice("openai_tts", "-").speak("s1", "Gut.", RecordingRecorder())) as said:
            assert [piece async for piece in said]
        await shared.close()
    assert asked[0]["language_code"] == "de"
    assert asked[0]["voice_settings"].speed == 1.1
    assert asked[1:] == [{"speed": 1.1}, {}, {}]


class Inner:
    provider, model = "elevenlabs", "m"

    def __init__(self) -> None:
        self.said: list[str] = []

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio]:
        self.said.append(text)
        yield Audio(b"\0\0", self.provider)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ask Siobhan at SQL.", "Ask Shivawn at sequel."),
        ("siobhan's MySQL", "Shivawn's MySQL"),
        ("Saint Siobhan Hall and SIOBHAN", "the hall and Shivawn"),
        ("C++ (and C)", "see plus plus (and C)"),
        ("nothing of it", "nothing of it"),
    ],
)
async def test_names_are_spoken_as_they_are_said(text: str, expected: str, recorder: RecordingRecorder) -> None:
    inner = Inner()
    said = {"Siobhan": "Shivawn", "SQL": "sequel", "Saint Siobhan Hall": "the hall", "C++": "see plus plus"}
    voice = PronouncedVoice(inner, said)
    async with aclosing(voice.speak("s1", text, recorder)) as pieces:
        assert len([piece async for piece in pieces]) == 1
    assert inner.said == [expected]
    assert (voice.provider, voice.model) == ("elevenlabs", "m")
