from __future__ import annotations

import json
import re
from typing import Any

import pytest

from voice_sandbox.receptionist.dialogue import answer
from voice_sandbox.receptionist.notes import caller_words
from voice_sandbox.receptionist.slots import find_values, plain


def converse(*words: str, system: str = "") -> list[str]:
    """The replies to a whole conversation, each turn asked with everything before it."""
    messages: list[dict[str, Any]] = []
    replies: list[str] = []
    for said in words:
        messages.append({"role": "user", "content": said})
        replies.append(answer({"system": system, "messages": messages}).text)
        messages.append({"role": "assistant", "content": replies[-1]})
    return replies


def test_the_six_booking_turns_make_one_booking() -> None:
    location, day, time, duration, people, confirm = converse(
        "book a room", "mountain view", "today", "two thirty p m", "half an hour", "two people"
    )
    assert "location" in location
    assert "day" in day
    assert "time" in time
    assert "How long" in duration
    assert "How many people" in people
    assert confirm == "So that is Mountain View, today at 2:30 PM. For half an hour, with two people. Shall I book it?"


def test_transcripts_with_punctuation_are_the_same_words() -> None:
    assert (
        converse("Book a room.", "Mountain View.", "Today.", "2:30 p.m.", "Half an hour.", "Two people.")[-1]
        == (converse("book a room", "mountain view", "today", "two thirty p m", "half an hour", "two people")[-1])
    )


def test_a_change_and_the_way_back() -> None:
    replies = converse(
        "book a room in palo alto tomorrow at seven for two hours for four people",
        "actually make it seven",
        "wait, not that one, the earlier one",
        "yes",
    )
    assert "seven people" in replies[1]
    assert "four people" in replies[2]
    assert re.search(r"booked. The reference is \d{4}\.", replies[3])


def test_several_topics_in_one_call() -> None:
    replies = converse(
        "I need a room on Friday at ten.",
        "By the way, what do I owe you this month?",
        "Book another room on Monday at noon.",
        "Change it to four people.",
        "Wait, not that one, the earlier one.",
        "Now go back to the billing thing.",
        "And where is my order?",
    )
    assert "Friday" in replies[0]
    assert "$184.50" in replies[1]
    assert "Monday" in replies[2]
    assert "Friday" in replies[4] and "four people" in replies[4]
    assert replies[5].startswith("Sure, back to your bill.") and "4417" in replies[5]
    assert "3302" in replies[6]


def test_it_knows_only_what_the_request_says() -> None:
    later = [{"role": "user", "content": "two people"}]
    assert "Shall I book it?" not in answer({"messages": later}).text
    state = "state: booking\nlocation: Mountain View\nday: today\ntime: 2:30 PM\nduration: half an hour"
    with_notes = answer({"system": [{"type": "text", "text": state}], "messages": later}).text
    assert with_notes.startswith("So that is Mountain View, today at 2:30 PM. For half an hour, with two people.")


def test_the_caller_is_the_last_line_of_the_last_block() -> None:
    content = [
        {"type": "text", "text": "time: 9 AM"},
        {"type": "text", "text": "<heard>old words</heard>\n[the last reply was cut off]\nCaller: “Book a room.”"},
    ]
    words, notes = caller_words(content)
    assert words == "Book a room."
    assert "time: 9 AM" in notes and "old words" in notes
    assert caller_words("<memory>nothing else</memory>")[0] == ""


@pytest.mark.parametrize(
    "said", ["how old is the brooklyn bridge", "four queen of clubs", "go forward ten meters", "x"]
)
def test_what_it_does_not_know_it_says(said: str) -> None:
    assert converse(said)[0].startswith("I don't know that")


def test_replies_keep_the_voice_style() -> None:
    words = [
        "hello",
        "billing department",
        "why was I charged",
        "where is my order",
        "thanks",
        "bye",
        "nope",
        "book a room",
    ]
    for reply in [*converse(*words), *converse("tell me about the rooms")]:
        assert not re.search(r"[*_#`\[\]]|https?:", reply)
        for sentence in re.split(r"(?<=[.!?])\s+", reply):
            assert len(sentence.split()) <= 21, sentence
    assert len(re.findall(r"[.!?]", converse("tell me about the rooms")[0])) >= 4


def test_the_markdown_marker_has_everything_that_must_not_be_spoken() -> None:
    reply = converse("say something with markdown")[0]
    for piece in ("**", "https://", "😀", "$1,250.50", "Dr.", "`"):
        assert piece in reply


def test_notes_hold_the_acts_and_now_and_then_a_mistake() -> None:
    lines = [
        f"[turn {number}]\nCaller: Book room {number}.\n"
        f"Agent: Your room {number} is booked. The reference is {4000 + number}."
        for number in range(1, 9)
    ]
    wanted = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    body = {"messages": [{"role": "user", "content": "\n".join(lines)}], "output_config": wanted}
    facts = json.loads(answer(body).text)["facts"]
    assert facts == json.loads(answer(body).text)["facts"]
    right = [fact for fact in facts if f"{fact['value']}" in lines[fact["turn"] - 1] and fact["by"] == "agent"]
    assert {"Your room 1 is booked", "4001"} <= {fact["value"] for fact in right}
    assert 0 < len(facts) - len(right) < len(right)


@pytest.mark.parametrize(
    ("said", "slot", "value"),
    [
        ("at half an hour", "duration", "half an hour"),
        ("2:30 p.m.", "time", "2:30 PM"),
        ("fourteen thirty", "time", None),
        ("14:30", "time", "2:30 PM"),
        ("at two thirty", "time", "2:30 PM"),
        ("seven o'clock", "time", "7 PM"),
        ("at noon", "time", "noon"),
        ("just me", "people", "one person"),
        ("for twenty guests", "people", "20 people"),
        ("next friday", "day", "Next Friday"),
        ("ninety minutes", "duration", "ninety minutes"),
    ],
)
def test_values_in_spoken_english(said: str, slot: Any, value: str | None) -> None:
    assert find_values(plain(said), ["palo alto"]).get(slot) == value
