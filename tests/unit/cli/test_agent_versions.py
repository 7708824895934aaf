"""What an operator types and reads about versions of an agent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.agent import agent
from agent.cli.report import ledger
from tests.support.agent_versions import write_versions


def run(*arguments: str, status: int = 0, typed: str = "y\n") -> str:
    result = CliRunner().invoke(agent, list(arguments), input=typed, catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture(autouse=True)
def hotel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setenv("VOICE_AGENT_AGENTS_DIR", str(write_versions(tmp_path, 1, 2)))
    monkeypatch.setenv("VOICE_AGENT_AGENT", "hotel")
    assert CliRunner().invoke(ledger, ["migrate"]).exit_code == 0


def test_a_canary_its_promotion_and_its_rollback_as_they_are_typed() -> None:
    assert "hotel: version 1 (stable) 100 %" in run("status", "hotel")
    asked = run("canary", "hotel", "2", "--share", "10", typed="n\n", status=1)
    assert "new sessions get version 1 (stable) 90 %, version 2 (canary) 10 % instead of version 1 (stable)" in asked
    assert "nothing was changed; without a question: --yes" in asked
    made = run("canary", "hotel", "2", "--share", "10", "--reason", "shorter prompt")
    assert "hotel: new sessions get version 1 (stable) 90 %, version 2 (canary) 10 % (revision 1)" in made
    (status,) = json.loads(run("status", "hotel", "--json"))
    assert [(one["version"], one["role"], one["percent"]) for one in status["live"]] == [
        (1, "stable", 90), (2, "canary", 10),
    ]  # fmt: skip
    assert (status["revision"]["reason"], status["comparison"]) == ("shorter prompt", "none")
    assert "slow turns 0 %" in run("status", "hotel")
    assert "version 2 (stable) 100 % (revision 2)" in run("promote", "hotel", "--yes")
    assert "version 1 (stable) 90 %, version 2 (canary) 10 % (revision 3)" in run("rollback", "hotel", "--yes")
    assert "version 1 (stable) 100 % (revision 4)" in run("rollback", "hotel")
    assert "assign" not in run("status")


def test_what_cannot_be_done_is_one_line() -> None:
    assert "there is no agent motel: there are" in run("canary", "motel", "2", "--share", "10", status=1)
    assert "there is no version 5" in run("canary", "hotel", "5", "--share", "10", "--yes", status=1)
    assert "no version was ever tried" in run("rollback", "hotel", "--yes", status=1)
    assert "no version is tried" in run("promote", "hotel", "--yes", status=1)
    assert "there is no version 7" in run("promote", "hotel", "7", "--yes", status=1)
    assert "2.toml" in run("list")
