"""Health for everybody, in one word; with details, and with the metrics, for operators on their own listener."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from agent.session.registry import Registry
from agent.telemetry.exposition import Metrics


@get("/health/live", sync_to_thread=False, summary="The process runs")
def live() -> dict[str, str]:
    """Answers as long as the event loop does."""
    return {"status": "ok"}


def public_health(registry: Registry) -> list[HTTPRouteHandler]:
    """For probes and proxies: a status, and nothing that a stranger could count."""

    @get("/health/ready", sync_to_thread=False, summary="New sessions are taken")
    def ready() -> Response[dict[str, Any]]:
        return _ready(registry, {})

    return [live, ready]


def operators_health(
    registry: Registry, metrics: Metrics, details: Callable[[], Mapping[str, Any]]
) -> list[HTTPRouteHandler]:
    """The same with `details`, and the metrics."""

    @get("/health/ready", sync_to_thread=False, summary="New sessions are taken, and what that depends on")
    def ready() -> Response[dict[str, Any]]:
        return _ready(registry, {"active_sessions": registry.count, **details()})

    @get(
        "/metrics", sync_to_thread=False, summary="Prometheus text, or OpenMetrics where the Accept header asks for it"
    )
    def exposition(request: Request[Any, Any, State]) -> Response[bytes]:
        body, headers = metrics.render(request.headers.get("accept", ""))
        return Response(body, headers=headers)

    return [live, ready, exposition]


def _ready(registry: Registry, details: Mapping[str, Any]) -> Response[dict[str, Any]]:
    taken = registry.ready
    body = {"status": "ready" if taken else "not ready", **details}
    return Response(body, status_code=200 if taken else 503)
