"""What a clause is about, told by its form: no word of these sentences stands in a list."""

from __future__ import annotations

import pytest

from agent.memory.mentions import head_of, is_foreign
from agent.memory.words import words_of


@pytest.mark.parametrize(
    ("clause", "kind", "about"),
    [
        ("The compact is still reserved", "named", "compact"),
        ("Bronze is $96 for eight weeks", "named", "bronze"),
        ("For short hair about $300", "named", "hair"),
        ("In grey it comes to $149", "named", "grey"),
        ("How much is the compact again?", "named", "compact"),
        ("It stays at $34 a month", "pointing", ""),
        ("Yours on Thursday stays", "pointing", ""),
        ("$9 a day", "silent", ""),
        ("The price is $12", "silent", ""),
        ("Tuesday at 3 with Dr. Novak is booked", "silent", ""),
    ],
)
def test_a_clause_begins_with_what_it_is_about(clause: str, kind: str, about: str) -> None:
    head = head_of(clause)
    assert head.kind == kind
    assert not about or any(about.startswith(word[:3]) for word in head.words)


def test_words_of_hindi_and_arabic_keep_their_vowel_signs() -> None:
    assert words_of("बाल कटवाने के 450 रुपये") == ["बाल", "कटवाने", "के", "450", "रुपये"]
    assert words_of("سِعْر المكان") == ["سِعْر", "المكان"]


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("At 8 on Sundays.", False),
        ("K O W A L C Z Y K", False),
        ("La tarifa de mañana cuesta 19,90 € al mes.", True),
        ("本棚は600円です。", True),
        ("Oak Avenue, at 4 pm today.", False),
    ],
)
def test_heads_of_clauses_are_looked_at_in_english_only(text: str, foreign: bool) -> None:
    assert is_foreign(text) is foreign
