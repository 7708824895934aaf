"""Files that nobody would write on purpose: each is told with file and line, and none ends or stops a process."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from agent.definitions.book import AgentBook
from agent.definitions.definition import DefinitionError, read_definition
from agent.tools.egress import Egress

PLAIN = 'name = "hotel"\nversion = 1\nprompt = "Hello."\n'
TOOL = '[[tools]]\nname = "rooms"\ndescription = "Rooms."\nhttp = "GET https://a.example/rooms"\n'
TO_A = Egress(("a.example",))


def problem(folder: Path, text: str) -> str:
    file = folder / "hotel.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError) as caught:
        read_definition(file, TO_A)
    return caught.value.problems[0].removeprefix(f"{folder}/")


def with_argument(schema: str) -> str:
    return f'{PLAIN}{TOOL}input = {{ type = "object", properties = {{ day = {schema} }} }}\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = " + "[" * 5_000, "hotel.toml:1: is nested too deep"),
        ("x = " + "{a = " * 3_000, "hotel.toml:1: is nested too deep"),
        ("version = " + "9" * 5_000, "hotel.toml:1: holds a number or a date that is none"),
        (PLAIN + 'keyterms = ["spa\\u0000"]', "hotel.toml:4: keyterms.0: string should match"),
        (PLAIN + 'greeting = "Hi\\u001b[2J"', "hotel.toml:4: greeting: string should match"),
        (
            PLAIN + '[variables.n]\ntype = "number"\nmax = nan',
            "hotel.toml:6: variables.n.max: input should be a finite",
        ),
        (with_argument('{ type = "string", default = 2026-11-29 }'), "that JSON does not have, such as a date or nan"),
        (with_argument('{ type = "number", default = nan }'), "that JSON does not have, such as a date or nan"),
        (with_argument('{ type = "integer", default = "two" }'), "default of.day: 'two' is not of type 'integer'"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, said: str) -> None:
    assert said in problem(tmp_path, text)


def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hotel.toml")
    with pytest.raises(DefinitionError, match="is no file"):
        read_definition(tmp_path / "hotel.toml")


def test_a_module_that_ends_the_program_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text("import sys\nsys.exit(3)\n", encoding="utf-8")
    assert "tools.py cannot be imported: SystemExit: 3" in problem(
        tmp_path, f'{PLAIN}[[tools]]\npython = "tools.py:book"\n'
    )


@pytest.mark.parametrize("text", ["x = " + "[" * 5_000, "version = " + "9" * 5_000])
async def test_a_process_tells_of_such_a_file_and_goes_on(tmp_path: Path, text: str) -> None:
    file, told = tmp_path / "hotel.toml", list[int]()
    file.write_text(PLAIN, encoding="utf-8")
    book = AgentBook(tmp_path, "hotel", tell=lambda problems, _live: told.append(problems))
    file.write_text(text, encoding="utf-8")
    async with asyncio.timeout(5):
        assert not await book.refresh()
    assert told == [0, 1]
    file.write_text(PLAIN + 'title = "Hotel"\n', encoding="utf-8")
    assert await book.refresh()
    assert told == [0, 1, 0]
