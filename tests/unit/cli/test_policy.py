"""What an operator types and reads."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from agent.cli.agent import agent
from agent.cli.decisions import decisions
from agent.cli.policy import policy
from agent.cli.report import ledger
from agent.policy.assignments import Change, ChangeCause
from tests.support.paths import ROOT
from tests.support.policies import ALERT, EVIDENCE, decided
from tests.support.policy_store import stored, watch_on


def run(command: click.Command, *arguments: str, status: int = 0, typed: str = "y\n") -> str:
    result = CliRunner().invoke(command, list(arguments), input=typed, catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    found = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", found)
    return found


async def start_service(url: str) -> None:
    async with stored(url) as store:
        await watch_on(store)[0].refresh()


def test_a_canary_and_its_rollback_as_they_are_typed(url: str) -> None:
    run(ledger, "migrate")
    assert "never assigned: the service has not started yet" in run(policy, "list")
    assert "start the service once" in run(policy, "history")
    assert "no decision yet" in run(decisions)
    asyncio.run(start_service(url))
    made = run(policy, "assign", "free", "haiku_first=90", "economy=10", "--reason", "a canary")
    assert "free: new sessions get haiku_first 90 %, economy 10 % (revision 2)" in made
    assert "revision 2 since" in run(policy, "list")
    rolled = run(policy, "rollback", "free", "--yes")
    assert "free: new sessions get haiku_first 95 %, sonnet_first 5 % (revision 3)" in rolled
    history = json.loads(run(policy, "history", "--tier", "free", "--json"))
    assert [(one["revision"], one["cause"], one["restores"]) for one in history] == [
        (3, "rollback", 1), (2, "assign", None), (1, "first", None),
    ]  # fmt: skip
    assert history[1]["reason"] == "a canary"
    assert "rollback to 1" in run(policy, "history")


def test_the_policies_are_read_in_a_terminal_of_80_columns(url: str) -> None:
    asyncio.run(start_service(url))
    table = [line for line in run(policy, "list").splitlines() if not line.startswith(("free ", "premium "))]
    assert max(len(line.rstrip()) for line in table) <= 80
    assert any(line.split() == ["haiku_first", "v2", "haiku", "→", "sonnet", "flux", "elevenlabs", "95", "%", "95", "%"]
               for line in table)  # fmt: skip


def test_an_assignment_of_another_policy_file_is_said_to_be_of_no_use(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(start_service(url))
    assert "this policy file does not have" not in run(policy, "list")
    monkeypatch.setenv("VOICE_AGENT_POLICIES_FILE", str(ROOT / "examples" / "policies" / "canary.toml"))
    told = " ".join(run(policy, "list").split())
    assert "free revision 1 names what this policy file does not have: haiku_first." in told
    assert "gives everybody sonnet_first, until `policy assign free …`" in told


def test_weights_that_cannot_be_are_refused_before_anybody_is_asked(url: str) -> None:
    asyncio.run(start_service(url))
    told = run(policy, "assign", "free", "haiku_first=5", "sonnet_first=90", status=1)
    assert "takes weights that sum to 100, these sum to 95" in told
    assert "[y/N]" not in told


def test_nothing_changes_that_the_operator_did_not_see(url: str) -> None:
    asyncio.run(start_service(url))
    run(policy, "assign", "free", "economy=100", "--revision", "1", "--reason", "somebody was faster", typed="")
    assert "revision 2 is in force, and 1 was expected" in run(
        policy, "rollback", "free", "--revision", "1", status=1, typed=""
    )
    shown = run(policy, "rollback", "free", typed="n\n", status=1)
    assert "free gets economy 100 %: revision 2 since" in shown and "somebody was faster" in shown
    assert "nothing was changed; without a question: --yes, or --revision" in shown
    assert "the baseline" not in shown
    assert "nothing was changed" in run(policy, "assign", "free", "haiku_first=100", typed="", status=1)
    assert len(json.loads(run(policy, "history", "--tier", "free", "--json"))) == 2
    assert "revision 3" in run(policy, "rollback", "free", "--revision", "2", typed="")


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (("assign", "free", "haiku_first=90"), 1, "sum to 100"),
        (("assign", "free", "haiku_first"), 2, "takes a policy and its percent: haiku_first=95"),
        (("assign", "free", f"economy={'9' * 5000}"), 2, "takes a policy and its percent: haiku_first=95"),
        (("assign", "free", "economy=50", "economy=50"), 2, "a policy is named twice"),
        (("assign", "gold", "economy=100"), 2, "'gold' is not one of"),
        (("show", "opus_first"), 1, "there is no policy opus_first: there are haiku_first"),
    ],
)
def test_what_cannot_be_done_is_said(url: str, arguments: tuple[str, ...], status: int, why: str) -> None:
    asyncio.run(start_service(url))
    assert why in run(policy, *arguments, status=status)


def test_a_user_without_a_name_can_roll_back_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr("getpass.getuser", nameless)
    asyncio.run(start_service(url))
    run(policy, "rollback", "free", "--yes")
    [rolled, _] = json.loads(run(policy, "history", "--tier", "free", "--json"))
    assert rolled["actor"].startswith("command (uid ")


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_a_rollback_asks_and_says_its_price(url: str, answer: str, status: int) -> None:
    asyncio.run(start_service(url))
    result = CliRunner().invoke(policy, ["rollback", "free"], input=answer, catch_exceptions=False)
    assert result.exit_code == status
    assert "new sessions get sonnet_first 100 % instead of haiku_first 95 %, sonnet_first 5 %" in result.output
    assert re.search(r"costs about \$0\.\d{4} instead of \$0\.\d{4} \(\+\d+%\)", result.output)
    assert ("\nError: nothing was changed; without a question: --yes" in result.output) is (status == 1)
    assert "no assignment stands before this one: a rollback brings the baseline" in result.output
    history = json.loads(run(policy, "history", "--tier", "free", "--json"))
    assert len(history) == (2 if status == 0 else 1)


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_an_assignment_asks_and_says_its_price(url: str, answer: str, status: int) -> None:
    asyncio.run(start_service(url))
    told = run(policy, "assign", "free", "sonnet_first=100", status=status, typed=answer)
    assert "new sessions get sonnet_first 100 % instead of haiku_first 95 %, sonnet_first 5 %" in told
    assert re.search(r"costs about \$0\.\d{4} instead of \$0\.\d{4} \(\+\d+%\)", told)
    assert ("nothing was changed; without a question: --yes, or --revision" in told) is (status == 1)
    history = json.loads(run(policy, "history", "--tier", "free", "--json"))
    assert len(history) == (2 if status == 0 else 1)


def test_an_assignment_before_the_first_one_asks_too(url: str) -> None:
    run(ledger, "migrate")
    told = run(policy, "assign", "free", "economy=100", typed="", status=1)
    assert "free: nothing was assigned before; new sessions get economy 100 %" in told
    assert "(revision 1)" in run(policy, "assign", "free", "economy=100", "--yes", typed="")


def test_every_command_that_moves_callers_can_be_told_not_to_ask() -> None:
    moving = [
        *(policy.commands[name] for name in ("assign", "rollback")),
        *(agent.commands[name] for name in ("canary", "promote", "rollback")),
        decisions.commands["undo"],
    ]
    for command in moving:
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert {"--yes", "--reason"} <= flags, command.name


def test_a_rollback_is_taken_back_after_a_question_with_its_price(url: str) -> None:
    async def rolled_back() -> None:
        async with stored(url) as store:
            await watch_on(store)[0].refresh()
            async with store.transaction() as transaction:
                change = Change("free", {"sonnet_first": 100}, ChangeCause.ROLLBACK, "automatic", "worse")
                await transaction.change(change, ALERT.starts_at)
                made = replace(decided("haiku_first", ALERT.starts_at - ALERT.starts_at), to_revision=2)
                await transaction.save(replace(made, evidence=EVIDENCE))

    asyncio.run(rolled_back())
    told = run(decisions, "undo", "haiku_first", typed="n\n", status=1)
    assert "new sessions get haiku_first 95 %, sonnet_first 5 % instead of sonnet_first 100 %" in told
    assert re.search(r"costs about \$0\.\d{4} instead of \$0\.\d{4} \(-\d+%\)", told)
    assert "nothing was changed; without a question: --yes" in told
    assert "(revision 3)" in run(decisions, "undo", "haiku_first", "--yes", typed="")


def test_every_knob_of_a_policy() -> None:
    text = run(policy, "show", "haiku_first")
    assert re.search(r"thinking +haiku → sonnet → recorded", text)  # a turn begins with its first model
    assert "over 80 characters" in text


def test_a_decision_with_its_numbers_and_what_to_do_next(url: str) -> None:
    async def decide() -> None:
        async with stored(url) as store:
            await watch_on(store)[0].refresh()
            made = decided("haiku_first", ALERT.starts_at - ALERT.starts_at)
            async with store.transaction() as transaction:
                await transaction.save(replace(made, evidence=EVIDENCE))

    asyncio.run(decide())
    assert "rolled back" in run(decisions)
    text = run(decisions, "show", "haiku_first")
    assert "slow turns 18.3 % (limit 5.0 %, baseline 3.1 %)" in text
    assert "next: voice-agent decisions undo haiku_first" in text
    assert json.loads(run(decisions, "--json"))[0]["outcome"] == "rolled_back"
    assert "is no longer in force" in run(decisions, "undo", "haiku_first", status=1)
