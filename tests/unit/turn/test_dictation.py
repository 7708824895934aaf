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
        "My number is 04:15",
        "My number is, I think, four one",
        "My email is john dot smith at gmail 1",
        "555-123",
        "415.555.1",
        "01.23.45.",
        "06-12",
        "1 2 3.50 4 5",
        "make sure that",
        "I think that",
        "My name is J",
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
        "Yes at 11:15.",
        "5:30.",
        "At 5:30 p.m.",
        "5 30 a.m.",
        "half past 6:00",
        "at 11 15",
        "at one oh five",
        "from 10:30 to 11:45",
        "A table for 4 at 7:30.",
        "$1,210.",
        "1,210",
        "It was 3.50.",
        "12.5",
        "£3 50",
        "May 5, 2026.",
        "the 5th of May 2026",
        "12/05/2026",
        "2026-05-12",
        "am 12.05.2026",
        "for 1 1/2",
        "10-12",
        "3-4.",
        "My name is John and I'd like a table at 7:30.",
        "My name is John and I'd like a table for 4",
        "My name is John, a table for 4 at 7:30",
        "My phone is dead, can you call me at 5:30",
        "I'm good with that",
        "Thank you for doing that",
        "",
    ],
)
def test_this_is_all(text: str) -> None:
    assert not goes_on(text)
    assert Patience(1.2, 1.5)(text) == 1.2
