"""To which topic an utterance belongs, where it names no subject."""

from __future__ import annotations

import pytest

from agent.memory import Conversation

CALL = [
    ("I'd like to book a meeting room for Tuesday.", "Sure, for Tuesday."),
    ("It's for our yearly gathering of gardeners.", "I found the Blue Room at Riverside."),
]


def move_of(text: str) -> str:
    conversation = Conversation()
    for caller, agent in CALL:
        conversation.heard(caller)
        conversation.answered(agent, interrupted=False)
    return conversation.heard(text).move


@pytest.mark.parametrize(
    "text",
    [
        "No, I meant Wednesday afternoon.",
        "no I meant the Harbour building",
        "Sorry, I mean the second floor with projector.",
        "Oh no, sorry, I said Brookfield Lane.",
        "No, make it Thursday morning.",
        "Actually, please change that to eleven chairs.",
        "That's wrong, the surname is Okafor with a K.",
    ],
)
def test_a_correction_of_what_was_just_said_is_no_topic_of_its_own(text: str) -> None:
    assert move_of(text) == "continue"


@pytest.mark.parametrize(
    "text",
    [
        "My toaster exploded yesterday evening.",
        "I mean it, my toaster exploded yesterday.",
        "No, not now, my toaster exploded yesterday.",
        "Sorry, I need a plumber for Thursday.",
        "Actually, I wonder whether pelicans migrate.",
        "By the way, I meant to ask about pelicans.",
        "No, I meant to ask: I need a plumber for Thursday.",
    ],
)
def test_what_corrects_nothing_and_is_like_nothing_is_a_new_topic(text: str) -> None:
    assert move_of(text) == "new"


def test_a_correction_of_an_earlier_topic_s_own_words_goes_there() -> None:
    assert move_of("No, I meant the meeting room for the gardeners.") != "new"
