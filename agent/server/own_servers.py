"""Servers of one's own that stop answering: said in plain words where the operator and the caller look."""

from __future__ import annotations

from typing import cast

import structlog

from agent.core.calls import Service
from agent.providers.own_machine import OwnMachine
from agent.settings import Settings
from agent.settings_providers import CALLED
from agent.telemetry.events import BreakerChanged, Event

log = structlog.get_logger()


class OwnServers:
    """The sink that follows the breakers of providers on machines of one's own (ANTHROPIC_BASE_URL and its like)."""

    def __init__(self, settings: Settings, machine: OwnMachine) -> None:
        simulated = settings.sandbox_url is not None
        self._machine = machine
        self._services: dict[str, Service] = {
            name: cast("Service", service)
            for name, (key, service) in CALLED.items()
            if name in settings.unpaid() and not (simulated and settings.provider(key).simulated)
        }
        self._out: set[tuple[str, str]] = set()

    def handle(self, event: Event) -> None:
        """Notes a breaker that opened or closed; a service is back when none of its models is out."""
        if not isinstance(event, BreakerChanged) or (service := self._services.get(event.provider)) is None:
            return
        model = (event.provider, event.model)
        if event.state == "open" and model not in self._out:
            self._out.add(model)
            why = f"{event.provider} ({event.model}) on a machine of your own does not answer"
            self._machine.fails(service, why)
            log.error("own server does not answer", service=service, provider=event.provider, model=event.model)
        elif event.state == "closed" and model in self._out:
            self._out.remove(model)
            log.info("own server answers again", service=service, provider=event.provider, model=event.model)
            if not any(self._services[provider] == service for provider, _ in self._out):
                self._machine.failed.pop(service, None)
