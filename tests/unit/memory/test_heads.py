"""What may stand before a statement: nothing that could turn it round."""

from __future__ import annotations

import pytest

from agent.memory import Claim, Conversation
from agent.memory.heads import plainly_said
from agent.memory.notes import NotesRequest


@pytest.mark.parametrize(
    "sentence",
    [
        "The table is booked for Friday.",
        "Leo's lesson is moved to Monday.",
        "Airport Auto, Saturday at 10 am, is booked.",
        "The suit and the dress are paid.",
        "Tomorrow at 9 is reserved for you.",
        "Garza, thank you, I've corrected it.",
        "You're right, it's changed.",
    ],
)
def test_a_statement_begins_with_what_it_is_about(sentence: str) -> None:
    assert plainly_said(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Supposedly the table is booked.",
        "As far as I know the table is booked.",
        "Your wife told us the table is booked.",
        "One click on the link and the table is booked.",
        "You pay the deposit, and the table is booked.",
        "Tomorrow the table is booked.",
        "It's possible the table is booked.",
        "The van is rented every night.",
        "I had the table booked, then it was rolled back.",
    ],
)
def test_what_stands_before_it_may_turn_it_round(sentence: str) -> None:
    assert not plainly_said(sentence, sentence.index("booked") if "booked" in sentence else 0)


def noted(turns: list[tuple[str, str]], *claims: Claim) -> Conversation:
    call = Conversation()
    for caller, agent in turns:
        call.heard(caller)
        call.answered(agent, interrupted=False)
    call.noted(NotesRequest(len(turns) - 1, ""), claims)
    return call


CAKES = [
    ("A carrot cake and a plum cake, please.", "A carrot cake and a plum cake, $56. Shall I order them?"),
    ("Yes.", "Both are ordered, order 3391."),
    ("Leave out the plum cake.", "The plum cake is taken off. That makes $31."),
]


def test_what_is_said_of_all_together_belongs_to_the_name_for_all() -> None:
    claims = (
        Claim("cakes", "order number", "3391", 1, "agent"),
        Claim("plum cake", "status", "The plum cake is taken off", 2, "agent"),
        Claim("cakes", "price", "$31", 2, "agent"),
    )
    notes = noted(CAKES, *claims).notes()
    assert '"3391"' in notes
    assert 'cakes: price "$31"' in notes or 'price "$31"' in notes
    swapped = noted(CAKES, *claims, Claim("plum cake", "price", "$31", 2, "agent"))
    assert [slot.name for state in swapped.graph.states if state.name == "plum cake" for slot in state.slots] == [
        "status"
    ]


def test_a_value_tells_what_a_change_has_changed_and_the_rest_stands() -> None:
    call = noted(
        [
            ("Book the move for the 3rd.", "The move is booked for the 3rd, Garcia."),
            ("Garza.", "I've corrected it to Garza."),
        ],
        Claim("move", "status", "The move is booked for the 3rd", 0, "agent"),
        Claim("move", "name", "Garza", 1, "agent"),
    )
    assert "may have changed" not in call.notes()
    assert len([state for state in call.graph.states if state.merged is None]) == 1


def test_it_is_what_the_sentence_before_told_of() -> None:
    call = noted(
        [
            ("I lost an umbrella.", "I have filed a report, number LF-300."),
            ("And a scarf.", "I have filed that too, number LF-301."),
            ("The umbrella is here!", "Then the report LF-300 is closed. I have cancelled it."),
        ]
    )
    assert [state.state for state in call.graph.states] == ["ended", "confirmed"]
    assert not call.graph.states[1].doubts


def test_what_was_said_to_the_caller_is_not_the_others() -> None:
    turns = [
        ("My sister Ida and I need a fitting.", "Ida is down for 5, and you're down for 6."),
        ("Ida can't come.", "I've cancelled Ida's fitting. Yours at 6 stays."),
    ]
    names = (
        Claim("Ida's fitting", "status", "Ida is down for 5", 0, "agent"),
        Claim("your fitting", "status", "you're down for 6", 0, "agent"),
    )
    call = noted(turns, *names, Claim("Ida's fitting", "status", "Yours at 6 stays", 1, "agent"))
    told = {state.name: state.value("status") for state in call.graph.states if state.merged is None and state.name}
    assert told == {"Ida's fitting": "Ida is down for 5", "your fitting": "you're down for 6"}
