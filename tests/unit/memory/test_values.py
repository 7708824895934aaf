"""Values are found by their form and kept verbatim."""

from __future__ import annotations

import pytest

from agent.memory.values import MAX_VALUES, values_in


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a table at Sino for two people on Friday at 7 pm.",
            {"name": "Sino", "people": "two", "date": "Friday", "time": "7 pm"},
        ),
        ("Your code is BK7Q2M, that is $129.50.", {"code": "BK7Q2M", "price": "$129.50"}),
        ("I fly from Boston to New York on March 3rd", {"from": "Boston", "to": "New York", "date": "March 3rd"}),
        ("there are 4 of us", {"people": "4"}),
        ("until the 14th of May, half past six", {"until date": "the 14th of May", "time": "half past six"}),
        ("order 77310, call 408-247-8880", {"code": "77310", "phone": "408-247-8880"}),
        ("come to 48 Harbour Road tomorrow", {"address": "48 Harbour Road", "date": "tomorrow"}),
        ("I saw Dr. Patel and he was the first one to help", {"name": "Dr. Patel"}),
        ("seven thirty on Feb 11", {"time": "seven thirty", "date": "Feb 11"}),
        ("ten past eight at night", {"time": "ten past eight at night"}),
        ("around midday", {"time": "midday"}),
        ("five in the evening for six, please", {"time": "five in the evening", "people": "six"}),
        ("May I ask about May?", {"month": "May"}),
        ("What was that again?", {}),
    ],
)
def test_values_are_named_by_kind_unit_and_preposition(text: str, expected: dict[str, str]) -> None:
    assert {value.name: value.text for value in values_in(text)} == expected


@pytest.mark.parametrize(
    "text",
    [
        "on Tuesday, no sorry, Friday",
        "Tuesday, I mean Friday",
        "Tuesday... wait, Friday",
        "on Tuesday or rather on Friday",
    ],
)
def test_a_value_taken_back_in_the_same_breath_is_left_out(text: str) -> None:
    assert [value.text for value in values_in(text)] == ["Friday"]


def test_two_values_without_a_repair_are_both_kept() -> None:
    assert [value.text for value in values_in("from Tuesday and then Friday")] == ["Tuesday", "Friday"]


def test_a_bare_number_is_named_by_the_question_it_answers() -> None:
    assert [(v.name, v.text) for v in values_in("seven", asked="How many nights would you like?")] == [
        ("nights", "seven")
    ]


def test_a_recital_is_cut() -> None:
    text = ", ".join(f"${number}" for number in range(50))
    assert len(values_in(text)) == MAX_VALUES
