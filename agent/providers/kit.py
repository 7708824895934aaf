"""Builds the configured adapters; each SDK is imported when its first adapter is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, Protocol

from agent.providers.audio_cache import AudioCache, CachedVoice
from agent.providers.base import LanguageModel, Service, SpeechToText, TextToSpeech
from agent.settings import Settings

FLUX_MODEL: Final = "flux-general-en"

ProviderName = Literal["deepgram", "anthropic", "elevenlabs"]
BY_SERVICE: Final[dict[str, ProviderName]] = {"stt": "deepgram", "llm": "anthropic", "tts": "elevenlabs"}


class _Closes(Protocol):
    async def close(self) -> None: ...


class Kit:
    """All adapters of a process: built once each, shared by its sessions. A missing key is a ConfigurationError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._recognisers: dict[str, SpeechToText] = {}
        self._models: dict[str, LanguageModel] = {}
        self._voices: dict[str, TextToSpeech] = {}
        self._cache = AudioCache()
        self._open: list[_Closes] = []

    def recogniser(self, model: str) -> SpeechToText:
        """Deepgram with `flux` or a Nova model."""
        if model not in self._recognisers:
            end = self._settings.provider("deepgram")
            secret = end.key.get_secret_value()
            if model == "flux":
                from agent.providers.deepgram_flux import DeepgramFlux

                built = DeepgramFlux(api_key=secret, base_url=end.base_url, model=FLUX_MODEL)
            else:
                from agent.providers.deepgram_nova import DeepgramNova

                built = DeepgramNova(api_key=secret, base_url=end.base_url, model=model)
            self._open.append(built)
            self._recognisers[model] = built
        return self._recognisers[model]

    def model(self, name: str) -> LanguageModel:
        """Claude, by the name that routing uses: `haiku` or `sonnet`."""
        if name not in self._models:
            from agent.providers.claude import Claude

            end = self._settings.provider("anthropic")
            model = self._settings.sonnet_model if name == "sonnet" else self._settings.haiku_model
            built = Claude(api_key=end.key.get_secret_value(), base_url=end.base_url, model=model)
            self._open.append(built)
            self._models[name] = built
        return self._models[name]

    def voice(self, model: str, *, cached: bool = False) -> TextToSpeech:
        """ElevenLabs with one of its models; `cached`, what was said before comes out of memory."""
        voice = self._bare_voice(model)
        return CachedVoice(voice, self._cache, voice=self._settings.elevenlabs_voice) if cached else voice

    def _bare_voice(self, model: str) -> TextToSpeech:
        if model not in self._voices:
            from agent.providers.elevenlabs import ElevenLabs

            end = self._settings.provider("elevenlabs")
            voice = self._settings.elevenlabs_voice
            built = ElevenLabs(api_key=end.key.get_secret_value(), base_url=end.base_url, model=model, voice=voice)
            self._open.append(built)
            self._voices[model] = built
        return self._voices[model]

    def build(self, used: Iterable[tuple[str, str]]) -> tuple[tuple[Service, str, str], ...]:
        """Builds what these (recogniser, voice) models and both Claudes need, so that no caller waits for an import.

        Returns (service, provider, model) of each adapter: the label values of the provider metrics.
        """
        for recogniser, voice in sorted(used):
            self.recogniser(self._settings.stt_model or recogniser)
            self.voice(voice)
        for name in ("haiku", "sonnet"):
            self.model(name)
        by_service: dict[Service, Iterable[SpeechToText | LanguageModel | TextToSpeech]] = {
            "stt": self._recognisers.values(),
            "llm": self._models.values(),
            "tts": self._voices.values(),
        }
        return tuple((service, one.provider, one.model) for service, built in by_service.items() for one in built)

    def simulated(self) -> tuple[str, ...]:
        """The services that talk to the sandbox."""
        return tuple(service for service, name in BY_SERVICE.items() if self._settings.provider(name).simulated)

    async def close(self) -> None:
        """Closes every adapter's connections."""
        for adapter in self._open:
            await adapter.close()
