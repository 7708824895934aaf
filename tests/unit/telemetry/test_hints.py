"""What the log tells a person to do about a provider: a network that is down is not a key that is refused."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from agent.core.calls import Fallback, Misconfiguration, Problem
from agent.telemetry.events import BreakerChanged, FellBack
from agent.telemetry.log import LogSink
from tests.support.factories import session


@pytest.mark.parametrize(("reason", "reached"), [("refused", False), ("timeout", False), ("overloaded", True)])
def test_a_provider_that_cannot_be_reached_is_said_to_be_that(reason: str, reached: bool) -> None:
    with capture_logs() as lines:
        LogSink().handle(FellBack(session(), Fallback("llm", "anthropic", "recorded", reason, 0.0)))
    (line,) = lines
    assert ("cannot be reached" in line.get("hint", "")) is not reached


def test_a_refused_key_is_named_with_what_to_do() -> None:
    fault = Misconfiguration(Problem.KEY, "invalid x-api-key")
    with capture_logs() as lines:
        LogSink().handle(BreakerChanged("anthropic", "haiku", "open", "misconfigured", fault))
    (line,) = lines
    assert (line["problem"], line["provider_says"]) == ("key", "invalid x-api-key")
    assert "voice-agent check" in line["hint"]
