"""What `voice-agent call` and `probe` call where no address is given: the service that is configured here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.cli.main import cli, load_command, offered
from agent.cli.own_service import http_address
from agent.core.errors import ConfigurationError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("URL", "HOST", "PORT", "API_KEY"):
        monkeypatch.delenv(f"VOICE_AGENT_{name}", raising=False)
    return tmp_path


def taken(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str) -> dict[str, Any]:
    """What the command is given, where it would call."""
    command = load_command(offered()["Call"][name])
    given: dict[str, Any] = {}

    def keep(**parameters: Any) -> None:
        given.update(parameters)

    monkeypatch.setattr(command, "callback", keep)
    result = CliRunner().invoke(cli, [name, *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return given


CALLERS = [("call", ("--text", "hello")), ("probe", ("--key", "k"))]


@pytest.mark.parametrize(("name", "arguments"), CALLERS)
@pytest.mark.parametrize(
    ("environment", "file", "address"),
    [
        ({}, "", "http://127.0.0.1:8000"),
        ({"PORT": "8321"}, "", "http://127.0.0.1:8321"),
        ({}, "VOICE_AGENT_PORT=8322\n", "http://127.0.0.1:8322"),
        ({"PORT": "8321"}, "VOICE_AGENT_PORT=8322\n", "http://127.0.0.1:8321"),
        ({"PORT": "8321", "HOST": "0.0.0.0"}, "", "http://127.0.0.1:8321"),
        ({"PORT": "8321", "HOST": "::1"}, "", "http://[::1]:8321"),
        ({"PORT": "8321"}, "VOICE_AGENT_URL=https://voice.example\n", "https://voice.example"),
        ({"PORT": "8321", "URL": "http://other:9"}, "VOICE_AGENT_URL=https://voice.example\n", "http://other:9"),
    ],
)
def test_the_configured_service_is_called(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    file: str,
    address: str,
) -> None:
    for setting, value in environment.items():
        monkeypatch.setenv(f"VOICE_AGENT_{setting}", value)
    (folder / ".env").write_text(file)
    assert taken(monkeypatch, name, *arguments)["url"] == address
    assert taken(monkeypatch, name, "http://named:1", *arguments)["url"] == "http://named:1"


def test_the_key_of_the_caller_may_stand_in_the_file_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("VOICE_AGENT_API_KEY=of-the-file\n")
    assert taken(monkeypatch, "call", "--text", "hello")["api_key"] == "of-the-file"
    monkeypatch.setenv("VOICE_AGENT_API_KEY", "of-the-shell")
    assert taken(monkeypatch, "call", "--text", "hello")["api_key"] == "of-the-shell"


@pytest.mark.parametrize("port", ["0", "eight", "70000"])
def test_a_port_that_cannot_be_called_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("VOICE_AGENT_PORT", port)
    result = CliRunner().invoke(cli, ["call", "--text", "hello"])
    assert str(result.exception) == f"VOICE_AGENT_PORT: {port} is no port that can be called: give the address"


def test_what_listens_everywhere_is_called_here() -> None:
    assert http_address("::", 8000) == "http://[::1]:8000"
    assert http_address("localhost", 8000) == "http://localhost:8000"


def test_help_reads_no_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_PORT", "eight")
    result = CliRunner().invoke(cli, ["call", "--help"])
    assert result.exit_code == 0
    assert "--text TEXT" in result.output


@pytest.mark.usefixtures("folder")
def test_a_setting_that_is_spelt_wrong_calls_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_PROT", "8321")
    result = CliRunner().invoke(cli, ["call", "--text", "hello"])
    assert isinstance(result.exception, ConfigurationError)
    assert str(result.exception) == "VOICE_AGENT_PROT is not a setting; did you mean VOICE_AGENT_PORT?"
