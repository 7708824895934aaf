"""Sends what happens to a trace collector and to Sentry, where these are configured."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from agent.budgets import Budgets
from agent.settings import Settings
from agent.telemetry.events import Sinks
from agent.telemetry.exposition import Metrics


@asynccontextmanager
async def exporting(settings: Settings, metrics: Metrics, budgets: Budgets, sinks: Sinks) -> AsyncGenerator[None]:
    """Adds the sinks that send; at the end they get a few seconds for what waits.

    The SDKs are imported only when they are used.
    """
    closing: list[Callable[[], None]] = []
    if settings.sentry_dsn is not None:
        closing.append(_report_to_sentry(settings, metrics, budgets, sinks))
    if settings.otlp_endpoint is not None:
        closing.append(_trace(settings, settings.otlp_endpoint, metrics, sinks))
    try:
        yield
    finally:
        await asyncio.gather(*(asyncio.to_thread(close) for close in closing))


def _report_to_sentry(settings: Settings, metrics: Metrics, budgets: Budgets, sinks: Sinks) -> Callable[[], None]:
    from agent.telemetry.sentry import SentrySink, sentry_client

    dsn = settings.sentry_dsn.get_secret_value() if settings.sentry_dsn is not None else ""
    client = sentry_client(dsn, release=f"voice-agent@{version('voice-agent')}", environment=settings.environment)
    sink = SentrySink(client, metrics, budgets)
    sinks.members.append(sink)
    root = logging.getLogger()
    root.addHandler(sink.handler)

    def close() -> None:
        root.removeHandler(sink.handler)
        sink.close()

    return close


def _trace(settings: Settings, endpoint: str, metrics: Metrics, sinks: Sinks) -> Callable[[], None]:
    from agent.telemetry.tracing import TracingSink, otlp_exporter

    resource = {
        "service.name": "voice-agent",
        "service.version": version("voice-agent"),
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}-{int(time.time())}",
        "deployment.environment.name": settings.environment,
    }
    sink = TracingSink(otlp_exporter(endpoint), metrics, resource, keep=settings.trace_share)
    sinks.members.append(sink)
    return sink.close
