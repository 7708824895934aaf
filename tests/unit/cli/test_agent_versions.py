"""What an operator types and reads about versions of an agent."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from agent.cli.agent import agent
from agent.cli.decisions import decisions
from agent.cli.report import ledger
from agent.policy.assignments import Change, ChangeCause
from agent.policy.decisions import Decision, Outcome, Reason, RollbackAlert
from tests.support.agent_versions import write_versions
from tests.support.policies import NOW
from tests.support.policy_store import agents_stored


def run(*arguments: str, status: int = 0, typed: str = "y\n", command: click.Command = agent) -> str:
    result = CliRunner().invoke(command, list(arguments), input=typed, catch_exceptions=False)
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


def test_a_promotion_with_a_holdout_keeps_the_stable_version_to_compare_with() -> None:
    made = run("promote", "hotel", "2", "--holdout", "5", "--yes")
    assert "hotel: new sessions get version 1 (stable) 5 %, version 2 (canary) 95 % (revision 1)" in made
    assert "version 2 is tried already" in run("promote", "hotel", "1", "--holdout", "5", "--yes", status=1)


def test_decisions_about_versions_are_seen_and_undone_where_those_about_policies_are(tmp_path: Path) -> None:
    run("canary", "hotel", "2", "--share", "50", "--yes")
    asyncio.run(rolled_back(f"sqlite:///{tmp_path / 'ledger.db'}"))
    (one,) = json.loads(run("--json", command=decisions))
    assert (one["about"], one["tier"], one["policy"]) == ("agent", "hotel", "2")
    assert "version 2" in run(command=decisions)
    assert json.loads(run("--tier", "free", "--json", command=decisions)) == []
    assert len(json.loads(run("--agent", "hotel", "--json", command=decisions))) == 1
    shown = run("show", one["id"], command=decisions)
    assert "Rolled back version 2 of hotel" in shown
    assert f"next: voice-agent decisions undo {one['id']}" in shown
    asked = run("undo", one["id"], command=decisions, typed="n\n", status=1)
    assert "new sessions get version 1 (stable) 50 %, version 2 (canary) 50 % instead of version 1 (stable)" in asked
    undone = run("undo", one["id"], "--yes", command=decisions, typed="")
    assert "hotel: new sessions get version 1 (stable) 50 %, version 2 (canary) 50 % (revision 3)" in undone


async def rolled_back(url: str) -> None:
    """The service rolls version 2 back."""
    alert = RollbackAlert("VoiceAgentAgentVersionWorse", "f", NOW, "hotel", "2", "experience")
    async with agents_stored(url) as store, store.transaction() as transaction:
        change = Change("hotel", {"1": 100}, ChangeCause.ROLLBACK, "automatic", "worse")
        await transaction.change(change, NOW)
        await transaction.save(Decision("d1", NOW, alert, "auto", Outcome.ROLLED_BACK, Reason.VERDICT, {}, 1, 2))


def test_what_cannot_be_done_is_one_line() -> None:
    assert "there is no agent motel: there are" in run("canary", "motel", "2", "--share", "10", status=1)
    assert "there is no version 5" in run("canary", "hotel", "5", "--share", "10", "--yes", status=1)
    assert "no version was ever tried" in run("rollback", "hotel", "--yes", status=1)
    assert "no version is tried" in run("promote", "hotel", "--yes", status=1)
    assert "there is no version 7" in run("promote", "hotel", "7", "--yes", status=1)
    assert "2.toml" in run("list")
