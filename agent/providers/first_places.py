"""Who serves while all is well: what of a call is simulated, and what runs on machines of one's own."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from agent.core.calls import Service
from agent.core.errors import ConfigurationError
from agent.providers.own_machine import OwnMachine
from agent.providers.voices import VOICES
from agent.settings import Settings
from agent.settings_providers import Endpoint, ProviderName

USUAL: Final[dict[Service, ProviderName]] = {"stt": "deepgram", "llm": "anthropic", "tts": "elevenlabs"}
_ACCOUNTS: Final[dict[str, ProviderName]] = {
    "deepgram": "deepgram",
    "whisper": "openai",
    "anthropic": "anthropic",
    **{name: entry.account for name, entry in VOICES.items()},
}
"""The name in a chain → whose key and host it has. What a client does itself has none."""


class FirstPlaces:
    """The first places of the chains in force; until they are told, those of the policies that are shipped."""

    def __init__(self, settings: Settings, machine: OwnMachine | None = None) -> None:
        self._settings = settings
        self._machine = machine or OwnMachine()
        self._accounts: dict[Service, set[ProviderName]] = {service: {name} for service, name in USUAL.items()}

    def take(self, places: Iterable[tuple[Service, str]]) -> None:
        """Notes (service, name in its chain) of all policies that a session may get."""
        told: dict[Service, set[ProviderName]] = {service: set() for service in USUAL}
        for service, place in places:
            if place in _ACCOUNTS:
                told[service].add(_ACCOUNTS[place])
        self._accounts = told

    def simulated(self) -> tuple[Service, ...]:
        """The services that the sandbox simulates, for some sessions at least: also where better failed."""
        return tuple(
            service
            for service in USUAL
            if any(
                end.simulated and (service in self._machine.failed or not self._is_local(service, end))
                for end in self._ends(service)
            )
        )

    def local(self) -> tuple[Service, ...]:
        """The services that run on machines of one's own at this moment, for all sessions."""
        return tuple(service for service in self.meant_local() if service not in self._machine.failed)

    def meant_local(self) -> tuple[Service, ...]:
        """The same, and those that should run there and do not at the moment."""
        return tuple(
            service
            for service in USUAL
            if (ends := self._ends(service)) and all(self._is_local(service, end) for end in ends)
        )

    def _ends(self, service: Service) -> list[Endpoint]:
        ends: list[Endpoint] = []
        for name in sorted(self._accounts[service]):
            with suppress(ConfigurationError):
                ends.append(self._settings.provider(name))
        return ends

    def _is_local(self, service: Service, end: Endpoint) -> bool:
        return service in self._settings.sandbox_local if end.simulated else end.local
