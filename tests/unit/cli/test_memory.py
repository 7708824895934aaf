"""What a session remembers, as it is asked for on a terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from agent.cli.memory import memory
from agent.memory import Conversation
from tests.support.factories import session
from tests.support.ledger_day import a_session
from tests.support.ledger_setup import open_setup


@pytest.fixture(autouse=True)
def remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configured ledger with one session that remembers something."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", url)

    async def fill() -> None:
        conversation = Conversation()
        conversation.heard("I would like to book a room in Vienna")
        async with open_setup(url) as stack:
            for event in a_session(session("call-0001"), [0.7]):
                stack.sinks.handle(event)
            for seq, event in enumerate(conversation.events_since(0)):
                stack.ledger.record_memory("call-0001", seq, msgspec.json.encode(event))
            assert await stack.ledger.flush(timeout_s=30)

    asyncio.run(fill())


def test_the_memory_is_shown_as_text_and_drawn(tmp_path: Path) -> None:
    shown = CliRunner().invoke(memory, ["show", "call-0001"])
    assert (shown.exit_code, "Vienna" in shown.output) == (0, True)
    drawn = CliRunner().invoke(memory, ["show", "call-0001", "--svg", str(tmp_path / "graph.svg")])
    assert drawn.exit_code == 0
    assert (tmp_path / "graph.svg").read_text().startswith("<svg")


def test_a_drawing_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "graph.svg"
    result = CliRunner().invoke(memory, ["show", "call-0001", "--svg", str(target)], catch_exceptions=False)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {target} cannot be written: No such file or directory\n"
