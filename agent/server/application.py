"""A Litestar application as this service has it: problem documents, `nosniff`, faults in the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import MutableScopeHeaders, State
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsException, ProblemDetailsPlugin
from litestar.types import ControllerRouterHandler, Message, Scope

log = structlog.get_logger()

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


async def _log_fault(error: Exception, scope: Scope) -> None:
    """A fault of ours is one line of the log; what was asked for wrongly is none."""
    if scope["type"] == "http" and not isinstance(error, HTTPException | ProblemDetailsException):
        log.error("request failed", error=type(error).__name__, exc_info=error)


async def _nosniff(message: Message, _scope: Scope) -> None:
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        headers.setdefault("x-content-type-options", "nosniff")


def application(
    routes: Sequence[ControllerRouterHandler],
    state: Mapping[str, Any],
    *lives: Lifespan,
    openapi: OpenAPIConfig | None = None,
    origins: Sequence[str] = (),
) -> Litestar:
    """An application with these routes and this state; `openapi` says who may read its document.

    Pages of `origins` may use it from elsewhere, without their cookies.
    """
    cors = CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type"],
        expose_headers=["retry-after"],
    )
    return Litestar(
        route_handlers=routes,
        state=State(dict(state)),
        lifespan=list(lives),
        plugins=[ProblemDetailsPlugin(ProblemDetailsConfig(enable_for_all_http_exceptions=True))],
        before_send=[_nosniff],
        after_exception=[_log_fault],
        openapi_config=openapi,
        cors_config=cors if origins else None,
        logging_config=None,
    )
