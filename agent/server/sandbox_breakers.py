"""The breakers of what the sandbox serves: when it is back, callers should not wait for the next probe."""

from __future__ import annotations

from agent.core.calls import Service
from agent.core.errors import ConfigurationError
from agent.providers.fallback.breaker import Breakers, BreakerState
from agent.settings import Settings
from agent.settings_providers import CALLED, ProviderName


class SandboxBreakers:
    """What the breakers say of the sandbox's providers, by service."""

    def __init__(self, settings: Settings, breakers: Breakers) -> None:
        def simulated(key: ProviderName) -> bool:
            try:
                return settings.sandbox_url is not None and settings.provider(key).simulated
            except ConfigurationError:
                return False

        self._breakers = breakers
        self._services = {name: service for name, (key, service) in CALLED.items() if simulated(key)}

    def ask_now(self) -> None:
        """Has all of them that are out asked at once whether they are well again."""
        self._breakers.ask_now(self._services.keys())

    def serve(self, service: Service) -> bool:
        """Whether callers are sent to all of its providers."""
        states = self._breakers.states().items()
        return not any(self._services.get(name) == service for (name, _), state in states if state is not _WELL)


_WELL = BreakerState.CLOSED
