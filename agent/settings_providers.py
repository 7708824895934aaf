"""Settings of the providers: their keys, their hosts, and which of their models and voices are used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

VoiceName = Literal["elevenlabs", "deepgram_tts", "openai_tts"]
"""What a policy's chain calls a voice; `agent/providers/voices.py` has an entry for each."""
ProviderName = Literal["deepgram", "anthropic", "elevenlabs", "openai"]
SERVICES: Final[Mapping[ProviderName, str]] = {
    "deepgram": "stt", "anthropic": "llm", "elevenlabs": "tts", "openai": ""
}  # fmt: skip
CALLED: Final[Mapping[str, tuple[ProviderName, str]]] = {
    "deepgram": ("deepgram", "stt"),
    "deepgram_tts": ("deepgram", "tts"),
    "anthropic": ("anthropic", "llm"),
    "elevenlabs": ("elevenlabs", "tts"),
    "openai_stt": ("openai", "stt"),
    "openai_tts": ("openai", "tts"),
}
"""What calls name a provider → whose key and host it has, and its service."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider is reached and with which key; `base_url` None is the provider's own."""

    key: SecretStr
    base_url: str | None
    simulated: bool
    """Whether the sandbox answers."""
    local: bool = False
    """Whether it runs on a machine of one's own: no simulation, and nobody is paid for it."""


def named(variable: str) -> AliasChoices:
    """The name of a variable that does not begin with the service's prefix."""
    return AliasChoices(variable)


_MODEL_CHOICE: Final = re.compile(r".+=(disabled|between_tools|template|unsent)")


class ProviderSettings(BaseSettings):
    """The part of `Settings` that is about providers."""

    deepgram_api_key: SecretStr | None = Field(
        None,
        validation_alias=named("DEEPGRAM_API_KEY"),
        description="key of Deepgram: speech recognition, and the second voice",
    )
    anthropic_api_key: SecretStr | None = Field(
        None, validation_alias=named("ANTHROPIC_API_KEY"), description="key of Anthropic: the language models"
    )
    elevenlabs_api_key: SecretStr | None = Field(
        None, validation_alias=named("ELEVENLABS_API_KEY"), description="key of ElevenLabs: the first voice"
    )
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias=named("OPENAI_API_KEY"),
        description="key of OpenAI, or of a server that speaks its protocol: fallbacks of recognition and voice",
    )
    deepgram_base_url: str | None = Field(
        None, validation_alias=named("DEEPGRAM_BASE_URL"), description="another host that speaks Deepgram's protocol"
    )
    anthropic_base_url: str | None = Field(
        None, validation_alias=named("ANTHROPIC_BASE_URL"), description="another host that speaks Anthropic's protocol"
    )
    elevenlabs_base_url: str | None = Field(
        None,
        validation_alias=named("ELEVENLABS_BASE_URL"),
        description="another host that speaks ElevenLabs' protocol",
    )
    openai_base_url: str | None = Field(
        None, validation_alias=named("OPENAI_BASE_URL"), description="another host that speaks OpenAI's protocol"
    )
    sandbox_url: str | None = Field(None, description="a running sandbox; serves every provider that has no key")
    sandbox_local: Annotated[tuple[Literal["stt", "tts"], ...], NoDecode] = Field(
        (), description="comma-separated services (stt, tts) that the sandbox does not simulate: it runs them for real"
    )
    billed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="comma-separated hosts of one's own network behind which a vendor is paid, such as a gateway"
    )
    stt_model: Literal["flux", "nova-3"] | None = Field(None, description="the recogniser, whatever the policy says")
    language: str = Field("en", pattern=r"^[a-z]{2}$", description="what callers speak (ISO 639-1)")
    keyterms: Annotated[tuple[str, ...], NoDecode] = Field(
        (), max_length=100, description="comma-separated names and terms that recognisers should expect"
    )
    deepgram_mip_opt_out: bool = Field(True, description="callers' audio does not train Deepgram's models")
    deepgram_streams: int = Field(150, ge=1, le=100_000, description="streams at once that the Deepgram plan allows")
    haiku_model: str = Field("claude-haiku-5-5", description="model id that policies call `haiku`")
    sonnet_model: str = Field("claude-sonnet-5-5", description="model id that policies call `sonnet`")
    model_thinking: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="comma-separated `model=choice`: how a model is kept from thinking (`disabled`, `between_tools`, "
        "`template`: by its chat template), or that nothing is sent (`unsent`)",
    )
    elevenlabs_voice: str = Field("21m00Tcm4TlvDq8ikWAM", description="voice id at ElevenLabs")
    elevenlabs_logging: bool = Field(
        True, description="ElevenLabs may keep what it speaks; `false` (zero retention) takes a plan that allows it"
    )
    elevenlabs_speed: float = Field(1.0, ge=0.7, le=1.2, description="how fast ElevenLabs speaks; 1 is as recorded")
    elevenlabs_context: bool = Field(
        True, description="ElevenLabs gets the clause before as well, so that its voice goes on as one would"
    )
    deepgram_voice: str = Field("aura-2-thalia-en", description="the second voice: an Aura model of Deepgram")
    openai_voice: str = Field("alloy", description="voice of the OpenAI speech protocol")
    openai_speed: float = Field(1.0, ge=0.7, le=1.2, description="how fast the OpenAI voice speaks; 1 is as usual")
    openai_tts_model: str = Field("gpt-4o-mini-tts", description="model id of the OpenAI speech protocol")
    openai_stt_model: str = Field("gpt-transcribe", description="model id of the OpenAI transcription protocol")

    @field_validator("model_thinking", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("model_thinking")
    @classmethod
    def _choices(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [part for part in value if not _MODEL_CHOICE.fullmatch(part)]:
            raise ValueError(f"takes model=disabled, =between_tools, =template or =unsent; not {wrong[0]}")
        return value
