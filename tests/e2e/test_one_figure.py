"""A turn without a reply is told in one way: by the caller's command, the log, the report and the page's figures."""

from __future__ import annotations

import asyncio
import json
import re
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner
from rich.console import Console

from agent.cli.report import report
from tests.support.providers import inject_fault
from tests.support.stack import clip, running_stack
from voice_loadtest.records import CallRecord
from voice_loadtest.report import CallReport
from voice_loadtest.script import Speak

pytestmark = pytest.mark.slow
_A_TIME: Final = re.compile(r"\d[\d,]* ms")


def printed(record: CallRecord) -> str:
    """What `voice-agent call` shows."""
    out = StringIO()
    told = CallReport(Console(file=out, width=160))
    for turn in record.turns:
        told.turn(turn, record)
    told.end(record)
    return out.getvalue()


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


async def shown(*arguments: str) -> str:
    runner = CliRunner(env={"COLUMNS": "160"})
    result = await asyncio.to_thread(runner.invoke, report, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


async def test_a_failed_turn_has_no_number_and_is_a_breach_for_everybody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "ledger.db"
    async with running_stack(
        log_level="info", log_format="json", database_url=f"sqlite+aiosqlite:///{database}"
    ) as stack:
        inject_fault(stack.sandbox, "anthropic", "server_error")
        record = await stack.call([Speak(clip("room_01"))])
        await stack.quiet()
    monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", f"sqlite:///{database}")

    (turn,) = record.turns
    assert (turn.outcome, turn.voice_to_voice_ms, turn.server_voice_to_voice_ms) == ("apology", None, None)
    assert turn.over_budget == ("voice_to_voice",)
    (bar,) = [line for line in printed(record).splitlines() if "┃" in line]
    assert bar.rstrip().endswith("no reply")
    assert not _A_TIME.search(bar)

    (logged,) = [line for line in lines(capfd.readouterr().err) if line["event"] == "turn"]
    assert (logged["outcome"], logged["voice_to_voice_ms"]) == ("apology", None)
    assert logged["over_budget"] == "voice_to_voice"

    of_session = json.loads(await shown("session", record.session_id, "--json"))
    (stored,) = of_session["turns"]
    assert (stored["outcome"], stored["voice_to_voice_s"], stored["over_budget"]) == (
        "apology", None, ["voice_to_voice"],
    )  # fmt: skip
    pictured = await shown("session", record.session_id)
    assert "no reply" in pictured
    assert not _A_TIME.search(pictured.partition("stt")[0])

    of_period = await shown("--since", "1h")
    rows = {
        cells[0]: cells[1:] for line in of_period.splitlines() if (cells := [one.strip() for one in line.split("│")])
    }
    assert rows["voice to voice p50"][0] == "no reply", rows
    assert rows["voice to voice p95"][0] == "no reply", rows
