"""What a clause is about, told by its form: no word of these sentences stands in a list."""

from __future__ import annotations

import pytest

from agent.memory import Claim, Conversation
from agent.memory.mentions import head_of, is_foreign, named_in
from agent.memory.notes import NotesRequest
from agent.memory.words import words_of


@pytest.mark.parametrize(
    ("clause", "kind", "about"),
    [
        ("The compact is still reserved", "named", "compact"),
        ("Bronze is $96 for eight weeks", "named", "bronze"),
        ("For short hair about $300", "named", "hair"),
        ("In grey it comes to $149", "named", "grey"),
        ("How much is the compact again?", "named", "compact"),
        ("It stays at $34 a month", "pointing", ""),
        ("Yours on Thursday stays", "pointing", ""),
        ("$9 a day", "silent", ""),
        ("The price is $12", "silent", ""),
        ("Tuesday at 3 with Dr. Novak is booked", "silent", ""),
    ],
)
def test_a_clause_begins_with_what_it_is_about(clause: str, kind: str, about: str) -> None:
    head = head_of(clause)
    assert head.kind == kind
    assert not about or any(about.startswith(word[:3]) for word in head.words)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("long hair", "for short hair about $300", "other"),
        ("lane 1", "I've given you lane 4 again", "other"),
        ("cleaning for Leo", "the cleaning for Mia is booked", "other"),
        ("cleaning for Leo", "the cleaning is booked", "part"),
        ("Harbour store", "the Eastgate store has three", "other"),
        ("ten-visit pass", "The ten-visit pass is $90", "whole"),
        ("transfer to Sara Lind", "transfer $500 to Peter Holm", "other"),
        ("sofa", "the table is here", ""),
    ],
)
def test_part_of_a_name_beside_another_word_names_another_thing(name: str, text: str, told: str) -> None:
    assert named_in(name, text) == told


def test_words_of_hindi_and_arabic_keep_their_vowel_signs() -> None:
    assert words_of("बाल कटवाने के 450 रुपये") == ["बाल", "कटवाने", "के", "450", "रुपये"]
    assert words_of("سِعْر المكان") == ["سِعْر", "المكان"]


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("At 8 on Sundays.", False),
        ("K O W A L C Z Y K", False),
        ("La tarifa de mañana cuesta 19,90 € al mes.", True),
        ("本棚は600円です。", True),
        ("Oak Avenue, at 4 pm today.", False),
    ],
)
def test_heads_of_clauses_are_looked_at_in_english_only(text: str, foreign: bool) -> None:
    assert is_foreign(text) is foreign


def kept(turns: list[tuple[str, str]], claim: Claim) -> bool:
    call = Conversation()
    for caller, agent in turns:
        call.heard(caller)
        call.answered(agent, interrupted=False)
    return not call.noted(NotesRequest(len(turns) - 1, ""), [claim]).total()


CARS = [
    ("We booked a compact and a van.", "The van is cancelled. The compact is still reserved."),
    ("How much is the compact?", "The compact is $41 a day."),
]
KIDS = [("My son and I have a table.", "His is cancelled. Yours at 5 stays.")]
STOVES = [("本棚とストーブです。", "本棚は600円です。ストーブは回収できません。")]


@pytest.mark.parametrize(
    ("turns", "thing", "attribute", "value", "turn", "holds"),
    [
        (CARS, "compact", "status", "The compact is still reserved", 0, True),
        (CARS, "compact", "status", "is cancelled", 0, False),
        (CARS, "van", "price", "$41", 1, False),
        (CARS, "compact", "price", "$41 a day", 1, True),
        (KIDS, "yours", "status", "Yours at 5 stays", 0, True),
        (KIDS, "yours", "status", "is cancelled", 0, False),
        (STOVES, "本棚", "price", "600円", 0, True),
        (STOVES, "ストーブ", "price", "600円", 0, False),
    ],
)
def test_a_claim_that_names_no_other_thing_is_held_against_the_words_of_the_call(
    turns: list[tuple[str, str]], thing: str, attribute: str, value: str, turn: int, holds: bool
) -> None:
    assert kept(turns, Claim(thing, attribute, value, turn, "agent")) is holds


def test_a_statement_is_not_conditional_by_a_later_one_that_stands_by_itself() -> None:
    turns = [("Beginners and bronze, please.", "Beginners is full, I could only put Mia on the waiting list.")]
    assert kept(turns, Claim("beginners", "status", "Beginners is full", 0, "agent"))
    turns = [("Is the room booked?", "The room is booked, I would say.")]
    assert not kept(turns, Claim("room", "status", "The room is booked", 0, "agent"))
