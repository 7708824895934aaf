"""Finds words in a text as they stand: case, kinds of quotation marks and spaces aside, whole words only."""

from __future__ import annotations

import re
from functools import lru_cache

from agent.memory.words import MARKS, UNSPACED

# Scripts that are written without spaces have no word ends to look for.
_UNSPACED = re.compile(f"[{UNSPACED}]")
_LETTER = rf"(?:[^\W{UNSPACED}]|[{MARKS}])"  # beside "KT-12" a letter of its own script makes it part of a longer word
# no number may be cut out of a longer one: "250" is not said in "2,500" or "$1.250"
_BEFORE_LETTER = re.compile(rf"(?<!{_LETTER})(?<![$€£])(?<!\d[.,:])", re.IGNORECASE)
_BEFORE_DIGIT = re.compile(rf"(?<!{_LETTER})(?<!\d[.,:])", re.IGNORECASE)
_BEFORE_SIGN = re.compile(r"(?<!\w)")
_BEFORE_OTHER = re.compile(r"(?<!\d)")
_AFTER = re.compile(rf"(?!{_LETTER})(?![.,:]\d)", re.IGNORECASE)
_MOST = 400  # characters of words that are looked for
_EDGES = " \t\n\"'“”‘’.,;:!?"


def find_verbatim(text: str, words: str) -> tuple[int, int] | None:
    """Where words stand in a text, the last place when there are several; None when they do not."""
    spans = every_verbatim(text, words)
    return spans[-1] if spans else None


def every_verbatim(text: str, words: str) -> list[tuple[int, int]]:
    """Every place where words stand in a text, in order."""
    wanted = words.strip(_EDGES)
    if not wanted or len(wanted) > _MOST:
        return []
    form, before = _form(wanted), _before(wanted[0])
    spans: list[tuple[int, int]] = []
    at = 0
    while (found := form.search(text, at)) is not None:
        start, end = found.span()
        whole = before.match(text, start) and (_UNSPACED.match(wanted[-1]) or _AFTER.match(text, end))
        if whole:
            spans.append((start, end))
        at = end if whole else start + 1
    return spans


@lru_cache(maxsize=2_000)
def _form(words: str) -> re.Pattern[str]:
    """The words alone: with their edges, which hold whole scripts, one of them takes milliseconds to compile."""
    parts = [re.escape(part).replace("’", "'").replace("'", "['’]") for part in words.split()]
    return re.compile(r"\s+".join(parts), re.IGNORECASE)


def _before(first: str) -> re.Pattern[str]:
    """What may stand before a first character."""
    if first.isdigit():
        return _BEFORE_DIGIT
    if first in "$€£":
        return _BEFORE_SIGN
    return _BEFORE_LETTER if first.isalnum() and not _UNSPACED.match(first) else _BEFORE_OTHER
