"""`voice-agent session export`: a call as text and as JSON."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli.main import cli
from agent.telemetry.events import SessionStarted
from tests.support.factories import ended, finished, said, session
from tests.support.ledger_setup import open_setup

EVENTS = (
    {"kind": "answered", "text": "Good day."},
    {"kind": "heard", "text": "book the garden \x1b[31mro\x9b\u202eom"},
    {"kind": "answered", "text": "It is booked.", "interrupted": True},
)
TOOL = {
    "kind": "returned",
    "turn": 1,
    "name": "book",
    "arguments": '{"room": "garden"}',
    "content": '{"reference": 4472}',
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"

    async def fill() -> None:
        async with open_setup(url) as stack:
            for name in ("call-0001", "call-0002"):
                who = session(name, subject=f"ada-{name}")
                stack.sinks.handle(SessionStarted(who))
                stack.sinks.handle(finished(who, said()))
                for seq, event in enumerate(EVENTS):
                    stack.ledger.record_memory(name, seq, json.dumps(event).encode())
                stack.ledger.record_tool(name, 0, b'{"kind": "began", "turn": 1, "name": "book", "arguments": "{}"}')
                stack.ledger.record_tool(name, 1, json.dumps(TOOL | {"ok": True}).encode())
                stack.sinks.handle(ended(who))
            assert await stack.ledger.flush(20)

    asyncio.run(fill())
    return url


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["session", "export", *arguments], env={"VOICE_AGENT_DATABASE_URL": url})


def test_text_is_the_call_as_it_went(url: str) -> None:
    text = run(url, "call-0001").output
    lines = [line[9:] for line in text.splitlines()[6:]]
    assert lines == [
        "agent:  Good day.",
        "caller: book the garden [31mroom",
        "agent:  It is booked. [interrupted]",
        'tool:   book({"room": "garden"}) → {"reference": 4472}',
    ]
    assert "\x1b" not in text
    assert "completed" in text


def test_json_has_everything_and_goes_to_a_file(url: str, tmp_path: Path) -> None:
    file = tmp_path / "call.json"
    assert "written to" in run(url, "call-0001", "--format", "json", "--output", str(file)).output
    text = file.read_text(encoding="utf-8")
    assert r"\u001b[31mro\u009b\u202eom" in text  # on a terminal it moves nothing
    found = json.loads(text)
    assert found["transcript"][1]["text"] == EVENTS[1]["text"]
    assert found["session_id"] == "call-0001"
    assert [line["speaker"] for line in found["transcript"]] == ["agent", "caller", "agent"]
    assert found["tools"][0]["result"] == '{"reference": 4472}'
    assert found["tools_used"] == [{"name": "book", "calls": 1, "failed": 0}]
    assert found["usd"] > 0


def test_a_name_means_one_session_or_is_asked_about(url: str) -> None:
    assert "session call-0002" in run(url, "ada-call-0002").output
    assert "several sessions" in run(url, "call-").output
    assert run(url, "nobody").exit_code == 1
