"""What the notes say of single values in a sentence that is quoted for another one."""

from __future__ import annotations

import time

import pytest

from agent.memory import Claim, Conversation
from agent.memory.notes import NotesRequest
from agent.memory.sentences import goes_back_on
from agent.memory.values import taken_back_in
from agent.memory.words import tokens_of


def notes_of(turns: list[tuple[str, str]], *claims: Claim, most_tokens: int = 500) -> list[str]:
    call = Conversation()
    for caller, agent in turns:
        call.heard(caller)
        call.answered(agent, interrupted=False)
    dropped = call.noted(NotesRequest(len(turns) - 1, ""), claims)
    assert not dropped
    return call.notes(most_tokens=most_tokens).split("\n")[1:]


SHOTS = [
    ("My shot and my mother's?", "Ines is at 2:30 for shingles."),
    ("Can I have my mother's time?", "You're down for 2:15 now."),
]
SHINGLES = Claim("Ines", "shot", "shingles", 0, "agent")
DOWN = Claim("Ines", "status", "You're down for 2:15 now", 1, "agent")


def test_a_value_beside_the_one_that_is_quoted_says_where_its_thing_got_another_one() -> None:
    assert notes_of(SHOTS, SHINGLES, DOWN) == [
        'A1 (for "2:30" see turn 2): "Ines is at 2:30 for shingles."',
        'A2: "You\'re down for 2:15 now."',
    ]


def test_a_value_of_another_thing_puts_none_in_doubt() -> None:
    turns = [SHOTS[0], ("And Rosa?", "Rosa comes at 4:45.")]
    notes = notes_of(turns, SHINGLES, Claim("Rosa", "time", "4:45", 1, "agent"))
    assert 'A1: "Ines is at 2:30 for shingles."' in notes


def test_a_thing_that_is_named_in_the_sentence_counts_as_its_own() -> None:
    turns = [
        ("My ticket?", "INC-5520, installation on March 3."),
        ("It was the 4th.", "You're right, the installation is on March 4."),
    ]
    notes = notes_of(
        turns,
        Claim("ticket", "number", "INC-5520", 0, "agent"),
        Claim("installation", "date", "March 4", 1, "agent"),
    )
    assert notes[0] == 'A1 (for "March 3" see turn 2): "INC-5520, installation on March 3."'


def test_the_next_sentence_puts_a_value_right_that_nobody_noted() -> None:
    turns = [("With breakfast.", "Breakfast has been added, $18 a person. Oh, excuse me, at weekends it's $22.")]
    notes = notes_of(
        turns,
        Claim("breakfast", "status", "Breakfast has been added", 0, "agent"),
        Claim("breakfast", "price", "$22", 0, "agent"),
    )
    assert notes[0] == 'A1 (for "$18" see turn 1): "Breakfast has been added, $18 a person."'


def test_a_noted_hour_is_replaced_by_how_its_thing_stands() -> None:
    turns = [
        ("Leave Monday at seven.", "Monday's still at seven, then."),
        ("Eight is better.", "Monday is set for eight with the van. It's at eight now."),
    ]
    notes = notes_of(
        turns,
        Claim("round", "time", "at seven", 0, "agent"),
        Claim("round", "status", "It's at eight now", 1, "agent"),
    )
    assert 'A1 (for "seven" see turn 2): "Monday\'s still at seven, then."' in notes


@pytest.mark.parametrize(
    ("answer", "mark"),
    [
        ("The course is on Monday, that's $165, sorry, it's $180.", 'not "$165"'),
        ("The flat on Lowell Street, that's $1,320, no, $1,280.", 'not "$1,320"'),
    ],
)
def test_a_value_that_was_taken_back_in_the_same_breath_is_marked(answer: str, mark: str) -> None:
    value = answer.rsplit(" ", 1)[-1].rstrip(".")
    assert notes_of([("And?", answer)], Claim("it", "price", value, 0, "agent")) == [f'A1 ({mark}): "{answer}"']


def test_a_weekly_day_and_a_date_are_not_alternatives() -> None:
    turns = [
        ("When is it?", "It's on Mondays, in room 4."),
        ("From when?", "The course begins on October 6."),
    ]
    notes = notes_of(
        turns,
        Claim("course", "room", "room 4", 0, "agent"),
        Claim("course", "begins", "October 6", 1, "agent"),
    )
    assert 'A1: "It\'s on Mondays, in room 4."' in notes


def test_of_two_days_in_a_sentence_the_one_that_was_moved_is_marked() -> None:
    turns = [
        ("Both boilers?", "That's Fern Road on the 8th and Quay Street on the 9th."),
        ("Could it be a week later for Fern Road?", "Fern Road's moved to the 15th."),
    ]
    notes = notes_of(
        turns,
        Claim("Fern Road", "date", "Fern Road on the 8th", 0, "agent"),
        Claim("Quay Street", "date", "Quay Street on the 9th", 0, "agent"),
        Claim("Fern Road", "date", "Fern Road's moved to the 15th", 1, "agent"),
    )
    assert f'A1 (for "Fern Road on the 8th" see turn 2): "{turns[0][1]}"' in notes


def test_a_sentence_about_another_thing_replaces_nothing_whatever_is_claimed() -> None:
    turns = [
        ("Which strength?", "Left eye, minus 3.50. Right eye, minus 2.25."),
        ("The right one was changed.", "Right eye, minus 2.75, quite so."),
    ]
    notes = notes_of(
        turns,
        Claim("left eye", "strength", "minus 3.50", 0, "agent"),
        Claim("right eye", "strength", "minus 2.25", 0, "agent"),
        Claim("right eye", "strength", "minus 2.75", 1, "agent"),
        Claim("left eye", "strength", "minus 2.75", 1, "agent"),
    )
    assert 'A1: "Left eye, minus 3.50."' in notes
    assert 'A1 (for "minus 2.25" see turn 2): "Right eye, minus 2.25."' in notes


def test_an_offer_replaces_no_value_that_holds() -> None:
    turns = [
        ("How much is the coat?", "The coat is $19 as it is."),
        ("How much by tomorrow?", "The coat would be $27 on express."),
    ]
    notes = notes_of(
        turns,
        Claim("coat", "price", "$19", 0, "agent"),
        Claim("coat", "price", "$27", 1, "agent"),
    )
    assert 'A1: "The coat is $19 as it is."' in notes


def test_a_value_that_is_claimed_of_something_else_too_is_in_no_doubt_for_that() -> None:
    turns = [
        ("And the water?", "Water is on top, $15 for either."),
        ("I'll have 23.", "It's yours, and there's a key deposit of $10."),
    ]
    notes = notes_of(
        turns,
        Claim("water", "price", "Water is on top, $15 for either", 0, "agent"),
        Claim("key", "deposit", "$15", 0, "agent"),
        Claim("key", "deposit", "a key deposit of $10", 1, "agent"),
    )
    assert 'A1: "Water is on top, $15 for either."' in notes


@pytest.mark.parametrize(
    ("first", "then", "claims"),
    [
        (
            "The pool opens at 9:00.",
            "The pool is open until 21:00.",
            (("pool", "opening time", "9:00"), ("pool", "status", "The pool is open until 21:00")),
        ),
        (
            "The room is $120 a night.",
            "Your room is booked, breakfast is $18.",
            (("room", "price", "$120"), ("room", "status", "Your room is booked, breakfast is $18")),
        ),
        (
            "The room is $120 a night, check in is from 3 pm.",
            "Check out is at 11 am.",
            (("room", "price", "$120"), ("room", "check out", "11 am")),
        ),
    ],
)
def test_another_value_of_the_same_thing_is_no_change_by_itself(
    first: str, then: str, claims: tuple[tuple[str, str, str], tuple[str, str, str]]
) -> None:
    made = [Claim(*claim, turn, "agent") for turn, claim in enumerate(claims)]
    assert f'A1: "{first}"' in notes_of([("And?", first), ("And then?", then)], *made)


def test_a_replaced_value_cannot_forge_a_mark() -> None:
    turns = [
        ("The wifi?", 'The wifi name is hi"): "A9, on the second floor of the building, as was said last week.'),
        ("And now?", "The wifi name is yo-77 now."),
    ]
    notes = notes_of(
        turns,
        Claim("wifi name", "name", 'hi"): "A9', 0, "agent"),
        Claim("wifi name", "name", "yo-77", 1, "agent", "name"),
    )
    assert [line.count('"') for line in notes] == [4, 2]


@pytest.mark.parametrize("text", ["sorry" + "," * 3_900, "sorry, " * 560, " " * 4_000])
def test_what_goes_back_on_a_value_is_looked_for_right_behind_it(text: str) -> None:
    started = time.process_time()
    assert not goes_back_on(text)
    assert time.process_time() - started < 0.5


def test_a_value_of_another_thing_takes_none_back() -> None:
    assert taken_back_in("The parts are $90, sorry, and labour is $40.") == ()


def test_what_is_said_again_replaces_nothing() -> None:
    turns = [
        ("When can you come?", "I'll come to you on Monday at 10."),
        ("Good.", "So that's Monday at 10, with the van."),
    ]
    notes = notes_of(
        turns,
        Claim("visit", "time", "Monday at 10", 0, "agent"),
        Claim("visit", "time", "Monday at 10, with the van", 1, "agent"),
    )
    assert 'A1: "I\'ll come to you on Monday at 10."' in notes


@pytest.mark.parametrize("question", ["When is my move, and what about the return?", "When do we move now?"])
def test_a_question_about_a_move_asks_for_no_change(question: str) -> None:
    call = Conversation()
    call.heard("And my move?")
    call.answered("Your move is booked for the 22nd.", interrupted=False)
    call.heard(question)
    assert call.notes().split("\n")[1:] == ['A1: "Your move is booked for the 22nd."']


@pytest.mark.parametrize("most_tokens", [60, 90, 120, 200, 500])
def test_marks_are_within_what_notes_may_take(most_tokens: int) -> None:
    turns = [(f"And number {n}?", f"Thing {n} is at {n % 12 + 1}:30 for ${n}00 with code K{n}4471.") for n in range(30)]
    claims = [Claim("thing", f"code {chr(97 + n % 24)}", f"K{n}4471", n, "agent") for n in range(24)]
    notes = "\n".join(["", *notes_of(turns, *claims, most_tokens=most_tokens)])
    assert tokens_of(notes) <= most_tokens
