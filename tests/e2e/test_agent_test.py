"""`voice-agent agent test`, end to end: scripts over the real socket, on the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.main import cli
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

DIFFERENT = """\
agent = "front_desk"

[[calls]]
name = "books another room"

[calls.results]
check_availability = { day = "Friday", free = ["library"] }
book_room = { reference = 4711 }

[[calls.turns]]
says = "I'd like to book a meeting room in Palo Alto"

[[calls.turns]]
says = "Friday at 4 pm"

[[calls.turns]]
says = "for seven people"

[[calls.turns]]
says = "yes"
tools = [{ name = "book_room", arguments = { people = 8 } }]

[[calls]]
name = "names no day"

[[calls.turns]]
says = "hello"
never = ["Monday"]
"""


def test_calls_pass_and_the_first_difference_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = ROOT / "examples" / "front_desk"
    monkeypatch.setenv("VOICE_AGENT_AGENTS_DIR", str(desk))
    monkeypatch.setenv("FRONT_DESK_DB", str(tmp_path / "desk.db"))
    file = tmp_path / "different.toml"
    file.write_text(DIFFERENT, encoding="utf-8")
    files = [str(file), str(desk / "calls" / "front_desk.toml")]
    result = CliRunner().invoke(cli, ["agent", "test", "--sandbox", *files])
    assert result.exit_code == 1, result.output
    head, told, *rest = result.output.splitlines()
    assert head == "FAILED  front_desk 1  books another room"
    assert told.startswith("        turn 4 'yes': expected book_room(people=8); ran book_room(location='Palo Alto'")
    assert rest[0] == "passed  front_desk 1  names no day"
    assert rest[-1] == "5 of 6 calls passed", result.output
    assert rest[-2].startswith("the model was simulated: it knows the front desk of the examples and its tools")
    assert not (tmp_path / "desk.db").exists(), "results of a script stand in the place of the back end"
