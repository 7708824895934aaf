"""Commands about agents mean the agents that `make run` serves, and say so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.agent import agent
from agent.cli.serve import KEYS

SETTINGS = ("VOICE_AGENT_AGENTS_DIR", "VOICE_AGENT_AGENT", "VOICE_AGENT_SANDBOX_URL")


@pytest.fixture(autouse=True)
def fresh_clone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is set, in a folder without `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in (*KEYS, *SETTINGS):
        monkeypatch.setenv(name, "")


def usual() -> tuple[str, str]:
    """Who answers where nobody is asked for, and what was said about the folder."""
    result = CliRunner().invoke(agent, ["list", "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (one,) = [one for one in json.loads(result.stdout) if one["usual"]]
    return one["name"], result.stderr


def test_in_a_clone_without_keys_it_is_the_front_desk_and_the_folder_is_named() -> None:
    name, said = usual()
    assert name == "front_desk"
    assert "front_desk, as under `make run`; VOICE_AGENT_AGENTS_DIR names another folder" in said


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("ANTHROPIC_API_KEY", "a-key"),
        ("VOICE_AGENT_AGENT", "receptionist"),
        ("VOICE_AGENT_AGENTS_DIR", "."),
        ("VOICE_AGENT_SANDBOX_URL", "http://127.0.0.1:8100"),
    ],
)
def test_whoever_chose_something_gets_what_was_chosen(
    setting: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, value)
    assert usual() == ("receptionist", "")
