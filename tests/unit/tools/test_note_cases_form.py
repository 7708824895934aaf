"""The form of the files of calls and phrasings: what a label says must stand in the call it is about.

Nothing here asks what the rules make of a call: a set is held out only as long as no test is fitted to it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from agent.memory import Claim
from tools.evals import note_measures, wrong_claims
from tools.evals.note_measures import NoteCase

FILES = sorted(note_measures.HERE.glob("note_cases*.toml"))
CALLS = [path for path in FILES if path != note_measures.GIVEN]
PHRASINGS = sorted(note_measures.HERE.glob("phrasings_*.toml"))
FORMS = {"negation", "condition", "future", "question", "offer", "confirmed"}
HELD_OUT = ("ninth", "tenth")


def label(path: Path) -> str:
    return path.stem


def of(number: str) -> list[NoteCase]:
    return list(note_measures.own_cases(note_measures.HERE / f"note_cases_{number}.toml"))


def misquoted(case: NoteCase, claims: tuple[Claim, ...]) -> list[Claim]:
    """The claims whose value their speaker did not say in their turn."""
    wrong: list[Claim] = []
    for claim in claims:
        if claim.turn >= len(case.turns):
            wrong.append(claim)
            continue
        caller, agent, _ = case.turns[claim.turn]
        if claim.value.casefold() not in (caller if claim.by == "caller" else agent).casefold():
            wrong.append(claim)
    return wrong


@pytest.mark.parametrize("path", CALLS, ids=label)
def test_every_right_claim_and_everything_needed_was_said(path: Path) -> None:
    cases = list(note_measures.own_cases(path))
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        said = " ".join(words for caller, agent, _ in case.turns for words in (caller, agent)).casefold()
        assert not misquoted(case, case.claims), case.name
        # a closing quote in a need says where the value ends in the notes
        assert not [need for need in case.needs if need.strip('"').casefold() not in said], case.name
        assert not set(case.claims) & set(case.wrong), case.name


@pytest.mark.parametrize("number", HELD_OUT)
def test_a_wrong_claim_quotes_the_call_and_no_right_claim_is_false(number: str) -> None:
    for case in of(number):
        assert not misquoted(case, case.wrong + case.either), case.name
        assert not set(case.wrong) & set(case.either), case.name
        for claim in case.claims:
            line = f'{claim.thing} {claim.attribute} "{claim.value}"'.casefold()
            hits = [parts for parts in case.false if all(part.casefold() in line for part in parts)]
            assert not hits, (case.name, claim)


@pytest.mark.parametrize("number", HELD_OUT)
def test_what_is_needed_can_be_had_from_the_right_claims(number: str) -> None:
    for case in of(number):
        values = "\n".join(claim.value for claim in case.claims).casefold()
        assert not [need for need in case.needs if need.casefold() not in values], case.name


@pytest.mark.parametrize("number", HELD_OUT)
def test_a_held_out_set_is_large_enough(number: str) -> None:
    cases = of(number)
    assert len(cases) == 30
    assert sum(len(case.claims) for case in cases) >= 100
    offered = Counter(kind for case in cases for kind, _ in wrong_claims.wrong_claims(case))
    assert offered[wrong_claims.WRITTEN] >= 95
    answers = list(note_measures.phrasings(number, note_measures.HERE / f"phrasings_{number}.toml"))
    assert len({text for _, text in answers}) >= 300


@pytest.mark.parametrize("path", PHRASINGS, ids=label)
def test_phrasings_have_every_form_once(path: Path) -> None:
    (part,) = note_measures.phrasing_parts(path)
    answers = list(note_measures.phrasings(part, path))
    assert {form for form, _ in answers} == FORMS
    assert len({text for _, text in answers}) == len(answers)
    assert not [text for _, text in answers if "{" in text]
