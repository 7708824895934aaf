"""What a stranger asks: a question about the world is no value of a booking, whatever place or day stands in it."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.support.paths import DATA
from voice_sandbox.receptionist.dialogue import answer
from voice_sandbox.receptionist.foreign import is_foreign
from voice_sandbox.receptionist.slots import plain

SPEECH: Final = DATA / "speech" / "transcripts.jsonl"
HONEST: Final = "I'm a scripted receptionist"


def converse(*words: str) -> list[str]:
    """The replies to a whole conversation."""
    messages: list[dict[str, Any]] = []
    replies: list[str] = []
    for said in words:
        messages.append({"role": "user", "content": said})
        replies.append(answer({"system": "", "messages": messages}).text)
        messages.append({"role": "assistant", "content": replies[-1]})
    return replies


@pytest.mark.parametrize(
    "said",
    [
        "How old is the Brooklyn Bridge?",
        "So, how tall is the Brooklyn Bridge?",
        "Can you tell me how old the Brooklyn Bridge is?",
        "Do you know who won the race on Monday?",
        "What is the capital of France?",
        "What's happening in San Francisco today?",
        "Who lives in Palo Alto?",
        "When was Brooklyn founded?",
        "Where is Mountain View?",
        "Why is San Jose so hot on Friday?",
        "Did the Giants win on Sunday?",
        "Is Brooklyn larger than Sunnyvale?",
        "How many people live in San Jose?",
        "How long is half an hour on Mars?",
    ],
)
def test_a_question_about_the_world_is_answered_with_what_it_is(said: str) -> None:
    [first] = converse(said)
    assert HONEST in first
    *_, within, after = converse("book a room", said, "mountain view")
    assert HONEST in within
    assert within.endswith("Which location would you like?"), "it asks again what it had asked"
    assert after == "Mountain View, good. What day do you need it?", "nothing was taken from the question"


@pytest.mark.parametrize(
    "said",
    [
        "How about Brooklyn?",
        "What about Mountain View?",
        "Is Mountain View possible?",
        "Could we do Palo Alto?",
        "Do you have a room in San Jose?",
        "Which rooms are free in Sunnyvale?",
        "Can I get it in San Francisco?",
        "Mountain View, please.",
    ],
)
def test_a_question_that_offers_a_value_is_one(said: str) -> None:
    assert not is_foreign(plain(said))
    assert HONEST not in converse("book a room", said)[-1]


@pytest.mark.parametrize(
    "said",
    [
        "How are you?",
        "Who are you?",
        "What do I owe you this month?",
        "Why was I charged twice in May?",
        "Where is my order?",
        "What kind of rooms do you have?",
        "When will it arrive?",
        "How long do I have it for?",
        "What is the wifi password?",
        "What's for breakfast?",
    ],
)
def test_a_question_about_the_house_is_its_own(said: str) -> None:
    assert HONEST not in converse(said)[0]


def test_a_question_while_it_waits_for_a_yes_books_nothing() -> None:
    all_said = "book a room in palo alto tomorrow at seven for two hours for four people"
    asked, foreign, booked = converse(all_said, "How old is the Brooklyn Bridge?", "yes")
    assert "Shall I book it?" in asked
    assert HONEST in foreign
    assert "Your room is booked" in booked


@pytest.mark.skipif(not SPEECH.is_file(), reason="the recorded speech is not here: VOICE_AGENT_DATA names its folder")
def test_strangers_recordings_are_taken_for_what_they_are() -> None:
    rows = [json.loads(line) for line in SPEECH.read_text(encoding="utf-8").splitlines()]
    said = {row["file"]: row["transcript"] for row in rows}
    booking = [text for file, text in sorted(said.items()) if file.startswith("booking_")]
    assert "Shall I book it?" in converse(*booking)[-1]
    asked = [booking[0], said["question_brooklyn_bridge.wav"], *booking[1:]]
    assert HONEST in converse(*asked)[1]
    assert "So that is Mountain View" in converse(*asked)[-1]
    for file in ("command_go_forward.wav", "cards_002.wav", "cards_005.wav", "lamp.wav"):
        before, after = converse(booking[0], said[file])
        assert "Which location" in before
        assert "good." not in after, file
