"""Numbers, spellings and sentences that go on; and those that are done."""

from __future__ import annotations

import pytest

from agent.turn.dictation import Patience, goes_on


@pytest.mark.parametrize(
    "text",
    [
        "oh one seven",
        "0176 555",
        "It's 0176.",
        "my number is",
        "My number is four one five",
        "My email is",
        "J O H",
        "My name is spelled M U",
        "My name is spelled",
        "My email address is spelt",
        "meine Nummer ist null eins",
        "I want to book a room and",
        "can you send it to the",
        "The invoice number is four four",
        "My account number is four four one seven",
    ],
)
def test_more_is_to_come(text: str) -> None:
    assert goes_on(text)
    assert Patience(1.2, 1.5)(text) == 1.5


@pytest.mark.parametrize(
    "text",
    [
        "Yes.",
        "A table for four at seven.",
        "Room twelve, please.",
        "In 2026.",
        "My number is 0176 555 1234 9.",
        "My name is John.",
        "What is your number?",
        "Book it for two people",
        "at five thirty",
        "The invoice number is four four one seven.",
        "Die Rechnungsnummer ist 4417",
        "My room number is 1204.",
        "",
    ],
)
def test_this_is_all(text: str) -> None:
    assert not goes_on(text)
    assert Patience(1.2, 1.5)(text) == 1.2
