"""`/health/live`, `/health/ready` and `/metrics`."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from agent.session.registry import Registry
from agent.telemetry.exposition import Metrics


def health_routes(metrics: Metrics, registry: Registry) -> list[HTTPRouteHandler]:
    """The three routes of one process."""

    @get("/health/live", sync_to_thread=False, summary="The process runs")
    def live() -> dict[str, str]:
        return {"status": "ok"}

    @get("/health/ready", sync_to_thread=False, summary="New sessions are taken")
    def ready() -> Response[dict[str, Any]]:
        taken = registry.ready
        body = {"status": "ready" if taken else "not ready", "active_sessions": registry.count}
        return Response(body, status_code=200 if taken else 503)

    @get(
        "/metrics", sync_to_thread=False, summary="Prometheus text, or OpenMetrics where the Accept header asks for it"
    )
    def exposition(request: Request[Any, Any, State]) -> Response[bytes]:
        body, headers = metrics.render(request.headers.get("accept", ""))
        return Response(body, headers=headers)

    return [live, ready, exposition]
