"""A session is found by what a person has of it: its time, the beginning of its id, a trace id, its caller."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from agent.budgets import Tier
from agent.cli.report import forget, report
from agent.cli.session import session
from agent.telemetry.events import Event
from tests.support.factories import session as one
from tests.support.ledger_day import a_session, told

ADA, BOB, BOB_AGAIN = "aaaa1111beef", "bbbb2222beef", "bbbb3333beef"


def run(command: click.Command, *arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configured ledger: one session of ada, two of bob."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", url)
    events: list[Event] = []
    for who in (one(ADA), one(BOB, Tier.FREE, "bob"), one(BOB_AGAIN, Tier.FREE, "bob")):
        events += a_session(who, [0.7, 0.9])

    async def fill() -> None:
        ledger, _ = await told(url, events, at=datetime.now(UTC) - timedelta(minutes=5))
        await ledger.engine.dispose()

    asyncio.run(fill())


def trace_of(session_id: str) -> str:
    return json.loads(run(report, "session", session_id, "--json"))["turns"][0]["trace_id"]


def listed(*arguments: str) -> set[str]:
    return {line["session_id"] for line in json.loads(run(session, "list", "--json", *arguments))}


def test_the_list_says_when_who_what_and_how_it_ended(tmp_path: Path) -> None:
    text = run(session, "list")
    line = next(line for line in text.splitlines() if "aaaa1111" in line)
    cells = [cell.strip() for cell in line.split("│")]
    assert cells[1:6] == ["aaaa1111", "premium", "ada", "2", "0"]
    assert cells[6].startswith("$0.0")
    assert cells[7] == "completed"
    assert str(tmp_path / "ledger.db") in text


def test_the_list_is_searched() -> None:
    assert listed() == {ADA, BOB, BOB_AGAIN}
    assert listed("bob") == listed("--tier", "free") == {BOB, BOB_AGAIN}
    assert listed("3333") == {BOB_AGAIN}
    assert listed(trace_of(ADA)) == listed(trace_of(ADA)[:8]) == {ADA}
    assert listed("completed") == {ADA, BOB, BOB_AGAIN}
    assert listed("100%") == set()
    assert len(listed("--limit", "2")) == 2
    assert "no such session" in run(session, "list", "--since", "1m")


@pytest.mark.parametrize("name", [ADA, "aaaa", "aaaa1111", "ada"])
def test_a_session_is_found_by_its_beginning_and_by_its_caller(name: str) -> None:
    assert f"session {ADA}" in run(report, "session", name)


def test_a_session_is_found_by_a_trace() -> None:
    assert f"session {BOB}" in run(report, "session", trace_of(BOB))
    assert f"session {BOB}" in run(report, "session", trace_of(BOB)[:10])


@pytest.mark.parametrize("name", ["bbbb", "bob"])
def test_what_means_several_sessions_names_them(name: str) -> None:
    said = run(report, "session", name, status=1)
    assert f"{name} means several sessions" in said
    assert BOB in said
    assert BOB_AGAIN in said


@pytest.mark.parametrize("name", ["aaa", "a%", "", "nobody"])
def test_what_means_none_says_how_to_find_one(name: str) -> None:
    assert "`session list` shows them" in run(report, "session", name, status=1)


def test_a_caller_is_forgotten_by_one_of_the_sessions() -> None:
    assert "bob is forgotten" in run(forget, BOB[:8])
    assert listed() == {ADA}
    assert "the ledger knows no caller nobody" in run(forget, "nobody", status=1)


def test_a_caller_named_like_the_beginning_of_another_s_session_is_the_one_that_is_forgotten(
    tmp_path: Path,
) -> None:
    async def add() -> None:
        ledger, _ = await told(f"sqlite:///{tmp_path / 'ledger.db'}", a_session(one("cccc", subject="aaaa"), [0.7]))
        await ledger.engine.dispose()

    asyncio.run(add())
    assert "aaaa is forgotten" in run(forget, "aaaa")
    assert ADA in listed()
