"""What prompts are told of results: nothing that the caller has not heard of gets lost on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from agent.session.tool_memory import MOST_RESULTS, RESULTS_TOKENS, UNTOLD, RememberedResult, ToolMemory

BOOKED = RememberedResult(1, "book", '{"room": "garden"}', '{"reference": 4472}')


def memory(log: list[Mapping[str, Any]] | None = None) -> ToolMemory:
    kept = [] if log is None else log
    return ToolMemory(kept.append)


def looks(made: ToolMemory, turn: int, content: str, count: int = 1) -> None:
    for number in range(count):
        made.returned(RememberedResult(turn, "look", f'{{"n": {number}}}', content, told=True), changed=False, tries=1)


def test_many_look_ups_push_no_booking_out_that_nobody_has_heard_of() -> None:
    log: list[Mapping[str, Any]] = []
    made = memory(log)
    made.returned(BOOKED, changed=True, tries=1)
    looks(made, 2, "free", MOST_RESULTS + 5)
    for one in (made, ToolMemory(lambda _: None, log)):
        assert one.untold(BOOKED.wish) is not None
        assert "4472" in one.section()
        assert one.section().count("returned:") == MOST_RESULTS


@pytest.mark.parametrize("length", [3_000, 16_000])
def test_a_long_result_is_cut_and_hides_no_other(length: int) -> None:
    made = memory()
    made.returned(RememberedResult(1, "order", "{}", "A" * length), changed=True, tries=1)
    made.returned(BOOKED, changed=True, tries=1)
    section = made.section()
    assert "AAAA" in section
    assert "[cut]" in section
    assert len(section) < RESULTS_TOKENS * 4 + 300
    made.told(2)
    untold = [one for one in (BOOKED.wish, ("order", "{}")) if made.untold(one) is not None]
    assert len(untold) == 2 - section.count(UNTOLD), "who was not in the prompt is not told"
    assert section.count(UNTOLD) >= 1


def test_long_arguments_hide_no_result() -> None:
    made = memory()
    made.returned(RememberedResult(1, "note", f'{{"text": "{"a" * 7_900}"}}', "ok"), changed=True, tries=1)
    assert f"returned: ok ({UNTOLD})" in made.section()


def test_what_finds_no_place_is_told_by_a_later_prompt() -> None:
    made = memory()
    wishes = [("order", f'{{"n": {number}}}') for number in range(4)]
    for turn, (name, arguments) in enumerate(wishes):
        made.returned(RememberedResult(turn, name, arguments, "B" * 1_500), changed=True, tries=1)
    for turn in range(10, 14):
        made.section()
        made.told(turn)
    assert [made.untold(wish) for wish in wishes] == [None] * 4
