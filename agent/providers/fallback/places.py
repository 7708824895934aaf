"""The places at each provider: how many calls a process has open there at once, shared by all its sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.providers.fallback.concurrency import PriorityLimiter

PREMIUM_SLOTS: Final = 0.25  # share of a provider's places that is kept for premium callers


class Places:
    """One limiter for each provider. Deepgram's recogniser has streams, which are long; the others have calls."""

    def __init__(self, calls: int, streams: int) -> None:
        self._calls = calls
        self._limiters = {"deepgram": _limiter(streams)}

    def of(self, provider: str) -> PriorityLimiter:
        """The limiter of a provider, by the name that its adapter has."""
        if provider not in self._limiters:
            self._limiters[provider] = _limiter(self._calls)
        return self._limiters[provider]

    def left_of(self, provider: str) -> Callable[[], float]:
        """Says the share of its places that are free now, 0 to 1."""
        return lambda: self.of(provider).free_share


def _limiter(limit: int) -> PriorityLimiter:
    return PriorityLimiter(limit, reserved=int(limit * PREMIUM_SLOTS))
