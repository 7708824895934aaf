"""What the sandbox served: the other side of the ledger, in the units the vendors bill, and a log of the latest
requests.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_MAX_SESSIONS: Final = 10_000
_MAX_MODELS: Final = 200
_LOG_LENGTH: Final = 200
_MOMENTS: Final = 50_000

Quantities = dict[str, float]


class Counters:
    """Sums of quantities per provider and model, in all and per session.

    Quantities are plain numbers under these names: requests, requests_failed, requests_cancelled, audio_seconds,
    input_tokens (uncached), output_tokens, cache_read_tokens, cache_write_tokens, characters. The 10,000 sessions that
    were counted last are kept, and the totals never forget; models past 200 per provider are counted as `other`.
    """

    def __init__(self) -> None:
        self._totals: dict[str, dict[str, Quantities]] = {}
        self._sessions: OrderedDict[str, dict[str, dict[str, Quantities]]] = OrderedDict()

    def add(self, provider: str, model: str, session: str | None, **quantities: float) -> None:
        """Adds to the totals and, when the request named one, to its session."""
        models = self._totals.setdefault(provider, {})
        if model not in models and len(models) >= _MAX_MODELS:
            model = "other"
        _add(models, model, quantities)
        if session is None:
            return
        of_session = self._sessions.setdefault(session, {})
        self._sessions.move_to_end(session)
        _add(of_session.setdefault(provider, {}), model, quantities)
        if len(self._sessions) > _MAX_SESSIONS:
            self._sessions.popitem(last=False)

    def total(self, provider: str, quantity: str, *, model: str | None = None, session: str | None = None) -> float:
        """A quantity of a provider, over all models or one, in all or of one session; 0.0 if never counted."""
        by_provider = self._totals if session is None else self._sessions.get(session, {})
        models = by_provider.get(provider, {})
        return sum(q.get(quantity, 0.0) for name, q in models.items() if model is None or name == model)

    def snapshot(self, session: str | None = None) -> Mapping[str, Mapping[str, Quantities]]:
        """provider -> model -> quantity -> sum, in all or of one session. The dicts are live: encode, don't keep."""
        return self._totals if session is None else self._sessions.get(session, {})

    def reset(self) -> None:
        """Starts counting again from nothing."""
        self._totals.clear()
        self._sessions.clear()


def _add(models: dict[str, Quantities], model: str, quantities: Mapping[str, float]) -> None:
    sums = models.setdefault(model, {})
    for name, value in quantities.items():
        sums[name] = sums.get(name, 0.0) + value


@dataclass(slots=True)
class LoggedRequest:
    """One request as the control endpoint shows it; `outcome` changes until the request is over."""

    number: int
    at: float
    """Unix time of the request, in seconds."""
    provider: str
    model: str
    session: str | None
    outcome: str = "running"
    """running, served, cancelled (the client went away), or the kind of fault or error."""
    body: Any = None
    """The whole request body of a language model call, else the details that identify the request."""


@dataclass(slots=True)
class RequestLog:
    """The latest 200 requests, oldest first."""

    entries: deque[LoggedRequest] = field(default_factory=lambda: deque[LoggedRequest](maxlen=_LOG_LENGTH))
    _number: int = 0

    def open(self, provider: str, model: str, session: str | None, body: Any = None) -> LoggedRequest:
        """Appends an entry and returns it, for its outcome to be set later."""
        self._number += 1
        entry = LoggedRequest(self._number, time.time(), provider, model, session, body=body)
        self.entries.append(entry)
        return entry


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened for a session, on the machine's monotonic clock in seconds."""

    session: str | None
    provider: str
    point: str
    """asked (a request arrived), answered (its first useful piece was sent), end_of_turn (that was told)."""
    at: float


@dataclass(slots=True)
class Timings:
    """The latest 50,000 moments: what a benchmark takes off a turn to get at the service's own time."""

    entries: deque[Moment] = field(default_factory=lambda: deque[Moment](maxlen=_MOMENTS))

    def note(self, session: str | None, provider: str, point: str) -> None:
        """Appends a moment that is now."""
        self.entries.append(Moment(session, provider, point, time.monotonic()))
