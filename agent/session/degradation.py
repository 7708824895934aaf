"""Honest degradation: premium callers are told when a service runs on a later place of its chain, and when not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from agent.budgets import Tier
from agent.core.calls import Fallback, Service
from agent.session.events import ServiceDegraded, ServiceRecovered, SessionEvent

NOTICE: Final = "running in simplified mode"
SPOKEN_NOTICE: Final = "I am running in simplified mode at the moment."

Chains = Mapping[Service, Sequence[str]]
"""Service → its providers in the order of asking."""


class Disclosure:
    """Follows which place of each chain serves a session. Free callers are not told."""

    def __init__(self, tier: Tier, chains: Chains, send: Callable[[SessionEvent], None], *, speaks: bool) -> None:
        """`speaks`: the caller also hears it, once in a session."""
        self._tells = tier is Tier.PREMIUM
        self._chains = chains
        self._send = send
        self._speaks = speaks and self._tells
        self._places: dict[Service, int] = {}

    def fell_back(self, fallback: Fallback) -> None:
        """A chain moved."""
        order = list(self._chains.get(fallback.service, ()))
        place = order.index(fallback.to_provider) + 1 if fallback.to_provider in order else len(order) + 1
        if place == self._places.get(fallback.service, 1):
            return
        if place == 1:
            self.recovered(fallback.service)
            return
        self._places[fallback.service] = place
        if self._tells:
            self._send(ServiceDegraded(fallback.service, place, fallback.reason, NOTICE))

    def recovered(self, service: Service) -> None:
        """The first place of a chain served again."""
        if self._places.pop(service, None) is not None and self._tells:
            self._send(ServiceRecovered(service))

    def notice(self) -> str | None:
        """What the next reply begins with; None when there is nothing to say, or it was said before."""
        if not self._speaks or not self._places:
            return None
        self._speaks = False
        return SPOKEN_NOTICE
