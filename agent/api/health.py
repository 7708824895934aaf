"""`/health/live`, `/health/ready` and `/metrics`."""

from __future__ import annotations

from typing import Any, Protocol

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from agent.core.calls import Service
from agent.session.registry import Registry
from agent.telemetry.exposition import Metrics


class ProviderHealth(Protocol):
    """What is known of providers that only a person can mend."""

    def problems(self) -> list[dict[str, str]]: ...

    def unserved(self) -> list[Service]: ...


def health_routes(metrics: Metrics, registry: Registry, providers: ProviderHealth) -> list[HTTPRouteHandler]:
    """The three routes of one process.

    A provider that refuses us leaves the process ready while its chain has another one: all processes have the same
    keys, and one that is sent no callers mends nothing. A service with nobody left makes it not ready.
    """

    @get("/health/live", sync_to_thread=False, summary="The process runs")
    def live() -> dict[str, str]:
        return {"status": "ok"}

    @get("/health/ready", sync_to_thread=False, summary="New sessions are taken")
    def ready() -> Response[dict[str, Any]]:
        unserved, problems = providers.unserved(), providers.problems()
        taken = registry.ready and not unserved
        body: dict[str, Any] = {"status": "ready" if taken else "not ready", "active_sessions": registry.count}
        if problems:
            body |= {"misconfigured": problems, "unserved": unserved}
        return Response(body, status_code=200 if taken else 503)

    @get(
        "/metrics", sync_to_thread=False, summary="Prometheus text, or OpenMetrics where the Accept header asks for it"
    )
    def exposition(request: Request[Any, Any, State]) -> Response[bytes]:
        body, headers = metrics.render(request.headers.get("accept", ""))
        return Response(body, headers=headers)

    return [live, ready, exposition]
