"""Finds values in speech (times, dates, counts, prices, codes, names, …) and keeps them verbatim.

No schema is needed: a value's kind comes from its form, its slot name from its kind, unit or the preposition before it.
A value that the caller takes back in the same breath ("Tuesday, no sorry, Friday") is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from agent.memory.sentences import goes_back_on
from agent.memory.words import latin_apart

MAX_VALUES = 12  # per utterance; a longer list of values is a recital, not a request
MAX_SCANNED = 1_500  # characters of an utterance that are looked at
MAX_LENGTH = 80  # characters of one value; anything longer is not one

_NUMBER = r"(?i:\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|a couple of)"
_HOUR = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\d{1,2})"
_SPOKEN_HOUR = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_MINUTES = r"(?:five|ten|fifteen|twenty|twenty-five|thirty|thirty-five|forty|forty-five|fifty|fifty-five)"
_PART_OF_DAY = r"(?: in the (?:morning|afternoon|evening)| at night)"
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_MONTH = rf"(?:{_MONTHS}|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)"
_DAY = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?"
_KINDS = (
    ("email", r"[\w.+-]+@[\w-]+\.[\w.]+|\b\w+ at \w+ dot \w+\b"),
    ("price", r"[$€£]\s?\d[\d,]*(?:\.\d+)?|\b\d[\d,]*(?:\.\d+)?\s(?:dollars|euros|pounds|gbp|cents)\b"),
    ("phone", r"\+?\b\d{3}[- ]\d{3}[- ]?\d{4}\b|\b0\d{9,11}\b|\b\d{3} \d{4}\b"),
    (
        "address",
        r"\b\d+ (?:[A-Z][\w']+ ){1,4}(?:Street|Road|Avenue|Lane|Parade|Row|Drive|Boulevard|Way|Square)\b(?: #\d+)?",
    ),
    (
        "time",
        rf"\b\d{{1,2}}[:.]\d{{2}}(?!\d)\s?(?:[ap]\.?m\b\.?)?"
        rf"|\b(?:half past|(?:quarter|(?:{_MINUTES}|\d{{1,2}})(?: minutes)?) (?:to|past)) {_HOUR}\b(?! {_MONTH}\b)"
        rf"{_PART_OF_DAY}?"
        rf"|\b{_HOUR}\s?(?:[ap]\.?m\b\.?|o'clock\b){_PART_OF_DAY}?|\b{_HOUR}{_PART_OF_DAY}"
        rf"|\b{_SPOKEN_HOUR} {_MINUTES}\b(?! (?:people|nights|dollars|euros|pounds|hundred|thousand|percent))"
        rf"|\bnoon\b|\bmidday\b|\bmidnight\b",
    ),
    (
        "date",
        rf"\b\d{{4}}-\d\d-\d\d\b|\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?\b|\b(?:the )?\d{{1,2}}(?:st|nd|rd"
        rf"|th)? of (?:{_MONTH}|this month|next month)\b"
        rf"|\b(?:(?:this|next) )?{_DAY}(?: next week)?\b|\b(?:the )?day after tomorrow\b|\b(?:today|tomorrow"
        rf"|tonight)\b|\bthe \d{{1,2}}(?:st|nd|rd|th)\b",
    ),
    ("code", r"\b(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])[A-Z0-9][A-Z0-9-]{3,}\b|\b\d{2,}-\d{3,}\b|\b\d{5,}\b"),
    ("month", rf"\b(?:{_MONTHS})\b(?! (?:I|we|you)\b)"),
    ("count", rf"\b{_NUMBER}\b(?:\s+(?P<unit>of us|[a-z]+))?"),
    (
        "name",
        r"(?:\b[Tt]he )?(?:\b(?:Dr|Mr|Mrs|Ms|St)\. )?\b[A-Z][\w'&-]+(?: (?:of |vs |the |and |& |du |de |la "
        r"|le )?[A-Z][\w'&-]+)*(?: (?:show|concert|night|game|match|hotel|restaurant))?\b",
    ),
)
_FINDERS = tuple(
    (kind, re.compile(pattern, re.IGNORECASE if kind in ("time", "date", "price") else 0)) for kind, pattern in _KINDS
)
_REPAIR = re.compile(
    r"^[\s,.…–-]*(?:(?:or|no|oh|uh|um|er|wait|sorry|actually|rather|i mean|i meant|make that|make it|scratch that"
    r"|well|not|hold on)[\s,.…–-]*){1,4}(?:for|on|at|to|the|from|in)?\s*$",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"\b(from|to|in|until|till|by|near|departing|leaving|arriving|returning|with|at|on|for)\s+(?:the\s+)?$",
    re.IGNORECASE,
)
_ROLE_REACH = 20  # characters before a value that a preposition can stand in
_ROLE_NAMES = {"till": "until", "departing": "from", "leaving": "from", "arriving": "to", "returning": "until"}
_NAME_ROLES = frozenset({"from", "to", "in", "near"})
_TIME_ROLES = frozenset({"until", "by", "to"})
_ASKED_COUNT = re.compile(r"\bhow many (\w+)|\bnumber of (\w+)", re.IGNORECASE)
_SINGULAR_UNITS = {"person": "people", "guests": "people", "persons": "people", "adults": "people"} | {
    unit: f"{unit}s"
    for unit in ("night", "ticket", "room", "day", "seat", "bed", "hour", "minute", "week", "star", "bag")
}
_NOT_UNITS = frozenset({"ones", "this", "does", "was", "thus"})
_NO_UNITS = frozenset({"on", "at", "in", "and", "or", "please", "this", "next", "tonight", "tomorrow", "then"})
_AMOUNT_FOLLOWS = re.compile(
    r"\b(?:make (?:it|that)|change (?:it|that) to|(?:we|it|there)(?:'re|'s|'ll be| are)) $", re.IGNORECASE
)
_COMMON_WORDS = """
i i'm i'd i'll i've ok okay yes yeah no not sure please thanks thank hi hello hey good great perfect sorry
well so what which who when where why how is are was do does did can could would will shall should may it its
it's there here that that's this these those the a an and but or if in on at for from to we you your they he
she my our their let let's about actually also any anything another something some just maybe alright fine
right wait oh um uh then now all both have has had done go going want need book find get tell give check
choose look order invoice ticket reference mostly probably pm am booking confirming confirmed one two three
four five six seven eight nine monday tuesday wednesday thursday friday saturday sunday
"""
_NOT_NAMES = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True, slots=True)
class Value:
    """One value in a text: slot name, kind, the verbatim words and where they start."""

    name: str
    kind: str
    text: str
    start: int


def values_in(text: str, *, asked: str = "") -> list[Value]:
    """The values of an utterance in order of speaking; the question it answers, `asked`, can name a bare number."""
    text = text[:MAX_SCANNED]
    return _unrepaired(text, _found(text, asked))[:MAX_VALUES]


@lru_cache(maxsize=1_000)
def _found(text: str, asked: str) -> tuple[tuple[int, int, Value], ...]:
    text = latin_apart(text)
    taken: list[tuple[int, int]] = []
    found: list[tuple[int, int, Value]] = []
    for kind, finder in _FINDERS:
        for match in islice(finder.finditer(text), 2 * MAX_VALUES):
            start, end = match.span()
            if any(start < b and a < end for a, b in taken):
                continue
            value = _value(kind, match, text, asked)
            if value is not None and len(value.text) <= MAX_LENGTH:
                taken.append((start, end))
                found.append((value.start, value.start + len(value.text), value))
    return tuple(sorted(found, key=lambda entry: entry[0]))


def _value(kind: str, match: re.Match[str], text: str, asked: str) -> Value | None:
    start, words = match.start(), match.group().strip()
    if words.endswith(("m.", "M.")) and not words.lower().endswith(".m."):
        words = words[:-1]
    role_match = _ROLE.search(text[max(0, start - _ROLE_REACH) : start])
    role = role_match.group(1).lower() if role_match else ""
    role = _ROLE_NAMES.get(role, role)
    if kind == "count":
        amount = len(text.split()) <= 6 or _AMOUNT_FOLLOWS.search(text[:start]) is not None
        return _count(match, asked, role, amount)
    if kind == "name":
        return _name(words, start, text, role)
    if kind in ("time", "date") and role in _TIME_ROLES:
        return Value(f"{role} {kind}", kind, words, start)
    return Value(kind, kind, words, start)


def _count(match: re.Match[str], asked: str, role: str, amount: bool) -> Value | None:
    unit = match.group("unit")
    number = match.group() if not unit else match.group()[: -len(unit)].strip()
    if unit == "of us":
        unit = "people"
    name = _SINGULAR_UNITS.get(unit or "", unit or "")
    if len(name) > 3 and (name.endswith("s") or name == "people") and name not in _NOT_UNITS:
        return Value(name, "count", number, match.start())
    question = _ASKED_COUNT.search(asked)
    if question:
        return Value((question.group(1) or question.group(2)).lower(), "count", number, match.start())
    if role == "for" and number.lower() != "one" and (unit or "on") in _NO_UNITS:
        return Value("people", "count", number, match.start())  # "a table for four"
    if number.lower() == "one" or not (amount or number.isdigit()):
        return None  # "the first one", "one of those": a word, not an amount
    return Value("number", "count", number, match.start())


def _name(words: str, start: int, text: str, role: str) -> Value | None:
    parts = words.split(" ")
    while (
        parts
        and parts[0].lower().strip("'.") in _NOT_NAMES
        and not (parts[0] in ("the", "The") and len(parts) > 1 and parts[1].lower() not in _NOT_NAMES)
    ):
        start += len(parts[0]) + 1
        parts = parts[1:]
    opens_sentence = start == 0 or text[:start].rstrip()[-1:] in (".", "?", "!")
    if not parts or (opens_sentence and len(parts) == 1) or parts[0].lower() in _NOT_NAMES - {"the"}:
        return None
    return Value(role if role in _NAME_ROLES else "name", "name", " ".join(parts), start)


def without_repairs(text: str) -> str:
    """A text without the values that were taken back in the same breath, and without the words that did it."""
    text = text[:MAX_SCANNED]
    found = _found(text, "")
    kept = {value.start for value in _unrepaired(text, found)}
    for place in range(len(found) - 2, -1, -1):
        if found[place][0] not in kept:
            text = text[: found[place][0]] + text[found[place + 1][0] :]
    return text


def taken_back_in(text: str) -> tuple[str, ...]:
    """The values that were taken back in the same breath, another one of their kind in their place."""
    text = text[:MAX_SCANNED]
    found = _found(text, "")
    kept = {value.start for value in _unrepaired(text, found)}
    return tuple(
        value.text.rstrip(",")
        for place, (start, end, value) in enumerate(found)
        if start not in kept or (goes_back_on(text[end:]) and _another_for(value, text, end, found[place + 1 :]))
    )


def _another_for(value: Value, text: str, end: int, later: tuple[tuple[int, int, Value], ...]) -> bool:
    """Whether the next value of a kind stands in the place of one, and is not another thing's ("and labour is $40")."""
    start = next((start for start, _, other in later if other.kind == value.kind), None)
    return start is not None and re.search(r"\band\b", text[end:start]) is None


def _unrepaired(text: str, found: tuple[tuple[int, int, Value], ...]) -> list[Value]:
    kept: list[Value] = []
    for place, (_, end, value) in enumerate(found):
        later = next((entry for entry in found[place + 1 :] if entry[2].kind == value.kind), None)
        if later is not None and _REPAIR.match(text[end : later[0]]):
            continue
        kept.append(value)
    return kept
