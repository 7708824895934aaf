"""The model's text becomes text that a voice can read: what is said, and that the cuts of the stream do not matter."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.text_normalization.normalizer import HOLD_LIMIT, Speakable, TextPiece
from agent.text_normalization.words import PAUSE_MARKS, SENTENCE_MARKS

FRAGMENTS = [
    "**bold**", "*it*", "_under_", "# ", "## Head\n", "- item\n", "* ", "1. ", "12) ", "> ", "---", "| a | b |\n",
    "|--|",
    "```", "``", "`code`", "[text](", "https://www.example.com/a/b?c=d", "](http://x.io/a(b)) ", "![", ")", "(", "]",
    "$12.50", "$5", " million", "$", "10", "-", "–", "—", "20%", "2:30", "2:00", " p.m.", "a.m. ", "March", " 3", "rd",
    "555", "-1234", "(555) ", "123-4567", "+1 ", "1,234,567", ".5", "1/2", "Dr.", "St.", "Main ", "James", "e.g.",
    "etc.",
    "No.", "U.S.", "J. ", "Jan", ".", ",", "?", "!", "...", "…", ":", ";", " ", "  ", "\n", "\n\n", "\t", "hello", "Hi",
    "anna@example.com", "it's", "'", '"', "’", "“", "😀", "👍🏽", "1️⃣", "\u200d", "\xad", "°C", " km", "lbs.", "&",
    "#", "@",
    "+", "=", "<b>", "</b>", "<", "~", "\\", "你好，世界。", "नमस्ते।", "é", "e\u0301", "\ud800", "\x00",
    "€", "EUR", "EUR ", " CHF", "25.50", "1.250,5", " 250", " to ", "zł", "/mo", "A$", "'", "14:30", " Uhr",
    "3. Mai", "%",
    "x" * 130, "9" * 40,
    " " * 70, "http://" + "a" * 140,
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=8), max_size=25).map("".join)

LANGUAGES = st.sampled_from(["en", "en", "de", "fr", "es", "ja"])


def say(text: str) -> str:
    speakable = Speakable()
    return "".join(piece.spoken for piece in [*speakable.feed(text), *speakable.finish()])


def pieces_of(deltas: list[str], language: str = "en") -> list[TextPiece]:
    speakable = Speakable(language)
    return [*(piece for delta in deltas for piece in speakable.feed(delta)), *speakable.finish()]


def cut(text: str, cuts: list[int]) -> list[str]:
    places = sorted({min(place, len(text)) for place in cuts})
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 300), max_size=30), LANGUAGES)
def test_the_cuts_of_the_stream_make_no_difference(text: str, cuts: list[int], language: str) -> None:
    assert pieces_of(cut(text, cuts), language) == pieces_of([text], language)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_the_written_pieces_are_the_text_and_little_is_held_back(text: str) -> None:
    speakable = Speakable()
    written = ""
    for char in text:
        written += "".join(piece.written for piece in speakable.feed(char))
        assert speakable.held <= HOLD_LIMIT
        assert len(written) + speakable.held >= len(written)
    written += "".join(piece.written for piece in speakable.finish())
    assert written == text
    assert speakable.held == 0


@settings(max_examples=400, deadline=None)
@given(TEXTS, LANGUAGES)
def test_only_what_a_voice_can_read_is_said(text: str, language: str) -> None:
    for char in "".join(piece.spoken for piece in pieces_of([text], language)):
        readable = (
            char.isalnum() or unicodedata.category(char)[0] == "M" or char in " '-" + SENTENCE_MARKS + PAUSE_MARKS
        )
        assert readable, f"{char!r} is said"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["hello", "there", "it's", "room", "we", "you"]), min_size=1, max_size=30))
def test_plain_words_are_said_as_they_are(words: list[str]) -> None:
    assert say(" ".join(words)) == " ".join(words)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Hello there. How are you?", "Hello there. How are you?"),
        # markdown
        ("**Bold** and *it*, __so__ ~~not~~ `code`.", "Bold and it, so not code."),
        ("It is **$12.50**, really.", "It is 12 dollars and 50 cents, really."),
        ("# Rooms\n\nWe have two.", "Rooms. We have two."),
        ("We have:\n- single rooms\n- double rooms\n\nWhich one?", "We have: single rooms. double rooms. Which one?"),
        ("1. Dial.\n2. Wait", "1, Dial. 2, Wait"),
        ("* one\n* two!\n", "one. two!"),
        ("> Quoted text\n---\nMore", "Quoted text. More"),
        ("a line that\ngoes on", "a line that goes on"),
        ("| Room | Price |\n|:-----|------:|\n| A | $5 |\n\nDone.", "Room, Price. A, 5 dollars. Done."),
        ("Run this:\n```python\nprint('x')\n```\nThen call.", "Run this: Then call."),
        ("It runs\n```\ncode\n```\nwell.", "It runs. well."),
        ("Never closed: ```all of this is code", "Never closed:"),
        ("See [our prices](https://example.com/a(b) \"t\"), or [call](tel:5).", "See our prices, or call."),
        ("An image ![of a room](room.png) here", "An image of a room here"),
        ("A <b>tag</b> here", "A tag here"),
        # emoji and symbols
        ("Great 😀! 👍🏽 See you👋", "Great! See you"),
        ("Press 1️⃣ now", "Press 1 now"),
        ("Bed & breakfast, R&D, C++ and C#", "Bed and breakfast, R and D, C plus plus and C sharp"),
        ("Sure—one moment - please", "Sure, one moment, please"),
        ("We (the team) know (really).", "We, the team, know, really."),
        ('She said "hello" to him', "She said hello to him"),
        ("5 * 3 = 15, 5*3, x < y", "5 times 3 equals 15, 5 times 3, x less than y"),
        ("snake_case and/or he/she w/o n/a", "snake case and or he or she without not applicable"),
        # addresses
        ("Visit https://www.example.com/prices?a=1.", "Visit example dot com slash prices."),
        ("Go to example.com, or my-shop.co.uk/a/b/c!", "Go to example dot com, or my dash shop dot co dot uk!"),
        ("<https://example.com> or https://localhost/x", "example dot com or a web address"),
        ("Mail anna.lee_x@example.com.", "Mail anna dot lee underscore x at example dot com."),
        ("https://example.com/" + "a" * 300 + " is long", "example dot com is long"),
        # numbers and money
        ("2.5, 3.14 and 1,234.5", "2 point 5, 3 point 1 4 and 1234 point 5"),
        ("1,234,567 people, 45,000 rooms, 2,000,005", "1 million 234 thousand 567 people, 45000 rooms, 2 million 5"),
        ("$1, $0.99, $0.01, $1,250.00, -$5, £3.20, 5€, $0.015",
         "1 dollar, 99 cents, 1 cent, 1250 dollars, minus 5 dollars, 3 pounds and 20 pence, 5 euros, "
         "0 point 0 1 5 dollars"),
        ("$5 million, $2.5M, $5 mugs", "5 million dollars, 2 point 5 million dollars, 5 dollars mugs"),
        ("$80/night, 5/10", "80 dollars per night, 5 out of 10"),
        ("100%, 12.5 %, 10-20%", "100 percent, 12 point 5 percent, 10 to 20 percent"),
        ("10-20, 10 – 20, $10-20, 2020–2024", "10 to 20, 10 to 20, 10 to 20 dollars, 2020 to 2024"),
        ("1st, 2nd, 3rd, 12th, 21st, 30th, 101st, 112th",
         "first, second, third, twelfth, twenty-first, thirtieth, 101st, 112th"),
        ("1/2, 3/4, 2 1/2 cups", "one half, three quarters, 2 and a half cups"),
        ("-5°C, 1 kg, 5km, 5 lbs. of it, 90 km/h",
         "minus 5 degrees Celsius, 1 kilogram, 5 kilometers, 5 pounds of it, 90 kilometers per hour"),
        ("10x12, v2.0, 192.168.1.1, the 1990s", "10 by 12, version 2 point 0, 192 dot 168 dot 1 dot 1, the 1990s"),
        ("#5, # 7, ~5, <5, 50+", "number 5, number 7, about 5, less than 5, 50 plus"),
        ("code 0042, order 4512, room 204, BK12345, HTML5",
         "code 0 0 4 2, order 4 5 1 2, room 204, B K 1 2 3 4 5, HTML5"),
        # times and dates
        ("At 2:30 p.m. today", "At 2 30 P M today"),
        ("At 2:05 PM, 2:00 pm, 2:00, 14:30, 0:15",
         "At 2 oh 5 P M, 2 P M, 2 o'clock, 2 30 P M, 12 15 A M"),
        ("9am-5pm, 9-5pm, 7 am", "9 A M to 5 P M, 9 to 5 P M, 7 A M"),
        ("We close at 5 p.m. We open at 9 a.m. Tuesday.", "We close at 5 P M. We open at 9 A M Tuesday."),
        ("March 3, 2024 and Jan. 5 or Feb 21", "March third, 2024 and January fifth or February twenty-first"),
        ("2026-12-24, 12/25/2026, 25/12/26, 3/15", "December twenty-fourth, 2026, December twenty-fifth, 2026, "
         "December twenty-fifth, 2026, March fifteenth"),
        ("Mon-Fri, Mon. and Thurs. too", "Monday to Friday, Monday and Thursday too"),
        # phone numbers
        ("Call (555) 123-4567.", "Call 5 5 5, 1 2 3, 4 5 6 7."),
        ("555-1234 or +44 20 7946 0958 now", "5 5 5, 1 2 3 4 or plus 4 4, 2 0, 7 9 4 6, 0 9 5 8 now"),
        ("1-800-555-0199, **555-123-4567**", "1, 8 0 0, 5 5 5, 0 1 9 9, 5 5 5, 1 2 3, 4 5 6 7"),
        ("01223566388", "0 1 2, 2 3 5, 6 6 3, 8 8"),
        ("Rooms 101 102 103 are free", "Rooms 101 102 103 are free"),
        # abbreviations
        ("Dr. Smith and Mrs. Lee", "Doctor Smith and Missus Lee"),
        ("12 Elm Dr. and 5 Main St. are near St. James", "12 Elm Drive and 5 Main Street are near Saint James"),
        ("On Main St. We wait. On St. Patrick's Day.", "On Main Street. We wait. On Saint Patrick's Day."),
        ("approx. 5, cats vs. dogs, e.g., this, i.e. that",
         "approximately 5, cats versus dogs, for example, this, that is that"),
        ("Tea, coffee, etc. are free. Pens etc. We go.", "Tea, coffee, et cetera are free. Pens et cetera. We go."),
        ("The U.S. Government. In the U.S. We go.", "The U S Government. In the U S. We go."),
        ("J. Smith has plan B. No. 5 is it. No. Thanks.", "J Smith has plan B. number 5 is it. No. Thanks."),
        ("So do I. We go.", "So do I. We go."),
        ("1. A room (max. 2 guests)\n2. A suite (large) here", "1, A room, maximum 2 guests. 2, A suite, large, here"),
        ("Mon.–Sun. from 9 a.m.–5 p.m. daily", "Monday to Sunday. from 9 A M to 5 P M daily"),
        ("650 sq ft, 50¢, €1,50, 7th/8th", "650 square feet, 50 cents, 1 euro and 50 cents, seventh or eighth"),
        # other languages keep their marks
        ("你好，世界。我们很好！", "你好，世界。我们很好！"),
        ("Où est l’hôtel ?", "Où est l'hôtel?"),
        ("", ""), ("😀", ""), ("** **", ""), ("...", ""),
    ],
)  # fmt: skip
def test_reading(written: str, spoken: str) -> None:
    assert say(written) == spoken


def test_a_word_leaves_with_the_space_after_it_and_a_plain_one_with_its_comma() -> None:
    speakable = Speakable()
    assert [piece.spoken for piece in speakable.feed("Sure,")] == ["Sure,"]
    assert [piece.spoken for piece in speakable.feed(" I")] == []
    assert [piece.spoken for piece in speakable.feed(" can ") if piece.spoken] == [" I", " can"]
    assert speakable.feed("help") == []
    assert [piece.spoken for piece in speakable.feed("?") if piece.spoken] == [" help?"]


def test_a_word_that_depends_on_the_next_one_waits_for_it() -> None:
    speakable = Speakable()
    assert speakable.feed("$5 m") == []
    assert speakable.feed("illio") == []
    assert "".join(piece.spoken for piece in speakable.feed("n, ")) == "5 million dollars,"


def test_a_long_run_without_spaces_is_read_in_parts() -> None:
    assert say("a" * 300).replace(" ", "") == "a" * 300
    assert all(len(piece.written) <= HOLD_LIMIT for piece in pieces_of(["a" * 1000 + " " * 1000 + "```" + "b" * 1000]))
