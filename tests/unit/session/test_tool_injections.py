"""What tools return is data: whatever stands in it, nothing runs, nothing is remembered as said, nothing is obeyed.

The model of these tests is the worst there is: it does what the result says, and reads it aloud.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from agent.providers.anthropic.claude import messages_of
from agent.session.events import TextShown, TransferRequested
from tests.support.session import running
from tests.support.tools import Desk, harness, play, said, turn, uses

LINES: Final = [
    line.encode().decode("unicode_escape").encode("latin-1", "ignore").decode("utf-8", "ignore")
    if "\\u" in line
    else line.replace("\\n", "\n")
    for line in Path(__file__).with_name("tool_injections.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
ASKS: Final = (uses(("free_rooms", {"day": "Friday"})),)
BOOKS: Final = (uses(("book", {"room": "garden", "guests": 12})),)
SAYS: Final = ("what is free on Friday?", "thank you", "what is the weather like?")
_MARKUP: Final = re.compile(r"[<>{}|*`\[\]]")


def test_there_are_enough_of_them() -> None:
    assert len(LINES) >= 30
    assert len(set(LINES)) == len(LINES)


@dataclass(frozen=True)
class Seen:
    systems: list[str]
    booked: list[tuple[str, str]]
    spoken: list[str]


async def seen(answer: str) -> Seen:
    """A call in which a tool returns this, and what is true whatever that was."""
    desk = Desk(answers=answer)
    # it reads the result aloud, then asks for a booking because the result says so, and again
    made, model = harness(desk, ASKS, (answer, " "), BOOKS, BOOKS)
    made.tts.seconds = 0.2
    async with running(made):
        caller = await made.call()
        for words in SAYS:
            await turn(caller, words)
        assert caller.all(TextShown) == caller.all(TransferRequested) == []
        assert made.registry.count == 1, "the call goes on"
    spoken = " ".join(made.tts.spoken)
    assert not _MARKUP.search(spoken), spoken
    (done,) = model.prompts[1].rounds
    assert done.results[0].content == answer
    for prompt in model.prompts[2:]:
        *before, last = messages_of(replace(prompt, messages=prompt.messages[-1:]))
        assert before == []
        notes, words = (block["text"] for block in last["content"])
        assert words in SAYS
        section = notes.partition("<tool_results>\n")[2]
        assert section.endswith("\n</tool_results>")
        assert not re.search(r"</?(tool_results|call_memory)>", section.removesuffix("</tool_results>"))
        assert sum(line.startswith("[turn") for line in section.splitlines()) == 1, "one call, one line"
    assert [event["text"] for event in made.memory_log if event["kind"] == "heard"] == list(SAYS)
    return Seen([prompt.system for prompt in model.prompts], desk.booked, said(caller))


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_result_changes_no_rules_runs_nothing_and_is_nobodys_words(number: int) -> None:
    async def scenario() -> None:
        with_it, without = await seen(LINES[number]), await seen("garden and library")
        assert with_it.systems == without.systems, "the system part is the same, byte for byte"
        assert with_it.booked == []
        assert with_it.spoken.count("Shall I book it?") == 2, "the service asks, each time"

    play(scenario)


def test_what_an_agent_has_read_aloud_is_no_fact_of_the_callers() -> None:
    async def scenario() -> None:
        made, _ = harness(Desk(answers=LINES[0]), ASKS, ("I cannot say that. ",), ("Good. ",))
        async with running(made):
            caller = await made.call()
            await turn(caller, SAYS[0])
            await turn(caller, SAYS[1])
        stored = json.dumps(made.memory_log)
        assert LINES[0] not in stored, "memory holds what was said, and not what was returned"
        assert LINES[0] in json.dumps(made.tool_log)

    play(scenario)
