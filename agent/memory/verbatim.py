"""Finds words in a text as they stand: case, kinds of quotation marks and spaces aside, whole words only."""

from __future__ import annotations

import re
from functools import lru_cache

from agent.memory.words import MARKS, UNSPACED

# Scripts that are written without spaces have no word ends to look for.
_UNSPACED = re.compile(f"[{UNSPACED}]")
_LETTER = rf"(?:[^\W{UNSPACED}]|[{MARKS}])"  # beside "KT-12" a letter of its own script makes it part of a longer word
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
    return [match.span() for match in _form(wanted).finditer(text)]


@lru_cache(maxsize=2_000)
def _form(words: str) -> re.Pattern[str]:
    parts = [re.escape(part).replace("’", "'").replace("'", "['’]") for part in words.split()]
    # no number may be cut out of a longer one: "250" is not said in "2,500" or "$1.250"
    before = (
        rf"(?<!{_LETTER})(?<![$€£])(?<!\d[.,:])" if words[0].isalnum() and not _UNSPACED.match(words[0]) else r"(?<!\d)"
    )
    if words[0].isdigit():
        before = rf"(?<!{_LETTER})(?<!\d[.,:])"
    if words[0] in "$€£":
        before = r"(?<!\w)"
    after = "" if _UNSPACED.match(words[-1]) else rf"(?!{_LETTER})(?![.,:]\d)"
    return re.compile(before + r"\s+".join(parts) + after, re.IGNORECASE)
