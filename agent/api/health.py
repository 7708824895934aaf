"""Health for everybody, in one word; with details, and with the metrics, for operators on their own listener."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from agent.core.calls import Service
from agent.session.registry import Registry
from agent.telemetry.exposition import Metrics


class ProviderHealth(Protocol):
    """What is known of providers: whether their SDKs are loaded, and what only a person can mend."""

    @property
    def loaded(self) -> bool: ...

    def problems(self) -> list[dict[str, str]]: ...

    def unserved(self) -> list[Service]: ...


@get("/health/live", sync_to_thread=False, summary="The process runs")
def live() -> dict[str, str]:
    """Answers as long as the event loop does."""
    return {"status": "ok"}


def public_health(registry: Registry, providers: ProviderHealth) -> list[HTTPRouteHandler]:
    """For probes and proxies: a status, and nothing that a stranger could count.

    A provider that refuses us leaves the process ready while its chain has another one: all processes have the same
    keys, and one that is sent no callers mends nothing. A service with nobody left makes it not ready, and so do the
    first seconds of a process, in which it loads the providers' SDKs.
    """

    @get("/health/ready", sync_to_thread=False, summary="New sessions are taken")
    def ready() -> Response[dict[str, Any]]:
        return _ready(registry, providers, {})

    return [live, ready]


def operators_health(
    registry: Registry, providers: ProviderHealth, metrics: Metrics, details: Callable[[], Mapping[str, Any]]
) -> list[HTTPRouteHandler]:
    """The same with `details` and what is misconfigured, and the metrics."""

    @get("/health/ready", sync_to_thread=False, summary="New sessions are taken, and what that depends on")
    def ready() -> Response[dict[str, Any]]:
        body: dict[str, Any] = {"active_sessions": registry.count, **details()}
        if not providers.loaded:
            body["loading"] = True
        if problems := providers.problems():
            body |= {"misconfigured": problems, "unserved": providers.unserved()}
        return _ready(registry, providers, body)

    @get(
        "/metrics", sync_to_thread=False, summary="Prometheus text, or OpenMetrics where the Accept header asks for it"
    )
    def exposition(request: Request[Any, Any, State]) -> Response[bytes]:
        body, headers = metrics.render(request.headers.get("accept", ""))
        return Response(body, headers=headers)

    return [live, ready, exposition]


def _ready(registry: Registry, providers: ProviderHealth, details: Mapping[str, Any]) -> Response[dict[str, Any]]:
    taken = registry.ready and providers.loaded and not providers.unserved()
    body = {"status": "ready" if taken else "not ready", **details}
    return Response(body, status_code=200 if taken else 503)
