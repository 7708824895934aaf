"""A value that was taken back, only wished, or a piece of a longer one is none."""

from __future__ import annotations

import pytest

from agent.memory import Claim, Conversation
from agent.memory.nodes import Speaker
from agent.memory.notes import NotesRequest


def call_of(turns: list[tuple[str, str]], *claims: Claim) -> tuple[Conversation, int]:
    call = Conversation()
    for caller, agent in turns:
        call.heard(caller)
        call.answered(agent, interrupted=False)
    return call, len(claims) - call.noted(NotesRequest(len(turns) - 1, ""), claims).total()


PASS = [("How much is a pass?", "The pass is $80, no, sorry, $90 since January.")]
SORRY = [("How much is the cab?", "The cab is $38, sorry about that.")]
FARE = [("How much is the cab?", "It's $38 flat. Oh, excuse me, it's $42 now.")]
ORDER = [("Where is my order?", "Order 60381, let me see."), ("No, it's 60318.", "60318. It was shipped.")]
PHONE = [
    ("My phone is oh seven nine", "Oh seven nine."),
    ("four four two, sorry, four five two", "Go on."),
    ("eighteen", "079 452 18, I have it."),
]
RETURN = [("I have the car until Sunday 6 pm.", "Okay."), ("One more day.", "The return of the car is Monday at 6 pm.")]
OFFER = [
    ("When can you bring the table?", "On Friday. We can also assemble the table for $60."),
    ("I'll do it.", "Ok."),
]
TAKEN = [("When can you bring the table?", "On Friday. We can also assemble the table for $60."), ("Yes, do.", "Ok.")]


@pytest.mark.parametrize(
    ("turns", "thing", "attribute", "value", "turn", "by", "holds"),
    [
        (PASS, "pass", "price", "$80", 0, "agent", False),
        (PASS, "pass", "price", "$90", 0, "agent", True),
        (SORRY, "cab", "price", "$38", 0, "agent", True),
        (FARE, "cab", "price", "$38", 0, "agent", False),
        (FARE, "cab", "price", "$42", 0, "agent", True),
        (ORDER, "order", "number", "60381", 0, "agent", False),
        (ORDER, "order", "number", "60318", 1, "agent", True),
        (PHONE, "phone", "number", "oh seven nine", 0, "caller", False),
        (PHONE, "phone", "number", "four four two", 1, "caller", False),
        (PHONE, "phone", "number", "079 452 18", 2, "agent", True),
        (OFFER, "table", "price", "$60", 0, "agent", False),
        (TAKEN, "table", "price", "$60", 0, "agent", True),
    ],
)
def test_only_what_still_stood_is_kept(
    turns: list[tuple[str, str]], thing: str, attribute: str, value: str, turn: int, by: Speaker, holds: bool
) -> None:
    _, kept = call_of(turns, Claim(thing, attribute, value, turn, by))
    assert bool(kept) is holds


def test_a_value_that_the_next_sentence_puts_right_belongs_to_no_act() -> None:
    call, _ = call_of([("A cab at 6:45.", "The cab is ordered for 6:45. It's $38 flat. Sorry, no, $42.")])
    assert 'A1: "The cab is ordered for 6:45."' in call.notes()
    assert "$38" not in call.notes()


def test_a_day_that_only_the_caller_named_is_not_settled() -> None:
    call, kept = call_of(RETURN, Claim("car", "until", "Sunday 6 pm", 0, "caller"))
    assert kept == 1
    assert 'C1 (not settled): "I have the car until Sunday 6 pm."' in call.notes()


@pytest.mark.parametrize(
    "answer",
    [
        "It would be $40 with a tow bar.",
        "Perhaps $40 with a tow bar.",
        "We could do $40 if you like.",
        "They may ask for $40.",
    ],
)
def test_a_value_on_a_condition_is_told_with_it_and_as_not_settled(answer: str) -> None:
    call, kept = call_of([("What is a trailer?", answer)], Claim("trailer", "price", "$40", 0, "agent"))
    assert kept == 1
    assert f'A1 (not settled): "{answer}"' in call.notes()


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("If you bring the tow bar, it's $40.", "$40"),
        ("I would have to charge the call-out, which is $40.", "$40"),
        ("She can eat what she likes.", "what she likes"),
        ("You may bring it back to either shop.", "either shop"),
        ("You can pay by card.", "by card"),
        ("It's $40 back, not 60.", "it's $40 back, not 60"),
        ("It's $40 without fitting.", "$40"),
        ("What's left is the bill, $40.", "$40"),
        ("Should it break, it's $40.", "$40"),
        ("I read you the wrong line. It's $40, sorry. The other was right.", "$40"),
        ("The peach one I still have to press, that's Friday at 2.", "Friday at 2"),
        ("Emre I can enter for the 3rd of May, that's done.", "Emre I can enter for the 3rd of May, that's done"),
    ],
)
def test_what_is_said_plainly_is_told_as_it_is(answer: str, value: str) -> None:
    call, kept = call_of([("What about it?", answer)], Claim("it", "price", value, 0, "agent"))
    assert kept == 1
    told = next(one for one in answer.replace(". ", ".|").split("|") if value.lower() in one.lower())
    assert f'A1: "{told}"' in call.notes()


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        ("Super, yes please.", 'A1: "I can send her on Tuesday at 10."'),
        ("Tuesday would be fine.", 'A1: "I can send her on Tuesday at 10."'),
        ("I'll do it myself.", ""),
        ("Friday would be good.", ""),
        ("Nothing is good.", ""),
        ("That'd be great if it were earlier.", ""),
        ("And what else is there?", ""),
    ],
)
def test_an_offer_holds_once_the_caller_has_taken_it(reply: str, line: str) -> None:
    turns = [("Who comes?", "I can send her on Tuesday at 10."), (reply, "Let me see.")]
    call, kept = call_of(turns, Claim("visit", "time", "Tuesday at 10", 0, "agent"))
    assert bool(kept) is bool(line)
    assert line in call.notes()


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("That's 0161 496 0722. And is there another one?", "Not that I know."),
        ("Mill Lane 12, on Thursday. Does the truck get in there?", "No, it doesn't."),
        ("Ninety-two adults. And who has what?", "No, wait, let me think."),
        ("The gate shuts at ten.", "We won't make ten."),
    ],
)
def test_a_no_to_something_else_refuses_no_statement(answer: str, reply: str) -> None:
    value = answer.partition(".")[0]
    _, kept = call_of([("Hello.", answer), (reply, "Fine.")], Claim("it", "note", value, 0, "agent"))
    assert kept == 1


def test_a_sentence_that_points_back_comes_with_the_one_before_it() -> None:
    turns = [("How about the rear tyre?", "The rear tyre is worn. It's $60."), ("And the front?", "Fine.")]
    claims = (Claim("rear tyre", "price", "$60", 0, "agent"), Claim("front tyre", "state", "Fine", 1, "agent"))
    call, _ = call_of(turns, *claims)
    notes = call.notes().splitlines()[1:]
    assert notes == ['(A1: "The rear tyre is worn.")', 'A1: "It\'s $60."', '(C2: "And the front?")', 'A2: "Fine."']


def test_a_reference_stands_when_the_sentence_it_is_in_was_replaced() -> None:
    turns = [
        ("A table for Friday.", "Your table is booked for Friday at 7 pm, reference VB2281."),
        ("Make it Saturday.", "I have moved your table to Saturday at 7 pm."),
    ]
    call, _ = call_of(turns, Claim("table", "reference", "VB2281", 0, "agent"))
    assert 'A1 (see turn 2, but "VB2281" stands): "Your table is booked for Friday' in call.notes()


def test_a_sentence_of_an_act_that_was_replaced_is_marked_as_the_act_is() -> None:
    turns = [
        ("A room for Friday.", "Your room is booked for Friday at 3 pm, reference HH2041. It's $120 a night."),
        ("Saturday, please.", "Your room is moved to Saturday at 3 pm."),
    ]
    call, _ = call_of(turns, Claim("room", "reference", "HH2041", 0, "agent"))
    assert call.notes().splitlines()[1:] == [
        f'A1 (see turn 2, but "HH2041" stands): "{turns[0][1]}"',
        f'A2: "{turns[1][1]}"',
    ]


def test_a_value_is_replaced_by_that_of_an_act_which_names_the_same_thing() -> None:
    turns = [
        ("A table for Friday, please.", "The table is for Friday, let me see."),
        ("Saturday rather.", "The table is booked for Saturday."),
    ]
    claims = (Claim("table", "date", "Friday", 0, "agent"), Claim("table", "date", "Saturday", 1, "agent"))
    call, kept = call_of(turns, *claims)
    assert kept == 2
    notes = call.notes().splitlines()[1:]
    assert notes == [
        'A1 (for "Friday" see turn 2): "The table is for Friday, let me see."',
        'A2: "The table is booked for Saturday."',
    ]


def test_what_was_said_of_both_is_in_doubt_once_one_of_them_is_cancelled() -> None:
    turns = [
        ("Are our appointments still there?", "Both appointments are booked."),
        ("Cancel only his then.", "His appointment is cancelled."),
    ]
    call, kept = call_of(turns, Claim("appointments", "status", "Both appointments are booked", 0, "agent"))
    assert kept == 1
    assert "may have changed at turn 2" in call.notes()
    restored = Conversation.restore(call.events_since(0))
    assert restored.notes() == call.notes()


def test_an_act_is_not_given_to_a_thing_that_it_only_names_beside_its_own() -> None:
    turns = [("I lost my key.", "I have blocked the key of locker 117C.")]
    call, _ = call_of(turns, Claim("locker", "number", "117C", 0, "agent"))
    assert 'locker: "I have blocked' not in call.notes()
