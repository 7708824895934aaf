"""What the log tells a person to do about a provider: a network that is down is not a key that is refused."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from agent.core.calls import Fallback, Misconfiguration, Problem
from agent.telemetry.events import BreakerChanged, Event, FellBack
from agent.telemetry.log import LogSink
from tests.support.factories import session


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Any:
    def line_of(event: Event) -> dict[str, Any]:
        """The fields of the one line that the log has of it, whatever the level is that another test has left."""
        sink, log = LogSink(), Mock()
        monkeypatch.setattr(sink, "_log", log)
        sink.handle(event)
        [(_, _, fields)] = log.method_calls
        return fields

    return line_of


@pytest.mark.parametrize(("reason", "reached"), [("refused", False), ("timeout", False), ("overloaded", True)])
def test_a_provider_that_cannot_be_reached_is_said_to_be_that(reason: str, reached: bool, logged: Any) -> None:
    line = logged(FellBack(session(), Fallback("llm", "anthropic", "recorded", reason, 0.0)))
    assert ("cannot be reached" in line.get("hint", "")) is not reached


def test_a_refused_key_is_named_with_what_to_do(logged: Any) -> None:
    fault = Misconfiguration(Problem.KEY, "invalid x-api-key")
    line = logged(BreakerChanged("anthropic", "haiku", "open", "misconfigured", fault))
    assert (line["problem"], line["provider_says"]) == ("key", "invalid x-api-key")
    assert "voice-agent check" in line["hint"]
