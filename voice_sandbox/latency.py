"""Seeded latency: how long each stage of a provider takes, drawn from log-normal distributions.

A distribution is given by its p50 and p95 in milliseconds. With X log-normal, ln X is normal with mean ln(p50) and
standard deviation ln(p95 / p50) / 1.6449, where 1.6449 is the 95 % quantile of the standard normal distribution.

The `measured` numbers are the project's working figures for the real providers over the public internet; `degraded` is
a bad evening (medians about 2.5 times as long, tails of seconds); `instant` adds no time at all, for tests.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Stage = Literal["stt", "llm", "tts", "network"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
_Z95: Final = 1.6449
_MAX_OVERRIDES: Final = 64


@dataclass(frozen=True, slots=True)
class LatencySpread:
    """A log-normal distribution in milliseconds. `p95_ms` must not be under `p50_ms`, and both must be positive."""

    p50_ms: float
    p95_ms: float

    def __post_init__(self) -> None:
        if not 0 < self.p50_ms <= self.p95_ms:
            raise ValueError("a latency needs 0 < p50_ms <= p95_ms")

    def draw(self, dice: random.Random) -> float:
        """One sample, in seconds."""
        sigma = math.log(self.p95_ms / self.p50_ms) / _Z95
        return dice.lognormvariate(math.log(self.p50_ms), sigma) / 1000


# stt = end of speech to final transcript, llm = request to first token, tts = request to first byte, network = round
# trip
PROFILES: Final[Mapping[str, Mapping[Stage, LatencySpread]]] = {
    "measured": {
        "stt": LatencySpread(280, 480),
        "llm": LatencySpread(320, 620),
        "tts": LatencySpread(240, 410),
        "network": LatencySpread(70, 130),
    },
    "degraded": {
        "stt": LatencySpread(600, 1500),
        "llm": LatencySpread(850, 2600),
        "tts": LatencySpread(600, 1700),
        "network": LatencySpread(180, 450),
    },
    "instant": {},
}


class SimulatedLatency:
    """Draws stage latencies. The same seed gives the same sequence per stage, whatever the other stages do in between.

    Overrides replace the profile's distribution. They are keyed by the id of a voice of ElevenLabs, a model id, a
    provider name or a stage, and looked up in that order, so that one model can be slow while its provider is not.
    """

    def __init__(self, profile: str, seed: int) -> None:
        """Raises ValueError for a profile that does not exist."""
        self._seed = seed
        self.overrides: dict[str, LatencySpread] = {}
        self.profile = ""
        self.use(profile)

    @property
    def instant(self) -> bool:
        """Whether streams leave at once: true in the profile `instant`."""
        return self.profile == "instant"

    def use(self, profile: str) -> None:
        """Changes the profile and starts every stage's sequence again. Raises ValueError for an unknown profile."""
        if profile not in PROFILES:
            raise ValueError(f"unknown latency profile {profile!r}: choose one of {', '.join(PROFILES)}")
        self.profile = profile
        self._dice = {stage: random.Random(f"{self._seed}:{stage}") for stage in STAGES}

    def override(self, overrides: Mapping[str, LatencySpread]) -> None:
        """Replaces all overrides. Raises ValueError when there are more than 64."""
        if len(overrides) > _MAX_OVERRIDES:
            raise ValueError(f"at most {_MAX_OVERRIDES} latency overrides")
        self.overrides = dict(overrides)

    def sample(
        self, stage: Stage, *, provider: str | None = None, model: str | None = None, voice: str | None = None
    ) -> float:
        """Seconds this stage takes now; 0.0 where neither an override nor the profile has a distribution."""
        for key in (voice, model, provider, stage):
            if key is not None and key in self.overrides:
                return self.overrides[key].draw(self._dice[stage])
        spread = PROFILES[self.profile].get(stage)
        return 0.0 if spread is None else spread.draw(self._dice[stage])

    def pace(self, seconds: float) -> float:
        """The pause between two outputs of a running stream: `seconds`, or 0.0 in the profile `instant`."""
        return 0.0 if self.instant else seconds
