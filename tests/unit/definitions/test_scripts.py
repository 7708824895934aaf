"""Scripts of calls: what a file takes, where it is wrong, and what is told first of a call that came out other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent.cli.main import cli
from agent.definitions.book import SHIPPED, files_in, read_all
from agent.definitions.script_outcome import PlayedCall, PlayedTurn
from agent.definitions.scripts import ScriptedCall, read_script, scripts_in
from agent.definitions.toml import DefinitionError
from tests.support.paths import ROOT

DESK = ROOT / "examples" / "front_desk"
WRONG = """\
agent = "front_desk"

[[calls]]
name = "one"
tier = "gold"

[[calls.turns]]
says = "hello"

[[calls.turns]]
says = "book it"
loud = true
"""
DOUBTFUL = """\
agent = "front_desk"

[[calls]]
name = "one"
fails = ["fly"]

[[calls.turns]]
says = "hello"

[[calls.turns]]
says = "book it"
tools = [{ name = "book_room", arguments = { room = 1, people = 5 } }]

[[calls]]
name = "one"
variables = { guest = "Ada" }

[calls.results]
book_room = { reference = 1 }

[[calls.turns]]
says = "hello"
refuses = ["swim"]
"""


def problems(folder: Path, text: str) -> list[str]:
    file = folder / "calls.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError) as caught:
        read_script(file, read_all(files_in(DESK)))
    return [line.removeprefix(f"{folder}/") for line in caught.value.problems]


def test_shipped_scripts_fit_their_agents() -> None:
    agents = read_all(files_in(DESK))
    scripts = [read_script(path, agents) for path in scripts_in([SHIPPED, DESK])]
    assert [script.agent for script in scripts] == ["receptionist", "front_desk"]
    assert all(script.file.calls for script in scripts)


def test_what_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    assert problems(tmp_path, WRONG) == [
        "calls.toml:12: calls.0.turns.1.loud: extra inputs are not permitted",
        "calls.toml:5: calls.0.tier: input should be 'free' or 'premium'",
    ]
    assert problems(tmp_path, "agent = 'front_desk'\ncalls = [")[0].startswith("calls.toml:2: ")
    assert problems(tmp_path, WRONG.replace("front_desk", "nobody").replace("gold", "free").replace("loud = true", ""))[
        0
    ].startswith("calls.toml:1: agent: there is no agent nobody")


def test_what_does_not_fit_the_agent_is_told_with_its_line(tmp_path: Path) -> None:
    known = "it has check_availability, book_room, cancel_booking, end_call, transfer_to_human"
    assert problems(tmp_path, DOUBTFUL) == [
        f"calls.toml:5: fly is no tool of front_desk: {known}",
        "calls.toml:12: room is no argument of book_room",
        "calls.toml:15: one: is there already",
        "calls.toml:16: one: variables: 'guest' is not a variable of front_desk, which takes none",
        f"calls.toml:23: swim is no tool of front_desk: {known}",
    ]


def test_the_check_of_agents_reads_scripts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_AGENTS_DIR", str(DESK))
    file = tmp_path / "calls.toml"
    file.write_text(DOUBTFUL, encoding="utf-8")
    result = CliRunner().invoke(cli, ["agent", "check", str(file)])
    assert (result.exit_code, f"{file}:12: room is no argument of book_room" in result.output) == (1, True)
    result = CliRunner().invoke(cli, ["agent", "check"])
    assert (result.exit_code, result.output) == (0, "2 definitions are fine, 2 scripts of calls, too\n")


def call(*turns: dict[str, Any], **more: Any) -> ScriptedCall:
    return ScriptedCall.model_validate({"name": "c", "turns": [{"says": "hi", **turn} for turn in turns], **more})


BOOK = ("book_room", {"people": 5, "day": "Friday"})
LOOK = ("check_availability", {"day": "Friday"})


@pytest.mark.parametrize(
    ("wanted", "played", "told"),
    [
        ({}, PlayedTurn("hello", [BOOK]), None),
        ({"tools": [{"name": "book_room", "arguments": {"day": "FRIDAY"}}]}, PlayedTurn("", [BOOK]), None),
        ({"tools": [{"name": "book_room"}, {"name": "check_availability"}]}, PlayedTurn("", [LOOK, BOOK]), None),
        (
            {"tools": [{"name": "book_room", "arguments": {"people": 4}}]},
            PlayedTurn("", [BOOK]),
            "expected book_room(people=4); ran book_room(people=5, day='Friday')",
        ),
        ({"tools": [{"name": "book_room"}]}, PlayedTurn(""), "expected book_room(); no tool ran"),
        (
            {"tools": [{"name": "book_room"}]},
            PlayedTurn("", [LOOK, BOOK]),
            "expected nothing more; ran check_availability(day='Friday'), book_room(people=5, day='Friday')",
        ),
        ({"tools": []}, PlayedTurn("", [LOOK]), "expected no tool; ran check_availability(day='Friday')"),
        ({"refuses": ["book_room"]}, PlayedTurn("", [BOOK]), "book_room ran, and has to be refused"),
        ({"hears": ["reference  4472"]}, PlayedTurn("The Reference 4472."), None),
        ({"hears": ["4472"]}, PlayedTurn("Done."), "has to be said: '4472'; was 'Done.'"),
        ({"never": ["booked"]}, PlayedTurn("It is Booked."), "must not be said: 'booked'; was 'It is Booked.'"),
    ],
)
def test_the_first_difference_of_a_turn(wanted: dict[str, Any], played: PlayedTurn, told: str | None) -> None:
    expected = None if told is None else f"turn 2 'hi': {told}"
    assert PlayedCall(call({}, wanted), [PlayedTurn("hello"), played]).difference == expected


def test_a_call_that_breaks_off_and_words_of_the_whole_call() -> None:
    broken = PlayedCall(call({}, {}), [PlayedTurn("hello")], fault="the line was lost")
    assert broken.difference == "turn 2: the line was lost"
    whole = call({}, hears=["Good day"], never=["bye"])
    assert PlayedCall(whole, [PlayedTurn("hello")], opening="Good day!").difference is None
    said = PlayedCall(whole, [PlayedTurn("bye")], opening="Good day!").difference
    assert said == "must not be said: 'bye'; was 'Good day! bye'"
