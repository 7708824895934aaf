"""What simulated providers say of their rate limits in headers. Nothing is refused for them: faults do that."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

REQUESTS_A_MINUTE: Final = 4_000
TOKENS_A_MINUTE: Final = 2_000_000
CONCURRENT: Final = 30  # calls of one voice account


@dataclass(slots=True)
class _Bucket:
    """A limit a minute that refills continuously, as Anthropic's do."""

    limit: int
    used: float = 0.0
    at: float = field(default_factory=time.monotonic)

    def take(self, amount: int) -> int:
        """Takes an amount; returns what is left, never below 0."""
        now = time.monotonic()
        self.used = max(0.0, self.used - (now - self.at) * self.limit / 60)
        self.at = now
        self.used = min(float(self.limit), self.used + amount)
        return int(self.limit - self.used)


@dataclass(slots=True)
class RateLimits:
    """The limits of one sandbox, by provider."""

    _requests: dict[str, _Bucket] = field(default_factory=dict[str, _Bucket])
    _tokens: dict[str, _Bucket] = field(default_factory=dict[str, _Bucket])
    _open: Counter[str] = field(default_factory=Counter[str])

    def begin(self, provider: str) -> None:
        self._open[provider] += 1

    def end(self, provider: str) -> None:
        self._open[provider] -= 1

    def anthropic(self, provider: str, tokens: int) -> dict[str, str]:
        """Headers of the Messages API; `tokens` are those of this prompt."""
        requests, left = self._taken(provider, tokens)
        prefix = "anthropic-ratelimit"
        return {
            f"{prefix}-requests-limit": str(REQUESTS_A_MINUTE),
            f"{prefix}-requests-remaining": str(requests),
            f"{prefix}-input-tokens-limit": str(TOKENS_A_MINUTE),
            f"{prefix}-input-tokens-remaining": str(left),
        }

    def openai(self, provider: str) -> dict[str, str]:
        """Headers of OpenAI's API."""
        requests, _ = self._taken(provider, 0)
        return {
            "x-ratelimit-limit-requests": str(REQUESTS_A_MINUTE),
            "x-ratelimit-remaining-requests": str(requests),
        }

    def elevenlabs(self, provider: str) -> dict[str, str]:
        """Headers of ElevenLabs, whose limit is of concurrent requests."""
        return {
            "current-concurrent-requests": str(self._open[provider]),
            "maximum-concurrent-requests": str(CONCURRENT),
        }

    def _taken(self, provider: str, tokens: int) -> tuple[int, int]:
        requests = self._requests.setdefault(provider, _Bucket(REQUESTS_A_MINUTE))
        spent = self._tokens.setdefault(provider, _Bucket(TOKENS_A_MINUTE))
        return requests.take(1), spent.take(tokens)
