"""Builds the Deepgram recogniser that a policy names; the SDK is imported with the first one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

from agent.settings import Settings

if TYPE_CHECKING:
    from agent.providers.deepgram.flux import DeepgramFlux
    from agent.providers.deepgram.nova import DeepgramNova

FLUX_MODEL: Final = "flux-general-en"
FLUX_MULTILINGUAL_MODEL: Final = "flux-general-multi"


@dataclass(frozen=True, slots=True)
class RecogniserKnobs:
    """What a policy says of when a turn is over; None leaves the default. Thresholds are confidences, 0 to 1."""

    eager_threshold: float | None = None
    """Flux says from then on that a turn is probably over."""
    threshold: float | None = None
    timeout_ms: int | None = None
    nova_silence_ms: int | None = None


USUAL_KNOBS: Final = RecogniserKnobs()


class _Hearing(TypedDict):
    """What both Deepgram protocols are told about the callers."""

    language: str
    keyterms: Sequence[str]
    mip_opt_out: bool


def build_recogniser(
    settings: Settings, model: str, knobs: RecogniserKnobs = USUAL_KNOBS
) -> DeepgramFlux | DeepgramNova:
    """Flux for the language that callers speak where `model` is `flux`, else that Nova model.

    Raises ConfigurationError where there is neither a key nor a sandbox.
    """
    end = settings.provider("deepgram")
    hearing = _Hearing(
        language=settings.language, keyterms=settings.keyterms, mip_opt_out=settings.deepgram_mip_opt_out
    )
    key = end.key.get_secret_value()
    if model == "flux":
        from agent.providers.deepgram.flux import DeepgramFlux

        flux = FLUX_MODEL if settings.language == "en" else FLUX_MULTILINGUAL_MODEL
        return DeepgramFlux(
            api_key=key,
            base_url=end.base_url,
            model=flux,
            eager_eot_threshold=knobs.eager_threshold,
            eot_threshold=knobs.threshold,
            eot_timeout_ms=knobs.timeout_ms,
            **hearing,
        )
    from agent.providers.deepgram.nova import DeepgramNova

    if knobs.nova_silence_ms is None:
        return DeepgramNova(api_key=key, base_url=end.base_url, model=model, **hearing)
    return DeepgramNova(
        api_key=key, base_url=end.base_url, model=model, endpointing_ms=knobs.nova_silence_ms, **hearing
    )
