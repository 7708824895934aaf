"""What a claim points at is told in the words of the call, whole, and nothing of the claim's own is."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.memory import Claim, Conversation
from agent.memory.nodes import OPEN, Graph
from agent.memory.notes import NotesRequest
from agent.memory.sentences import sentences
from tools.evals.note_measures import NoteCase, claim_of, heard, own_cases

HERE = Path(__file__).parent
STATEMENTS: dict[str, list[tuple[str, str, str]]] = tomllib.loads(
    (HERE / "quoted_statements.toml").read_text(encoding="utf-8")
)
CALLS: list[dict[str, Any]] = tomllib.loads((HERE / "quoted_values.toml").read_text(encoding="utf-8"))["calls"]
SETS = sorted((HERE.parents[2] / "tools/evals").glob("note_cases_*th.toml"))
LINE = re.compile(r'^\(?([AC])(\d+)(?: \([^)]*\))?: "(.*)"\)?$')


def unquoted(graph: Graph, notes: str) -> list[str]:
    """The lines of notes that are not whole sentences of the turn and side that they name."""
    wrong: list[str] = []
    for line in notes.split("\n")[1:]:
        found = LINE.match(line)
        question = graph.question(int(found[2]) - 1) if found else None
        words = (question.answer or "" if found and found[1] == "A" else question.text) if question else ""
        told = sentences(words)
        runs = {words[told[a].start : told[b].end] for a in range(len(told)) for b in range(a, len(told))}
        if found is None or found[3] not in runs:
            wrong.append(line)
    return wrong


def taken(answer: str, quoted: str, thing: str) -> Conversation | None:
    """The call of one answer with a claim about it, or None when the claim was dropped."""
    call = Conversation()
    call.heard(f"How about the {thing}, please?")
    call.answered(answer, interrupted=False)
    return None if call.noted(NotesRequest(0, ""), [Claim(thing, "status", quoted, 0, "agent")]).total() else call


def test_a_statement_of_how_a_thing_stands_is_told() -> None:
    assert [row for row in STATEMENTS["plain"] if taken(*row) is None] == []


def test_words_that_their_sentence_turns_round_are_never_told_without_it() -> None:
    rows = STATEMENTS["turned_round"]
    assert all(quoted in answer for answer, quoted, _ in rows)
    calls = [call for row in rows if (call := taken(*row)) is not None]
    for call in calls:
        assert unquoted(call.graph, call.notes()) == []
        assert {state.state for state in call.graph.states} == {OPEN}
    assert len(calls) < len(rows) / 2  # most are dropped


def with_what_holds(call: dict[str, Any]) -> tuple[Conversation, int]:
    """The call with the claims that hold, and how many of these were dropped."""
    told = Conversation()
    for place in range(0, len(call["turns"]), 2):
        told.heard(call["turns"][place])
        told.answered(call["turns"][place + 1], interrupted=False)
    claims = [claim_of(line) for line in call["holds"]]
    return told, told.noted(NotesRequest(len(call["turns"]) // 2 - 1, ""), claims).total()


def test_values_that_were_given_are_kept() -> None:
    assert [call["turns"][0] for call in CALLS if with_what_holds(call)[1]] == []


def test_a_value_that_is_given_to_another_thing_is_told_of_none() -> None:
    for call in CALLS:
        told = with_what_holds(call)[0]
        told.noted(NotesRequest(len(call["turns"]) // 2 - 1, ""), [claim_of(line) for line in call["refused"]])
        assert unquoted(told.graph, told.notes(most_tokens=5_000, most_things=60)) == []
        for state in told.graph.states:
            assert not state.name or all(
                state.name.casefold() in " ".join(piece.text for piece in slot.said).casefold()
                or state.name.casefold() in state.told.casefold()
                for slot in state.slots
            )


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_whatever_is_claimed_of_a_call_its_notes_are_sentences_of_it(path: Path) -> None:
    for case in own_cases(path):
        call = heard(case)
        call.noted(NotesRequest(len(case.turns) - 1, ""), [*case.claims, *case.wrong])
        call.heard(case.question)
        assert unquoted(call.graph, call.notes(case.question)) == [], case.name


CASES: list[NoteCase] = [case for path in SETS[:2] for case in own_cases(path)]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_claims_at_random_tell_sentences_of_the_call_and_are_restored(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES))
    words = [word for caller, agent, _ in case.turns for word in (*caller.split(), *agent.split())]
    claims: list[Claim] = []
    for _ in range(data.draw(st.integers(1, 8))):
        turn = data.draw(st.integers(0, len(case.turns) - 1))
        by = data.draw(st.sampled_from(("caller", "agent")))
        caller, agent, _ = case.turns[turn]
        said = (caller if by == "caller" else agent).split()
        start = data.draw(st.integers(0, max(0, len(said) - 1)))
        value = " ".join(said[start : start + data.draw(st.integers(1, 6))])
        thing = " ".join(data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=3)))
        attribute = data.draw(st.sampled_from(("status", "price", "date", "number")))
        claims.append(Claim(thing, attribute, value, turn, by, data.draw(st.sampled_from(("", "status", "price")))))
    call = heard(case)
    for claim in claims:
        call.noted(NotesRequest(len(case.turns) - 1, ""), [claim])
    assert unquoted(call.graph, call.notes(most_tokens=5_000, most_things=60)) == []
    restored = Conversation.restore(json.loads(json.dumps(call.events_since(0))))
    assert restored.graph == call.graph
    assert restored.notes() == call.notes()
