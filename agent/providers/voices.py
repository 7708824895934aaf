"""The voices that a chain can name: an entry each, and nothing else of the service knows them apart.

An SDK is imported when its voice is built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from agent.providers.base import TextToSpeech
from agent.settings import Settings
from agent.settings_providers import Endpoint, ProviderName, VoiceName


class BuiltVoice(TextToSpeech, Protocol):
    """A voice with connections."""

    async def close(self) -> None:
        """Closes them."""
        ...


@dataclass(frozen=True, slots=True)
class VoiceEntry:
    """How a voice is built and told apart. Where its account has no key and is not simulated, chains leave it out."""

    account: ProviderName
    build: Callable[[Settings, str], BuiltVoice]
    """(settings, model) → the voice. Raises ConfigurationError without a key."""
    speaker: Callable[[Settings], str]
    """Who speaks, and how: phrases in the audio cache belong to a speaker."""
    who: str
    """The setting that names the speaker, which an agent may have of its own."""
    pace: str | None = None
    """The setting of the speed, where the voice has one."""
    model: Callable[[Settings], str] | None = None
    """The model id; None where policies choose it (`voice_model`)."""

    def model_of(self, settings: Settings, by_policy: str) -> str:
        """The model that speaks for a policy whose `voice_model` is `by_policy`."""
        return by_policy if self.model is None else self.model(settings)


def openai_end(settings: Settings) -> Endpoint:
    """Where OpenAI's protocol is spoken: the sandbox serves it under /v1, as the vendor does."""
    end = settings.provider("openai")
    return replace(end, base_url=f"{end.base_url}/v1") if end.simulated else end


def _elevenlabs(settings: Settings, model: str) -> BuiltVoice:
    from agent.providers.elevenlabs.tts import ElevenLabs, VoiceOptions

    end = settings.provider("elevenlabs")
    options = VoiceOptions(
        speed=settings.elevenlabs_speed,
        context=settings.elevenlabs_context,
        logging=settings.elevenlabs_logging,
        language=None if settings.language == "en" else settings.language,
    )
    key, voice = end.key.get_secret_value(), settings.elevenlabs_voice
    return ElevenLabs(api_key=key, base_url=end.base_url, model=model, voice=voice, options=options)


def _deepgram(settings: Settings, model: str) -> BuiltVoice:
    from agent.providers.deepgram.tts import DeepgramSpeech

    end = settings.provider("deepgram")
    return DeepgramSpeech(api_key=end.key.get_secret_value(), base_url=end.base_url, model=model)


def _openai(settings: Settings, model: str) -> BuiltVoice:
    from agent.providers.openai.tts import OpenAISpeech

    end, voice = openai_end(settings), settings.openai_voice
    key, speed = end.key.get_secret_value(), settings.openai_speed
    return OpenAISpeech(api_key=key, base_url=end.base_url, model=model, voice=voice, speed=speed)


VOICES: Final[dict[VoiceName, VoiceEntry]] = {
    "elevenlabs": VoiceEntry(
        "elevenlabs",
        _elevenlabs,
        lambda settings: f"{settings.elevenlabs_voice} {settings.elevenlabs_speed:g} {settings.language}",
        who="elevenlabs_voice",
        pace="elevenlabs_speed",
    ),
    "deepgram_tts": VoiceEntry(
        "deepgram",
        _deepgram,
        lambda settings: settings.deepgram_voice,
        who="deepgram_voice",
        model=lambda settings: settings.deepgram_voice,
    ),
    "openai_tts": VoiceEntry(
        "openai",
        _openai,
        lambda settings: f"{settings.openai_voice} {settings.openai_speed:g}",
        who="openai_voice",
        pace="openai_speed",
        model=lambda settings: settings.openai_tts_model,
    ),
}
