"""Which utterances ask to hear the last reply again."""

from __future__ import annotations

import pytest

from agent.turn.repeat import asks_again


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Sorry, could you say that again?", "en"),
        ("Pardon?", "en"),
        ("I didn't catch that.", "en"),
        ("Wie bitte?", "de"),
        ("Können Sie das bitte wiederholen?", "de"),
        ("Vous pouvez répéter ?", "fr"),
    ],
)
def test_a_caller_who_did_not_understand_is_counted(text: str, language: str) -> None:
    assert asks_again(text, language)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "What are your opening hours?",
        "Book the room again.",
        "I already told your colleague twice, please repeat that booking for every Monday of the month",
    ],
)
def test_other_requests_are_not(text: str) -> None:
    assert not asks_again(text)
