"""Numbers that a caller says digit by digit."""

from __future__ import annotations

from typing import Final

_DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def spelled_number(words: str) -> str:
    """`order 4417` and `four four one seven` alike as 4417; empty without at least three digits."""
    digits = "".join(digits_in(words))
    return digits if len(digits) >= 3 else ""


def digits_in(words: str) -> list[str]:
    """Digits in order, written or spoken one by one."""
    spoken = {name: str(i) for i, name in enumerate(_DIGITS)}
    return [spoken.get(word, word) for word in words.split() if word in spoken or word.isdigit()]
