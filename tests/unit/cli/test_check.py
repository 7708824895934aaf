"""`voice-agent check`: what has a key is asked, and what it says is told apart."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.check import check, failure_of
from agent.core.calls import ErrorKind, Misconfiguration, Problem, ProviderError


def test_with_one_key_only_that_provider_is_asked_and_the_others_are_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    for name in ("DEEPGRAM", "ELEVENLABS", "OPENAI"):
        monkeypatch.setenv(f"{name}_API_KEY", "")
    monkeypatch.setenv("VOICE_AGENT_SANDBOX_URL", "")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-a-key")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{free}")
    result = CliRunner().invoke(check, ["--json"], catch_exceptions=False)
    found = json.loads(result.stdout)
    states = {one["subject"]: one["state"] for one in found}
    assert {name for name, state in states.items() if state == "no key"} == {"deepgram", "elevenlabs", "openai"}
    failed = [one for one in found if one["state"] == "failed"]
    assert {one["subject"].split()[1] for one in failed} == {"anthropic"}
    assert all(f"127.0.0.1:{free} cannot be reached" in one["words"] for one in failed)
    assert result.exit_code == 1
    assert "sk-ant" not in result.output


def test_without_any_key_nothing_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DEEPGRAM_API_KEY", "ANTHROPIC_API_KEY", "ELEVENLABS_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("VOICE_AGENT_SANDBOX_URL", "")
    result = CliRunner().invoke(check, [], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout.count("simulated") == 4


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ProviderError("anthropic", ErrorKind.REFUSED),
            "api.anthropic.com cannot be reached: look at the network, its names and its proxy",
        ),
        (
            ProviderError(
                "anthropic", ErrorKind.MISCONFIGURED, fault=Misconfiguration(Problem.KEY, "invalid x-api-key")
            ),
            "the key was refused: invalid x-api-key",
        ),
        (ProviderError("anthropic", ErrorKind.OVERLOADED), "overloaded"),
    ],
)
def test_a_refused_key_is_not_a_network_that_is_down(error: ProviderError, said: str) -> None:
    assert failure_of(error, "api.anthropic.com") == said
