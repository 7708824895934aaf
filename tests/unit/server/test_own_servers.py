"""Servers of one's own that stop answering are said in plain words, and so is their return."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from agent.providers.own_machine import OwnMachine
from agent.server import own_servers
from agent.server.own_servers import OwnServers
from agent.settings import Settings
from agent.telemetry.events import BreakerChanged

OLLAMA = {"anthropic_base_url": "http://127.0.0.1:11434", "anthropic_api_key": "none"}
SANDBOX = {"sandbox_url": "http://127.0.0.1:8100"}


def following(**given: Any) -> tuple[OwnMachine, OwnServers]:
    machine = OwnMachine()
    settings = Settings(_env_file=None, **given)  # pyright: ignore[reportCallIssue]  pydantic-settings' own parameter
    return machine, OwnServers(settings, machine)


def changed(state: str, model: str = "qwen3:8b", provider: str = "anthropic") -> BreakerChanged:
    return BreakerChanged(provider, model, state, "failures")


def test_a_server_that_goes_away_is_named_until_it_answers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, sink = following(**OLLAMA, **SANDBOX)
    log = Mock()  # whatever the level is that another test has left behind
    monkeypatch.setattr(own_servers, "log", log)
    sink.handle(changed("open"))
    assert machine.failed == {"llm": "anthropic (qwen3:8b) on a machine of your own does not answer"}
    sink.handle(changed("half_open"))
    sink.handle(changed("open"))
    assert set(machine.failed) == {"llm"}
    sink.handle(changed("closed"))
    assert machine.failed == {}
    told = [(name, *arguments) for name, arguments, _ in log.method_calls]
    assert told == [("error", "own server does not answer"), ("info", "own server answers again")]


def test_a_service_is_back_when_all_of_its_models_are() -> None:
    machine, sink = following(**OLLAMA, **SANDBOX)
    for model in ("small", "large"):
        sink.handle(changed("open", model))
    sink.handle(changed("closed", "small"))
    assert set(machine.failed) == {"llm"}
    sink.handle(changed("closed", "large"))
    assert machine.failed == {}


def test_vendors_and_the_sandbox_are_nobodys_own_machine() -> None:
    machine, sink = following(anthropic_api_key="sk-real", sandbox_local="stt,tts", **SANDBOX)
    for provider in ("anthropic", "deepgram", "elevenlabs"):
        sink.handle(changed("open", provider=provider))
    assert machine.failed == {}, "a vendor's breaker has its own alerts, and the sandbox is watched by itself"
