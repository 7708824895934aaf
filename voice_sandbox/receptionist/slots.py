"""Values of a room booking in spoken English: where, which day, what time, how long, how many people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, get_args

Slot = Literal["location", "day", "time", "duration", "people"]
SLOTS: Final[tuple[Slot, ...]] = get_args(Slot)

_ONES: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NUMBERS: Final[dict[str, int]] = {word: value for value, word in enumerate(_ONES)} | {
    word: 20 + 10 * i for i, word in enumerate(_TENS)
}
_NUMBER: Final = rf"(?:\d{{1,2}}|{'|'.join(NUMBERS)})"
_DAY: Final = re.compile(
    r"\b(today|tonight|tomorrow|the day after tomorrow|(?:next |this |on )?"
    r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday))\b"
)
_HALF_DAY: Final = r"(a ?m|p ?m|in the morning|in the afternoon|in the evening)"
_CLOCK: Final = re.compile(
    rf"\b({_NUMBER})(?:[: ](\d\d|oh five|(?:twenty|thirty|forty|fifty)(?: five)?|ten|fifteen))?\s*{_HALF_DAY}\b"
)
_COLON: Final = re.compile(r"\b(\d{1,2}):(\d\d)\b")
_O_CLOCK: Final = re.compile(
    rf"\b(?:at )?({_NUMBER}) (?:o clock|oclock)\b|\bat ({_NUMBER})( fifteen| thirty| forty five)?\b"
)
_NOON: Final = re.compile(r"\b(noon|midnight)\b")
_DURATION: Final = re.compile(
    rf"\b(half an hour|an hour and a half|an hour|(?:{_NUMBER}) (?:and a half )?(?:hours?|minutes?))\b"
)
_PEOPLE: Final = re.compile(rf"\b({_NUMBER}) (?:people|persons?|guests?|of us)\b|\bfor ({_NUMBER})$|\b(just me)\b")
_BARE: Final = re.compile(rf"({_NUMBER})")


def plain(text: str) -> str:
    """The words alone: lower case, no punctuation but the colon of a clock time, single spaces."""
    text = text.lower().replace("’", "'").replace("'", "").replace("p.m.", "pm").replace("a.m.", "am")
    text = re.sub(r"(?<!\d):|:(?!\d)|[^\w\s:$]", " ", text)
    return " ".join(text.split())


def number(word: str) -> int:
    """The value of a numeral of one or two digits, or of a word such as seven. Raises ValueError for anything else."""
    if word in NUMBERS:
        return NUMBERS[word]
    return int(word)


def find_values(words: str, locations: Sequence[str]) -> dict[Slot, str]:
    """Every slot value in the words (as `plain` gives them), written as the receptionist says it."""
    found: dict[Slot, str] = {}
    for place in locations:
        if re.search(rf"\b{re.escape(place)}\b", words):
            found["location"] = place.title()
    if day := _DAY.search(words):
        found["day"] = day[1].removeprefix("on ").title() if "day" in day[1][-3:] and "to" not in day[1] else day[1]
    if duration := _DURATION.search(words):
        found["duration"] = duration[1]
        words = words.replace(duration[1], " ")
    if people := _PEOPLE.search(words):
        count = 1 if people[3] else number(people[1] or people[2])
        found["people"] = people_phrase(count)
        words = words.replace(people[0], " ")
    if time := _time(words):
        found["time"] = time
    return {slot: found[slot] for slot in SLOTS if slot in found}


def _time(words: str) -> str | None:
    if noon := _NOON.search(words):
        return noon[1]
    if clock := _CLOCK.search(words):
        minutes = _minutes(clock[2])
        morning = clock[3].startswith("a") or "morning" in clock[3]
        return _clock_phrase(number(clock[1]), minutes, "AM" if morning else "PM")
    if colon := _COLON.search(words):
        return _clock_phrase(int(colon[1]), int(colon[2]), None)
    if oclock := _O_CLOCK.search(words):
        return _clock_phrase(number(oclock[1] or oclock[2]), _minutes(oclock[3]), None)
    return None


def _minutes(words: str | None) -> int:
    if not words:
        return 0
    if words.isdigit():
        return int(words)
    return sum(NUMBERS.get(word, 0) for word in words.split())


def _clock_phrase(hour: int, minutes: int, half: str | None) -> str:
    """2:30 PM. Without a half of the day, hours from 8 to 11 are in the morning: the house opens at eight."""
    if half is None:
        half = "AM" if 8 <= hour <= 11 else "PM"
    hour = hour - 12 if hour > 12 else hour
    return f"{hour} {half}" if minutes == 0 else f"{hour}:{minutes:02d} {half}"


def people_phrase(count: int) -> str:
    """two people, one person, 35 people."""
    word = _ONES[count] if count < len(_ONES) else str(count)
    return f"{word} person" if count == 1 else f"{word} people"


def as_slot(words: str, slot: Slot, locations: Sequence[str]) -> str | None:
    """The value for the slot that was asked for, where a bare number will do: `seven` is 7 PM or seven people."""
    found = find_values(words, locations).get(slot)
    if found is not None:
        return found
    bare = _BARE.fullmatch(words.removeprefix("at ").removeprefix("for ").removesuffix(" please"))
    if bare is None:
        return None
    count = number(bare[1])
    if slot == "people" and count > 0:
        return people_phrase(count)
    if slot == "time" and 1 <= count <= 24:
        return _clock_phrase(count, 0, None)
    if slot == "duration" and count > 0:
        return f"{bare[1]} hours" if count > 1 else "one hour"
    return None
