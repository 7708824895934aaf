"""Values that somebody else said, that the other side says no to, and what is back after it was left out."""

from __future__ import annotations

import pytest

from agent.memory import Claim, Conversation
from agent.memory.nodes import Speaker
from agent.memory.notes import NotesRequest
from agent.memory.values import values_in


def notes_of(turns: list[tuple[str, str]], *claims: Claim) -> str:
    """The notes of a call with these claims, which come when it is over."""
    call = Conversation()
    for caller, agent in turns:
        call.heard(caller)
        call.answered(agent, interrupted=False)
    call.noted(NotesRequest(len(turns) - 1, ""), claims)
    return call.notes()


@pytest.mark.parametrize(
    "said",
    [
        "Your website says $140.",
        "I thought $140.",
        "My sister told me $140.",
        "Somebody quoted me $140.",
        "I've read it's $140.",
    ],
)
@pytest.mark.parametrize(
    ("answer", "settled"), [("It depends on the size.", False), ("It's $160 now.", False), ("Yes, it's $140.", True)]
)
def test_what_the_caller_has_from_somebody_else_is_settled_by_the_agent_alone(
    said: str, answer: str, settled: bool
) -> None:
    notes = notes_of([(said, answer)], Claim("entry", "price", "$140", 0, "caller"))
    assert f'C1{"" if settled else " (not settled)"}: "{said}"' in notes


@pytest.mark.parametrize(
    ("said", "answer", "settled"),
    [
        ("KT 7791.", "No, KT 7719. One nine at the end.", False),
        ("And it's insured for 7791.", "Regrettably not.", False),
        ("You settle 7791 direct.", "We don't do that, I'm afraid.", False),
        ("It's free with plan 7791.", "Mm, it isn't, sadly.", False),
        ("My number is 7791.", "No problem, I have it.", True),
        ("My number is 7791.", "No, that's fine, thank you.", True),
        ("My number is 7791. Are you open on Sundays?", "No, we're not.", True),
        ("My number is 7791.", "Thank you.", True),
    ],
)
def test_a_statement_that_is_answered_with_a_no_is_not_settled(said: str, answer: str, settled: bool) -> None:
    notes = notes_of([(said, answer)], Claim("it", "number", "7791", 0, "caller"))
    assert ("(not settled)" not in notes) is settled
    assert "7791" in notes


SWAPPED = "So that's 60 by 90 in clear and 45 by 60 frosted."


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ("Other way about! I don't want the whole street watching.", False),
        ("No no, it's the other way round.", False),
        ("Nonsense, the small one is clear.", False),
        ("You've got that wrong.", False),
        ("That's right.", True),
        ("Is there another way to do it?", True),
    ],
)
@pytest.mark.parametrize("attribute", ["glass", "status"])
def test_an_answer_that_the_caller_calls_wrong_is_not_told(reply: str, kept: bool, attribute: str) -> None:
    turns = [("Bathroom's 60 by 90, frosted.", SWAPPED), (reply, "Beg your pardon.")]
    notes = notes_of(turns, Claim("panes", attribute, "60 by 90 in clear", 0, "agent"))
    assert (SWAPPED in notes) is kept


@pytest.mark.parametrize(
    "said",
    [
        "It's $55 an hour. Ach no, that's last year's sheet, $62 an hour.",
        "It's $55 an hour. No, fib. It's $62.",
        "It's $55 an hour. Or no, wait. $62.",
    ],
)
def test_what_is_put_right_two_sentences_later_is_taken_back(said: str) -> None:
    notes = notes_of([("What is a van?", said)], Claim("van", "price", "$55", 0, "agent"))
    assert "$55" not in notes


LEFT_OUT = ("Skip the naan, we've got bread.", "Okay, no naan.")


@pytest.mark.parametrize(
    ("later", "mark"),
    [
        (("Put the naan back on, two of them.", "Two garlic naan, there we go."), " (see turn 2)"),
        (("How hot's the dal?", "Mild, and no naan with it."), ""),
        (("How hot's the dal?", "Mild. Would you like naan after all?"), ""),
        (("How hot's the dal?", "Mild."), ""),
    ],
)
@pytest.mark.parametrize("attribute", ["status", "extra"])
def test_what_was_left_out_may_be_back(later: tuple[str, str], mark: str, attribute: str) -> None:
    notes = notes_of([LEFT_OUT, later], Claim("naan", attribute, "no naan", 0, "agent"))
    assert f'A1{mark}: "Okay, no naan."' in notes


KEYS = [
    ("Hi.", "Five keys, then that's $90. Where do I leave them?"),
    ("In the safe. I'll mail the code, not now.", "Ok."),
]
HELD = [
    ("Can you keep Friday for us?", "I can hold Friday for you."),
    ("So if we don't pay by Friday it goes.", "It does."),
]
SENT = [("How many?", "We send them, four packets would be $90."), ("Very good. It's Mrs Quennell.", "Thank you.")]
OWED = [("And the boarding?", "There's a separate invoice, $90, due on the 28th."), ("Thanks.", "Bye.")]
BETTER = [("I'd better pay the $90.", "I understand."), ("Good.", "Fine.")]


@pytest.mark.parametrize(
    ("turns", "value", "by"),
    [
        (KEYS, "$90", "agent"),
        (HELD, "hold Friday", "agent"),
        (SENT, "$90", "agent"),
        (OWED, "$90, due on the 28th", "agent"),
        (BETTER, "$90", "caller"),
    ],
)
def test_statements_that_are_no_offers_are_kept(turns: list[tuple[str, str]], value: str, by: Speaker) -> None:
    assert value in notes_of(turns, Claim("it", "note", value, 0, by))


RELEASED = "I've released your $150, it should be there on Thursday."


@pytest.mark.parametrize(
    ("answer", "value", "told"),
    [
        (RELEASED, "I've released your $150, it should be there on Thursday", True),
        ("It should be there on Thursday, your $150.", "It should be there on Thursday", False),
        ("I've released it. It should be there on Thursday.", "It should be there on Thursday", False),
        ("I could release your $150, it should be there on Thursday.", "I could release your $150", False),
    ],
)
def test_what_is_done_is_told_with_when_it_should_take_effect(answer: str, value: str, told: bool) -> None:
    turns = [("And my deposit?", answer), ("Fine.", "Bye.")]
    assert (value in notes_of(turns, Claim("deposit", "status", value, 0, "agent"))) is told


def test_that_there_is_nothing_is_no_offer() -> None:
    turns = [("And for Tuesday?", "No, there's nothing to pay for Tuesday.")]
    claim = Claim("Tuesday", "charge", "there's nothing to pay for Tuesday", 0, "agent")
    assert "nothing to pay for Tuesday" in notes_of(turns, claim)


@pytest.mark.parametrize(
    ("attribute", "told"),
    [("who must be in", True), ("price if she gets in", True), ("a b c d e f", False), ("x" * 31, False)],
)
def test_an_attribute_may_have_five_words(attribute: str, told: bool) -> None:
    turns = [("And when?", "On the 8th, for the fuse box."), ("Fine.", "Bye.")]
    assert ("fuse box" in notes_of(turns, Claim("visit", attribute, "for the fuse box", 0, "agent"))) is told


def test_who_cannot_come_on_a_day_changes_no_price() -> None:
    turns = [("What is the phone?", "The phone comes to $89."), ("I can't do today. I'll come on Wednesday.", "Fine.")]
    assert 'A1: "The phone comes to $89."' in notes_of(turns, Claim("phone", "price", "$89", 0, "agent"))


def test_a_count_in_words_is_read_whole() -> None:
    assert [(value.kind, value.text) for value in values_in("Twenty-five rolls a day")] == [("count", "Twenty-five")]
