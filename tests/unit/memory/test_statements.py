"""An act is what has the form of one; whatever could turn it round, known or not, is none."""

from __future__ import annotations

import pytest

from agent.memory import Conversation
from agent.memory.flows import load_flows
from agent.memory.statements import accomplished

ACTS = tuple(load_flows().acts)


@pytest.mark.parametrize(
    ("sentence", "word"),
    [
        ("The table is booked.", "booked"),
        ("Okay, I've put you down for Friday at 3 pm.", "put down"),
        ("Your lesson with Mr. Haddad has been moved to Monday at 5 pm.", "moved"),
        ("The suit and the dress are paid, reference T-7741.", "paid"),
        ("Sent, reference T-7741.", "sent"),
        ("I went ahead and cancelled it, as you asked.", "cancelled"),
        ("The order was shipped this morning.", "shipped"),
        ("Thanks for your patience, your loan is renewed, and that's it.", "renewed"),
    ],
)
def test_an_act_has_one_of_few_forms(sentence: str, word: str) -> None:
    assert accomplished(sentence, ACTS) == word


@pytest.mark.parametrize(
    "sentence",
    [
        "The table is booked in principle.",
        "The table is booked, weather permitting.",
        "The parcel is sent tomorrow.",
        "The table was booked.",
        "The table is booked for a fee.",
        "I press this button and the table is booked.",
        "Your okay, and the table is booked.",
        "The note here reads: the table is booked.",
        "Your husband has booked the table.",
        "I've booked the table in my head already.",
        "The table is booked, or nearly so.",
        "Half of the order is sent.",
        "The table is easily booked.",
        "The table is booked now now, I take it.",
    ],
)
def test_what_could_turn_it_round_is_not_listed_and_is_none_all_the_same(sentence: str) -> None:
    assert accomplished(sentence, ACTS) is None


@pytest.mark.parametrize(
    "answer",
    [
        "Suppose you pay today. Then the table is booked.",
        "Here is how it works. You pay. The table is booked.",
        "The table is booked. No, wait, it isn't.",
        "The table is booked. At least on paper.",
        "The table is booked. If you pay.",
    ],
)
def test_the_sentences_beside_it_may_turn_it_round(answer: str) -> None:
    call = Conversation()
    call.heard("What about it?")
    call.answered(answer, interrupted=False)
    assert not call.graph.states


def test_what_may_have_been_undone_in_other_words_is_in_doubt() -> None:
    call = Conversation()
    call.heard("A table for Friday, please.")
    call.answered("The table is booked for Friday.", interrupted=False)
    call.heard("Is everything fine?")
    call.answered("It looks like the table was cancelled by somebody this morning.", interrupted=False)
    assert "may have changed" in call.notes()
