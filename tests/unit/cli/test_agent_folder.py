"""Commands about agents mean the agents that `make run` serves, and say so."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from agent.cli import front_desk, main
from agent.cli.agent import agent
from agent.cli.decisions import decisions
from agent.cli.memory import memory
from agent.cli.policy import policy
from agent.cli.report import forget, ledger, report
from agent.cli.serve import KEYS
from agent.cli.session import session
from tests.support.agent_versions import write_versions

SETTINGS = ("VOICE_AGENT_AGENTS_DIR", "VOICE_AGENT_AGENT", "VOICE_AGENT_SANDBOX_URL", "FRONT_DESK_DEMO")


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
    assert os.environ["FRONT_DESK_DEMO"] == "1", "sample calls can be made again"
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


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which `make run` was started, with two versions of an agent; this folder is another one."""
    folder = tmp_path / "checkout"
    for name in ("alerts", "examples"):
        (folder / name).mkdir(parents=True)
    (folder / "alerts" / "groups.py").touch()
    monkeypatch.setattr(main, "CHECKOUT", folder)
    monkeypatch.setattr(front_desk, "FOLDER", write_versions(folder / "examples", 1, 2, name="front_desk"))
    monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", "")
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(folder)
    assert CliRunner().invoke(ledger, ["migrate"], catch_exceptions=False).exit_code == 0
    monkeypatch.chdir(elsewhere)
    return folder


def test_from_another_folder_versions_are_those_that_make_run_serves(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = CliRunner().invoke(agent, ["canary", "front_desk", "2", "--share", "10", "--yes"], catch_exceptions=False)
    assert made.exit_code == 0, made.output
    assert f"of the service in {checkout}, as under `make run`" in made.stderr
    assert not (Path.cwd() / "var").exists(), "no ledger is made where nobody serves"
    monkeypatch.chdir(checkout)
    seen = CliRunner().invoke(agent, ["status", "front_desk"], catch_exceptions=False)
    assert "version 1 (stable) 90 %, version 2 (canary) 10 %" in seen.stdout
    assert "of the service in" not in seen.stderr


def test_a_key_in_the_checkout_s_file_counts_from_another_folder_too(checkout: Path) -> None:
    (checkout / ".env").write_text("ANTHROPIC_API_KEY=a-key\n")
    assert usual() == ("receptionist", "")


def test_a_folder_with_settings_of_its_own_is_what_it_says(checkout: Path, tmp_path: Path) -> None:
    Path(".env").write_text("VOICE_AGENT_AGENT=receptionist\n")
    assert usual() == ("receptionist", "")
    told = CliRunner().invoke(agent, ["status"])
    assert told.exit_code == 1
    assert f"there is no database {tmp_path / 'elsewhere' / 'var'}" in str(told.exception)


def test_before_make_run_it_is_said_where_there_is_no_ledger(checkout: Path) -> None:
    for file in (checkout / "var").iterdir():
        file.unlink()
    told = CliRunner().invoke(agent, ["canary", "front_desk", "2", "--share", "10", "--yes"])
    assert f"there is no database {checkout / 'var'}" in str(told.exception)
    assert "the service makes it at its first start" in str(told.exception)


READS = [(session, ["list"]), (report, []), (policy, ["list"]), (policy, ["history"]), (decisions, [])]
"""Commands that only read the ledger."""


@pytest.mark.parametrize(("command", "arguments"), READS)
def test_what_reads_the_ledger_reads_that_of_make_run_from_another_folder_and_says_so(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, command: click.Command, arguments: list[str]
) -> None:
    there = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert there.exit_code == 0, there.output
    assert there.stderr == f"of the service in {checkout}, as under `make run`\n"
    assert list(Path.cwd().iterdir()) == [], "nothing is made where nobody serves"
    monkeypatch.chdir(checkout)
    here = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert without_times(there.stdout) == without_times(here.stdout)
    assert here.stderr == ""


def without_times(text: str) -> str:
    return re.sub(r"\d\d:\d\d", "", text)


@pytest.mark.parametrize(
    ("command", "arguments"), [(report, ["session", "abc"]), (session, ["export", "abc"]), (memory, ["show", "abc"])]
)
def test_a_session_is_looked_for_in_the_ledger_of_make_run(
    checkout: Path, command: click.Command, arguments: list[str]
) -> None:
    told = CliRunner().invoke(command, arguments)
    assert told.exit_code == 1
    assert f"of the service in {checkout}, as under `make run`" in told.stderr
    assert "no database" not in f"{told.stderr}{told.exception}"


@pytest.mark.parametrize(("command", "arguments"), READS)
def test_where_nobody_has_served_what_reads_names_this_folder(
    checkout: Path, command: click.Command, arguments: list[str]
) -> None:
    (checkout / "var" / "voice-agent.db").unlink()
    told = CliRunner().invoke(command, arguments)
    assert f"there is no database {Path.cwd() / 'var'}" in str(told.exception)
    assert told.stderr == ""


@pytest.mark.parametrize(("command", "arguments"), READS)
def test_a_folder_with_a_ledger_of_its_own_is_read_before_that_of_make_run(
    checkout: Path, command: click.Command, arguments: list[str]
) -> None:
    assert CliRunner().invoke(ledger, ["migrate"], catch_exceptions=False).exit_code == 0
    told = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert (told.exit_code, told.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [(forget, ["somebody"]), (ledger, ["prune"]), (policy, ["assign", "free", "haiku_first=100", "--yes"])],
)
def test_what_changes_the_ledger_says_where_that_of_make_run_is_and_touches_nothing(
    checkout: Path, command: click.Command, arguments: list[str]
) -> None:
    told = CliRunner().invoke(command, arguments)
    assert f"there is no database {Path.cwd() / 'var'}" in str(told.exception), told.output
    usual = checkout / "var" / "voice-agent.db"
    assert f"The service of `make run` has {usual}: run this in {checkout}" in str(told.exception)
    usual.unlink()
    assert "The service of `make run`" not in str(CliRunner().invoke(command, arguments).exception)
