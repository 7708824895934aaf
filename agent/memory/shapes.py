"""Values of one shape: "minus 3.0" and "minus 2.25", "34 cubic metres" and "32 cubic metres", "B731" and "B713".

Two values of one shape can stand in each other's place, whatever they are of, so no list of kinds is needed.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agent.memory.words import STOP_WORDS, stem

_TOKEN = re.compile(
    r"[$€£%]|\d[\d.,:]*(?:st|nd|rd|th)\b|[^\W_]*\d[\w:-]*(?:[.,]\d+)*|[^\W\d_]+(?:['’-][^\W\d_]+)*|[.,;:!?。、]"
)
_NUMBER = re.compile(r"\d[\d.,:]*")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)")
_DAY = re.compile(r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|tomorrow|today|tonight")
_MONTH = re.compile("january|february|march|april|may|june|july|august|september|october|november|december")
_NUMBER_WORDS = frozenset(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand both".split()
)
_LIGHT = frozenset("the a an at on by for from to in of until till with about and each".split())
_PLACES = frozenset({"#", "#th", "@", "D", "M"})


def _shape(word: str) -> str:
    low = word.lower()
    if low in _NUMBER_WORDS or _NUMBER.fullmatch(low):
        return "#"
    if _ORDINAL.fullmatch(low):
        return "#th"
    if any(map(str.isdigit, low)):
        return "@"
    if _DAY.fullmatch(low):
        return "D"
    if _MONTH.fullmatch(low) and word[0].isupper():
        return "M"
    return stem(low)


@lru_cache(maxsize=4_000)
def _shaped(text: str) -> tuple[tuple[str, str], ...]:
    """The words of a text with their shapes, words that place a value left out."""
    found = ((match[0].rstrip(".,:"), match[0]) for match in _TOKEN.finditer(text))
    return tuple(
        (_shape(word) if word else mark, (word or mark).lower()) for word, mark in found if word.lower() not in _LIGHT
    )


@lru_cache(maxsize=4_000)
def others_of_shape(value: str, text: str) -> tuple[str, ...]:
    """What stands in a text in the shape of a value and is not the value; nothing for one without number or day."""
    own = _shaped(value)
    wanted = [shape for shape, _ in own]
    if not _PLACES & set(wanted):
        return ()
    told = _shaped(text)
    bare = set(wanted) <= _PLACES
    found: list[str] = []
    for place in range(len(told) - len(wanted) + 1):
        part = told[place : place + len(wanted)]
        if [shape for shape, _ in part] != wanted or part == own:
            continue
        if bare and (_unit(told, place + len(wanted)) or (place and told[place - 1][0] in "$€£")):
            continue
        found.append(" ".join(word for _, word in part))
    return tuple(found)


def _unit(told: tuple[tuple[str, str], ...], place: int) -> bool:
    """Whether what follows a bare number says of what it is one."""
    if place >= len(told) or told[place][0] in _PLACES:
        return False
    word = told[place][1]
    return word in "$€£%" or (word.isalpha() and word not in STOP_WORDS and word not in ("am", "pm"))
