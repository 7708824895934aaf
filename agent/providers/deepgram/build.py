"""Builds the Deepgram recogniser that a policy names; the SDK is imported with the first one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypedDict

from agent.settings import Settings

if TYPE_CHECKING:
    from agent.providers.deepgram.flux import DeepgramFlux
    from agent.providers.deepgram.nova import DeepgramNova

FLUX_MODEL: Final = "flux-general-en"
FLUX_MULTILINGUAL_MODEL: Final = "flux-general-multi"


class _Hearing(TypedDict):
    """What both Deepgram protocols are told about the callers."""

    language: str
    keyterms: Sequence[str]
    mip_opt_out: bool


def build_recogniser(settings: Settings, model: str, eager: float | None = None) -> DeepgramFlux | DeepgramNova:
    """Flux for the language that callers speak where `model` is `flux`, else that Nova model.

    `eager` is Flux's `eager_eot_threshold`.

    Raises ConfigurationError where there is neither a key nor a sandbox.
    """
    end = settings.provider("deepgram")
    hearing = _Hearing(
        language=settings.language, keyterms=settings.keyterms, mip_opt_out=settings.deepgram_mip_opt_out
    )
    if model == "flux":
        from agent.providers.deepgram.flux import DeepgramFlux

        flux = FLUX_MODEL if settings.language == "en" else FLUX_MULTILINGUAL_MODEL
        key = end.key.get_secret_value()
        return DeepgramFlux(api_key=key, base_url=end.base_url, model=flux, eager_eot_threshold=eager, **hearing)
    from agent.providers.deepgram.nova import DeepgramNova

    return DeepgramNova(api_key=end.key.get_secret_value(), base_url=end.base_url, model=model, **hearing)
