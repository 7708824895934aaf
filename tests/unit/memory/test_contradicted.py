"""Values that somebody else said, that the other side says no to, and what is back after it was left out."""

from __future__ import annotations

import pytest

from agent.memory import Claim, Conversation
from agent.memory.nodes import Speaker
from agent.memory.notes import NotesRequest


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
        ("You've got them mixed up.", False),
        ("That's right.", True),
        ("Is there another way to do it?", True),
        ("The other way round would be what, dangerous?", True),
        ("Nonsense, you've been great.", True),
        ("Rubbish, I measured it.", True),  # who of the two is right is not known
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
SENT = [("How many?", "We send them, four packets would be $90."), ("Very good. It's Mrs Quennell.", "Thank you.")]
BETTER = [("I'd better pay the $90.", "I understand."), ("Good.", "Fine.")]


@pytest.mark.parametrize(
    ("turns", "value", "by"),
    [
        (KEYS, "$90", "agent"),
        (SENT, "$90", "agent"),
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


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("I've moved you to Tuesday at 3. Is that what you wanted?", "No, I said Thursday."),
        ("So that's Tuesday at 3. What do you say to that?", "No."),
        ("That's Tuesday at 3. When you come, can you bring that with you?", "No."),
        ("There's a slot free Tuesday at 3 for $80.", "I'll think about it."),
        ("We have a tour on Tuesday at 3 for $45 each.", "That won't do."),
    ],
)
def test_what_was_asked_or_offered_and_not_taken_is_not_told_as_it_is(answer: str, reply: str) -> None:
    turns = [("Could you come on Tuesday?", answer), (reply, "I see.")]
    assert 'A1: "' not in notes_of(turns, Claim("visit", "time", "Tuesday at 3", 0, "agent"))


@pytest.mark.parametrize(
    ("answer", "reply", "settled"),
    [
        ("Tuesday at 4 would work.", "Super, thanks.", True),
        ("It should arrive on Tuesday at 4.", "Wonderful. And how do I pay?", True),
        ("Tuesday at 4 would work.", "Good. I need to ask my husband.", False),
        ("Tuesday at 4 would work.", "Okay. Let me think about it.", False),
        ("It would be Tuesday at 4, maybe.", "Great.", False),
        ("It should arrive on Tuesday at 4.", "Hm.", False),
    ],
)
def test_what_would_or_should_be_is_settled_by_a_plain_yes(answer: str, reply: str, settled: bool) -> None:
    turns = [("When?", answer), (reply, "Fine.")]
    notes = notes_of(turns, Claim("visit", "time", "Tuesday at 4", 0, "agent"))
    assert notes.endswith(f'A1{"" if settled else " (not settled)"}: "{answer}"')


@pytest.mark.parametrize(
    "reply", ["Nice. Just the hair though.", "Very good, thanks, just the hair.", "Cool. Not today."]
)
def test_a_price_that_nobody_asked_about_is_not_taken_by_being_glad(reply: str) -> None:
    turns = [("A trim, please.", "Sure. We also have a beard trim for $15."), (reply, "Fine.")]
    assert "$15" not in notes_of(turns, Claim("beard", "price", "$15", 0, "agent"))


@pytest.mark.parametrize(
    ("told", "reply"),
    [
        ("The cleaner is booked for you.", "I can't make it tomorrow."),
        ("The course is booked for you.", "I can't do this, I'm too ill."),
    ],
)
def test_who_cannot_come_may_have_changed_what_was_booked(told: str, reply: str) -> None:
    turns = [("Book it, please.", told), (reply, "I see.")]
    assert f'A1 (may have changed at turn 2): "{told}"' in notes_of(turns, Claim("it", "status", told, 0, "agent"))


@pytest.mark.parametrize(
    ("said", "value", "answer"),
    [
        ("The label says model XK400.", "XK400", "I see."),
        ("My letter says reference HX-2201.", "HX-2201", "Found it."),
        ("My wife said yes, so we are 5 people.", "5 people", "I see."),
        ("I'm at 12 Elm Street.", "12 Elm Street", "No rush, take your time."),
        ("I'm bringing 3 kids.", "3 kids", "No extra cost for them."),
        ("It's boiler 48213.", "48213", "We don't see many of those. I'll note it."),
        ("It's parcel 48213.", "48213", "It doesn't show any movement since Monday."),
    ],
)
def test_what_the_caller_reads_off_or_simply_says_is_told_as_it_is(said: str, value: str, answer: str) -> None:
    assert f'C1: "{said}"' in notes_of([(said, answer)], Claim("it", "detail", value, 0, "caller"))


def test_an_interruption_takes_nothing_back() -> None:
    said = "There are eleven windows. Sorry, someone's at the door. I live on floor three."
    notes = notes_of([(said, "I see.")], Claim("house", "windows", "eleven windows", 0, "caller"))
    assert "eleven windows" in notes


def test_who_cannot_come_on_a_day_changes_no_price() -> None:
    turns = [("What is the phone?", "The phone comes to $89."), ("I can't do today. I'll come on Wednesday.", "Fine.")]
    assert 'A1: "The phone comes to $89."' in notes_of(turns, Claim("phone", "price", "$89", 0, "agent"))
