"""A claim is taken where the words say it, and refused where they turn it round or mean something else."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from agent.memory import Claim, Conversation
from agent.memory.checks import checked
from agent.memory.flows import load_flows
from agent.memory.notes import NotesRequest
from tools.evals.note_measures import claim_of

HERE = Path(__file__).parent
STATEMENTS: dict[str, list[tuple[str, str, str]]] = tomllib.loads(
    (HERE / "quoted_statements.toml").read_text(encoding="utf-8")
)
CALLS: list[dict[str, Any]] = tomllib.loads((HERE / "quoted_values.toml").read_text(encoding="utf-8"))["calls"]


def taken(answer: str, quoted: str, thing: str) -> bool:
    call = Conversation()
    call.heard(f"How about the {thing}, please?")
    call.answered(answer, interrupted=False)
    return not call.noted(NotesRequest(0, ""), [Claim(thing, "status", quoted, 0, "agent")]).total()


def test_a_whole_clause_that_stands_by_itself_says_how_a_thing_stands() -> None:
    assert [row for row in STATEMENTS["plain"] if not taken(*row)] == []


def test_words_that_their_sentence_turns_round_say_nothing() -> None:
    rows = STATEMENTS["turned_round"]
    assert all(quoted in answer for answer, quoted, _ in rows)
    assert [row for row in rows if taken(*row)] == []


def heard(turns: list[str]) -> Conversation:
    call = Conversation()
    for place in range(0, len(turns), 2):
        call.heard(turns[place])
        call.answered(turns[place + 1], interrupted=False)
    return call


def with_what_holds(call: dict[str, Any]) -> tuple[Conversation, int]:
    """The call with the claims that hold, and how many of these were dropped."""
    told = heard(call["turns"])
    claims = [claim_of(line) for line in call["holds"]]
    return told, told.noted(NotesRequest(len(call["turns"]) // 2 - 1, ""), claims).total()


def test_values_that_were_given_are_kept() -> None:
    assert [call["turns"][0] for call in CALLS if with_what_holds(call)[1]] == []


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside what holds"])
def test_values_of_another_thing_or_time_are_refused(beside: bool) -> None:
    wrong: list[str] = []
    for call in CALLS:
        graph = (with_what_holds(call)[0] if beside else heard(call["turns"])).graph
        claims = ((line, claim_of(line)) for line in call["refused"])
        wrong += [line for line, claim in claims if not checked(graph, load_flows(), [claim])[1].total()]
    assert wrong == []
