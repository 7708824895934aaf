"""What a provider sends, checked at the door of its adapter: no number is taken on trust, and no text can break us.

JSON has room for `NaN`, `1e999` and half a character ("\\ud800"). Behind the door a time is a finite number within the
audio that was sent, a confidence is 0 to 1, and a text can be written as UTF-8. What is not so is left out and counted
(`ListeningNote.VALUE_REFUSED`): a word without a time is still a word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final

from agent.providers.base import Word

ROUNDING_S: Final = 1.0  # a recogniser's window may end so long after the audio that was sent
MOST_TOKENS: Final = 10_000_000
"""Tokens that one call can use; no model takes a tenth of that."""
MOST_LEFT: Final = 1e12
"""Of an account, in dollars or characters."""
_HALF_CHARACTERS: Final = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """The text with U+FFFD in the place of each lone surrogate: it can be sent on, stored and logged."""
    return text if text.isascii() else _HALF_CHARACTERS.sub("\ufffd", text)


def letters(text: str) -> str:
    """What makes two texts the same words, however they are punctuated."""
    return "".join(filter(str.isalnum, text.casefold()))


def number(value: object, least: float, most: float) -> float | None:
    """A finite number from `least` to `most`; None for whatever else a provider has put there."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if least <= value <= most else None  # no comparison holds for NaN


def tokens(value: object) -> int | None:
    """A count of tokens; None where there is none, or a part of one."""
    counted = number(value, 0, MOST_TOKENS)
    return int(counted) if counted is not None and counted == int(counted) else None


class WordCheck:
    """Checks the words of one recogniser's connection.

    `sent_s` says how many seconds of audio were sent on it; `refused` is told of every value that cannot be true.
    """

    def __init__(
        self, sent_s: Callable[[], float] = lambda: math.inf, refused: Callable[[], None] = lambda: None
    ) -> None:
        self._sent_s = sent_s
        self._refused = refused

    def word(self, text: str, start: object, end: object, confidence: object) -> Word:
        """A word with those of its values that can be true. Raises AttributeError where the text is none."""
        start_s, end_s = self.time(start), self.time(end)
        if start_s is not None and end_s is not None and start_s > end_s:
            self._refused()
            start_s = end_s = None
        return Word(clean(text), start_s, end_s, self.confidence(confidence))

    def time(self, value: object) -> float | None:
        """Seconds of the audio that was sent."""
        return self._within(value, self._sent_s() + ROUNDING_S)

    def confidence(self, value: object) -> float | None:
        """0 to 1."""
        return self._within(value, 1.0)

    def _within(self, value: object, most: float) -> float | None:
        known = number(value, 0.0, most)
        if known is None and value is not None:
            self._refused()
        return known
