from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from agent.settings import Settings
from agent.telemetry.events import Sinks
from agent.telemetry.export import exporting
from agent.telemetry.exposition import Metrics
from tests.support.receivers import receiver
from tests.support.records import BUDGETS


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)  # pyright: ignore[reportCallIssue]  pydantic-settings' own parameter


async def test_nothing_is_sent_unless_it_is_asked_for() -> None:
    sinks = Sinks([])
    async with exporting(settings(), Metrics(), BUDGETS, sinks):
        assert sinks.members == []


def test_the_service_starts_without_loading_their_sdks() -> None:
    code = "import sys, agent.server.app; print({'sentry_sdk', 'opentelemetry.sdk'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "set()"


async def test_both_exporters_join_the_sinks_where_they_are_configured() -> None:
    class Meter:
        def handle(self, event: object) -> None:
            return

    recorder = Meter()
    sinks = Sinks([recorder])
    with receiver() as found:
        given = {
            "SENTRY_DSN": found.url.replace("://", "://public@") + "/1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": found.url,
        }
        async with exporting(settings(**given), Metrics(), BUDGETS, sinks):
            kinds = [type(member).__name__ for member in sinks.members]
    assert sorted(kinds) == ["Meter", "SentrySink", "TracingSink"]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("SENTRY_DSN", "sentry.example/1"),
        ("SENTRY_DSN", "https://sentry.example/1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("trace_share", "1.5"),
    ],
)
def test_a_wrong_address_or_share_stops_the_start(name: str, wrong: str) -> None:
    with pytest.raises(ValidationError):
        settings(**{name: wrong})
