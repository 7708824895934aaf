"""Openings that the model is asked for, and where they are left out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.providers.openings import OPENINGS
from agent.turn.asked_openings import ASKED_OPENINGS, AskedOpenings, asked_openings
from agent.turn.clauses import Clause, ClauseCut, ClauseCutter, FirstWords

ASKED = AskedOpenings("en")
FIRST = FirstWords(ASKED.which, 24, ASKED)


def spoken(reply: str, first: FirstWords, size: int = 7) -> list[Clause]:
    cutter = ClauseCutter(first=first)
    parts = [reply[at : at + size] for at in range(0, len(reply), size)]
    return [*(clause for part in parts for clause in cutter.feed(part)), *cutter.finish()]


@pytest.mark.parametrize("language", ASKED_OPENINGS)
def test_all_of_them_are_recorded(language: str) -> None:
    assert set(ASKED_OPENINGS[language]) <= set(OPENINGS[language])
    assert all(AskedOpenings(language).which(text) == text for text in ASKED_OPENINGS[language])


@pytest.mark.parametrize(
    ("language", "recorded_in", "found"),
    [("en", "en", "en"), ("en-GB", "en", "en"), ("de", "de", "de"), ("de", "en", None), ("fi", "fi", None)],
)
def test_only_what_is_recorded_is_asked_for(language: str, recorded_in: str, found: str | None) -> None:
    asked = asked_openings(language, recorded_in)
    assert (asked and asked.language) == found


@pytest.mark.parametrize(
    ("reply", "opening"),
    [
        ("Sure. What day?", "Sure."),
        ("Sure, what day?", "Sure."),
        ("OK! Done.", "Okay."),
        ("All right, done.", "Alright."),
        ("Got it", "Got it."),
        ("Surely not.", None),
        ("Sure thing, done.", None),
        ("", None),
        ("Tomorrow, good.", None),
    ],
)
def test_it_is_known_what_a_reply_began_with(reply: str, opening: str | None) -> None:
    assert ASKED.begins(reply) == opening


def test_the_prompt_names_all_of_them() -> None:
    assert all(f'"{text}"' in ASKED.rule for text in ASKED_OPENINGS["en"])


@pytest.mark.parametrize(
    ("reply", "before", "clauses"),
    [
        ("Sure. What day do you need it?", "", ["Sure.", "What day do you need it?"]),
        ("Sure. What day do you need it?", "Okay. And the time?", ["Sure.", "What day do you need it?"]),
        ("Sure. What day do you need it?", "Sure, for two.", ["What day do you need it?"]),
        ("Sure, what day do you need it?", "Sure. For two.", ["What day do you need it?"]),
        ("Sure, sure, what day?", "Sure. For two.", ["What day?"]),
        ("Sure.", "Sure. For two.", ["Sure."]),
        ("Sure! \N{GRINNING FACE}", "Sure. For two.", ["Sure."]),
        ("Surely. What day?", "Sure. For two.", ["Surely.", "What day?"]),
    ],
)
def test_no_two_replies_in_a_row_begin_with_the_same_opening(reply: str, before: str, clauses: list[str]) -> None:
    found = spoken(reply, FIRST.after(before))
    assert [clause.spoken for clause in found] == clauses
    written = "".join(clause.written for clause in found).strip()
    assert reply.lower().replace("! \N{GRINNING FACE}", "!").endswith(written.lower())
    assert written[0].isupper()


def test_what_follows_on_a_tool_begins_with_none() -> None:
    cutter = ClauseCutter(first=FIRST)
    first = [*cutter.feed("Okay. Let me look that up."), *cutter.end_sentence()]
    assert [clause.spoken for clause in first] == ["Okay.", "Let me look that up."]
    after = [*cutter.feed("Of course. I am afraid that is not possible. Sorry."), *cutter.finish()]
    assert [clause.spoken for clause in after] == ["I am afraid that is not possible.", "Sorry."]
    assert after[0].written.startswith("I am")


def test_without_being_asked_a_model_may_say_what_it_likes() -> None:
    first = FirstWords(ASKED.which, 24)
    assert first.after("Sure. For two.") is first
    assert [clause.cut for clause in spoken("Sure. What day?", first)] == [ClauseCut.OPENING, ClauseCut.SENTENCE]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(["Sure", "Okay", ", ", ". ", "what day", " ", "for two", "!"]), max_size=9),
    st.integers(1, 12),
)
def test_the_cuts_of_the_stream_make_no_difference(words: list[str], size: int) -> None:
    reply, first = "".join(words), FIRST.after("Sure. For two.")
    assert spoken(reply, first, size) == spoken(reply, first, 1000)
    assert bool(spoken(reply, first)) == any(char.isalnum() for char in reply)


def test_what_follows_on_an_opening_is_cut_as_hastily_as_a_first_clause() -> None:
    rest = "We have a large garden room for six people. It is free tomorrow. And so is the library."
    alone, after = spoken(rest, FIRST), spoken(f"Sure. {rest}", FIRST)
    assert [clause.spoken for clause in after] == ["Sure.", *(clause.spoken for clause in alone)]
    assert after[1].spoken == "We have a large garden room"
