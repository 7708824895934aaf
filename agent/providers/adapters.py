"""What an adapter may offer beside its contract of `agent/providers/base.py`."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from agent.providers.call import Quota


class Closes(Protocol):
    """An adapter with connections."""

    async def close(self) -> None:
        """Closes them."""
        ...


@runtime_checkable
class TellsQuota(Protocol):
    """An adapter whose account says what is left of it."""

    provider: str

    async def quota(self) -> Quota | None:
        """What is left; None where the account has no limit. Raises ProviderError."""
        ...


@runtime_checkable
class TellsTime(Protocol):
    """An adapter whose vendor says what time it is."""

    async def clock_ahead_s(self) -> float | None:
        """By how many seconds this machine's clock is ahead; None where the vendor does not say."""
        ...
