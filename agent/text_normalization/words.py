"""Reads one written word aloud: abbreviations by context and symbols here, numbers and addresses in their own modules.

The rules are those of English (American); the words of other languages are read by `other_languages`.
Whatever comes in, what is said holds letters, digits, spaces and the marks `. , ! ? ; : ' -` only
(and the marks that Chinese, Hindi and Arabic use in their place).
All functions are pure; one word is at most `WORD_LIMIT` characters, so that every reading takes microseconds.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from agent.text_normalization.language import ENGLISH, SYMBOLS, SpokenLanguage, currency_code
from agent.text_normalization.links import is_link, read_link
from agent.text_normalization.lookahead import WAIT, Ahead, ReadAhead
from agent.text_normalization.money import CURRENCY_STARTS, SCALES, read_currency
from agent.text_normalization.numbers import MONTHS, per, read_number, unit
from agent.text_normalization.other_languages import read_other
from agent.text_normalization.signs import number_sign, scale

SENTENCE_MARKS: Final = ".!?…。！？।؟"
PAUSE_MARKS: Final = ",;:，、；：،"

_TITLES: Final = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Prof": "Professor", "Capt": "Captain", "Sgt": "Sergeant",
    "Lt": "Lieutenant", "Gen": "General", "Sen": "Senator", "Rev": "Reverend", "Hon": "Honorable", "Mt": "Mount",
}  # fmt: skip
"""Stand before a name and never end a sentence."""
_PLACES: Final = {"St": ("Saint", "Street"), "Dr": ("Doctor", "Drive")}
"""Before a name the first, after a name the second."""
_INSIDE: Final = {
    "vs": "versus", "approx": "approximately", "e.g": "for example", "i.e": "that is", "cf": "compare", "ca": "about",
    "incl": "including", "w/": "with", "w/o": "without", "n/a": "not applicable", "and/or": "and or",
}  # fmt: skip
"""Never end a sentence."""
_ENDINGS: Final = {
    "etc": "et cetera", "Jr": "Junior", "Sr": "Senior", "Inc": "Incorporated", "Ltd": "Limited", "Corp": "Corporation",
    "Co": "Company", "Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Ln": "Lane", "Hwy": "Highway", "Sq": "Square",
    "Pkwy": "Parkway", "Apt": "Apartment", "Ste": "Suite", "Dept": "Department", "dept": "department", "Ph.D": "P H D",
    "appt": "appointment", "est": "estimated", "max": "maximum", "min": "minimum", "tel": "telephone",
    "Bldg": "Building",
}  # fmt: skip
"""With a period: a sentence may end there, which the next word decides."""
_BEFORE_NUMBER: Final = {
    "No": "number", "no": "number", "Nos": "numbers", "Vol": "volume", "vol": "volume", "Fig": "figure",
    "fig": "figure", "p": "page", "pp": "pages", "Ext": "extension", "ext": "extension", "Ch": "chapter",
    "ch": "chapter", "Rm": "room", "rm": "room",
}  # fmt: skip
"""With a period, and only before a number."""
_MONTH_SHORT: Final = {**{month[:3]: month for month in MONTHS if month != "May"}, "Sept": "September"}
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY_SHORT: Final = {**{day[:3]: day for day in _DAYS}, "Tues": "Tuesday", "Thur": "Thursday", "Thurs": "Thursday"}
_CALENDAR: Final = {**_MONTH_SHORT, **_DAY_SHORT, **{name: name for name in (*MONTHS, *_DAYS)}}
_ZONES: Final = frozenset("Eastern Central Mountain Pacific EST EDT CST CDT MST MDT PST PDT UTC GMT".split())
_AFTER_TIME: Final = frozenset({*_CALENDAR, *_ZONES})
_STARTER_WORDS: Final = (
    "a an and are at but can could did do does for have he here how i i'd i'll i'm i've if in is it it's let let's "
    "may my no not now of on or our please she shall should so that that's the their then there they this to we "
    "we'd we'll we're we've what when where which who why will with would yes you you'd you'll you're you've your"
)
_STARTERS: Final = frozenset(_STARTER_WORDS.split())
_SPECIAL: Final = {"C++": "C plus plus", "C#": "C sharp", "F#": "F sharp", "R&D": "R and D", "Q&A": "Q and A"}
_SYMBOLS: Final = {
    "&": " and ", "+": " plus ", "=": " equals ", "%": " percent ", "@": " at ", "×": " times ", "÷": " divided by ",
    "≥": " at least ", "≤": " at most ", "→": " to ", "±": " plus or minus ", "≈": " about ", "°": " degrees ",
}  # fmt: skip
_ALONE: Final = {
    "<": "less than",
    ">": "more than",
    "/": ",",
    "-": ",",
    "--": ",",
    "–": ",",
    "*": "",
    "+": "plus",
    "#": "",
}

_DOTTED: Final = re.compile(r"[A-Za-z](?:\.[A-Za-z])+")
_MARKUP: Final = re.compile(r"</?[A-Za-z][A-Za-z0-9]{0,9}/?>|\*\*|__|~~|(?<![A-Za-z0-9])[*_]+|[*_]+(?![A-Za-z0-9])")
_HALF_OF_DAY: Final = re.compile(r"([AaPp])\.?[Mm]")
_HALF_OF_DAY_TO: Final = re.compile(r"([AaPp])\.?[Mm]\.?[-–]([0-9]{1,2})")
_ODD: Final = re.compile(r"[^A-Za-z0-9' .,!?;:-]")
_LOOSE_HYPHEN: Final = re.compile(r"(?<![^\W_])-+|-+(?![^\W_])|(?<![^\W_])'+(?![^\W_])")
_DECIMAL_POINT: Final = re.compile(r"(?<=[0-9])\.(?=[0-9])")
_OPENING: Final = "\"'([{«"
_CLOSING: Final = "\"')]}»" + SENTENCE_MARKS + PAUSE_MARKS


def read_word(chunk: str, context: ReadAhead, ahead: Ahead) -> str:
    """Reads a run of characters without spaces: "" is what is not read, WAIT what depends on the text that follows."""
    if chunk in _ALONE:
        return _alone(chunk, context, ahead)
    chunk = _MARKUP.sub("", chunk)
    if chunk.startswith("<") and chunk.rstrip(_CLOSING).endswith(">"):  # "<https://example.com>"
        chunk = chunk[1:].replace(">", "", 1)
    opened = chunk.lstrip(_OPENING)
    core = opened.rstrip(_CLOSING)
    if core.endswith("/") and core != "w/" and not is_link(core):
        core = core.rstrip("/")
    tail = opened[len(core) :]
    lead = ", " if "(" in chunk[: len(chunk) - len(opened)] and ")" not in chunk[:1] else ""
    if "(" in core and tail.startswith(")"):  # "room(s)"
        core, tail = core.replace("(", ""), tail[1:]
    said = _read_core(core, tail, context, ahead) if core else mark(tail)
    if WAIT in said:
        return WAIT
    return lead + said if said else lead.strip() if context.passed else ""


def mark(tail: str) -> str:
    """The one mark that is spoken of the punctuation after a word: the strongest of it, "" for quotes alone.

    A ")" alone comes back as such: it is a pause where the sentence goes on, and nothing where it ends.
    """
    if "..." in tail or "…" in tail:
        return "..."
    for strong in "?!.":
        if strong in tail:
            return strong
    for char in tail:
        if char in SENTENCE_MARKS or char in PAUSE_MARKS:
            return char
    return ")" if ")" in tail else ""


def clean(text: str, language: SpokenLanguage = ENGLISH) -> str:
    """Only what a voice can read: letters, digits, spaces and plain punctuation; known symbols become words."""
    if _ODD.search(text):
        text = "".join(_readable(char, language) for char in text)
    return " ".join(_LOOSE_HYPHEN.sub(" ", text).split())


def _readable(char: str, language: SpokenLanguage) -> str:
    if char.isalnum() or char in "' .,!?;:-":
        return char
    category = unicodedata.category(char)
    if category[0] == "M":  # accents and vowel signs belong to their letter
        return char
    if char == "&":
        return f" {language.both} "
    if char in SYMBOLS:
        return f" {language.currency(char)} "
    if not language.english:
        return " "
    return _SYMBOLS.get(char, "" if category == "Cf" else " ")


def _alone(chunk: str, context: ReadAhead, ahead: Ahead) -> str:
    """A symbol between spaces: "10 - 20" is a range, "5 * 3" a product, "# 200" a number, other dashes are pauses."""
    if context.after_number and chunk in (("-", "–", "*") if context.language.english else ("-", "–")):
        following = ahead.char()
        if following is None:
            return WAIT
        word = ahead.word() if following in CURRENCY_STARTS else ""
        if word is None:
            return WAIT
        if following.isdecimal() or currency_code(following) or currency_code(word):
            return "times" if chunk == "*" else context.language.to
    if chunk == "#":
        following = ahead.char()
        if following is None:
            return WAIT
        return "number" if following.isdecimal() and context.language.english else ""
    said = _ALONE.get(chunk, "")
    return said if context.language.english or not said.isascii() or not said[:1].isalpha() else ""


def _read_core(core: str, tail: str, context: ReadAhead, ahead: Ahead) -> str:
    """One word without the quotes and brackets around it, with its punctuation as far as that is spoken."""
    if (money := _money_word(core, tail, context, ahead)) is not None:
        if money == "" and context.currency:  # the point of "Rs. 500" ends no sentence
            return ""
        return money if money == WAIT else clean(money).rstrip(mark(tail) or " ") + mark(tail)
    if not context.language.english:
        said, tail = read_other(core, tail, context, ahead)
        return said if said == WAIT else clean(said, context.language) + mark(tail)
    said, tail = _expand(core, tail, context, ahead)
    if not said:
        said = _read_plain(core, tail, context, ahead)
    if said == WAIT:
        return WAIT
    if context.owed_unit and core.lower() in SCALES:
        said, context.owed_unit = f"{said} {context.owed_unit}", ""
    return clean(said) + mark(tail)


def _money_word(core: str, tail: str, context: ReadAhead, ahead: Ahead) -> str | None:
    """What is left to say of a currency or a group of digits beside its number: mostly nothing. None: another word."""
    bare, slash, period = core.partition("/")
    word = re.split("[–-]", core, maxsplit=1)
    if len(word) > 1 and word[1] and context.taken[:1] == word[:1]:  # the middle of "20 €–30 €"
        taken = context.taken
        rest = _read_core(word[1], tail, context, ahead)
        if rest == WAIT:
            context.taken = taken
        return rest if rest == WAIT else f"{context.language.to} {rest}"
    if context.take(bare):
        return per(period, context.language) if slash else ""
    return read_currency(core, tail, context, ahead)


def _read_plain(core: str, tail: str, context: ReadAhead, ahead: Ahead) -> str:
    """Links, numbers, units after a number, joined words and everything else."""
    if core.isalpha() and core.isascii():
        return _unit_after_number(core, context) or core
    if core in _SPECIAL:
        return _SPECIAL[core]
    if (link := read_link(core)) is not None:
        return link
    if (since := _HALF_OF_DAY_TO.fullmatch(core)) is not None:  # the middle of "9 a.m.–5 p.m."
        return f"{since[1].upper()} M to {since[2]}"
    if any(char in "0123456789½⅓⅔¼¾" for char in core):
        said = read_number(core, context, ahead, closed=bool(tail))
        if said is not None:
            return said
    if (measured := _unit_after_number(core, context)) is not None:
        return measured
    first, slash, second = core.partition("/")
    if slash and first.isalpha() and second.isalpha():
        return f"{first} {second}" if first.isupper() else f"{first} or {second}"
    first, dash, second = core.replace("–", "-").partition("-")
    if dash and first.rstrip(".") in _CALENDAR and second in _CALENDAR:
        return f"{_CALENDAR[first.rstrip('.')]} to {_CALENDAR[second]}"
    if "–" in core:
        return core.replace("–", " to ")
    core = _DECIMAL_POINT.sub(" point ", core)  # "√0.5": the point is no end of a sentence
    name, dot, rest = core.rpartition(".")
    return f"{name}{' dot ' if rest[:1].islower() else '. '}{rest}" if dot and name else core


def _unit_after_number(core: str, context: ReadAhead) -> str | None:
    """A unit that stands alone after its number; "k" and "x" are units only where they touch it ("2x")."""
    if context.before == "sq":  # "650 sq ft"
        return unit(core, context.earlier)
    return unit(core, context.before) if context.after_number and core not in ("k", "p", "x") else None


def _expand(core: str, tail: str, context: ReadAhead, ahead: Ahead) -> tuple[str, str]:
    """Abbreviations: what is said and the punctuation that is left, ("", tail) for a word that is none."""
    dotted = tail.startswith(".") and not tail.startswith("..")
    if (scaled := scale(core, tail, context)) is not None:
        return scaled
    if (numbered := number_sign(core, context.language)) is not None:
        return numbered, tail
    if (half := _HALF_OF_DAY.fullmatch(core)) is not None and ("." in core or context.after_number):
        stop = _stops(ahead, tail, None) if dotted and "." in core else tail
        return (WAIT, tail) if stop is None else (f"{half[1].upper()} M", stop)
    if core in _PLACES and (dotted or not tail):
        return _read_place(core, tail, context, ahead)
    if core in _TITLES:
        return _TITLES[core], tail[1:] if dotted else tail
    if core.lower() in _INSIDE:
        return _INSIDE[core.lower()], tail[1:] if dotted else tail
    if core in _CALENDAR and core not in (*MONTHS, *_DAYS):
        return _read_calendar(core, tail, dotted, context, ahead)
    if core in ("etc", "Ph.D") or (dotted and core in _ENDINGS) or (dotted and _unit_after_number(core, context)):
        stop = _stops(ahead, tail, None if core == "etc" or context.after_number else _STARTERS) if dotted else tail
        return (WAIT, tail) if stop is None else (_unit_after_number(core, context) or _ENDINGS[core], stop)
    if dotted and core in _BEFORE_NUMBER:
        following = ahead.char() if tail == "." else ""
        if following is None:
            return WAIT, tail
        return (_BEFORE_NUMBER[core], "") if following.isdecimal() else (core, tail)
    if _DOTTED.fullmatch(core):
        stop = _stops(ahead, tail, _STARTERS) if dotted else tail
        return (WAIT, tail) if stop is None else (core.upper().replace(".", " "), stop)
    if (
        dotted
        and len(core) == 1
        and core.isupper()
        and core != "I"
        and (not context.before or context.before.istitle())
    ):
        stop = _stops(ahead, tail, _STARTERS)  # an initial, as in "J. Smith"
        return (WAIT, tail) if stop is None else (core, stop)
    return "", tail


def _stops(ahead: Ahead, tail: str, starters: frozenset[str] | None) -> str | None:
    """The punctuation after an abbreviation's own period: a further period where the sentence ends there.

    With `starters` only one of those words begins a new sentence; without, every capitalised word does that is not part
    of a date or a time. None while the next word is not known.
    """
    if len(tail) > 1 and mark(tail[1:]):
        return tail[1:]
    word = ahead.word()
    if word is None:
        return None
    if not word:
        return "."
    if not word[0].isupper():
        return ""
    bare = word.rstrip(".,!?;:")
    return "." if (bare.lower() in starters if starters is not None else bare not in _AFTER_TIME) else ""


def _read_place(core: str, tail: str, context: ReadAhead, ahead: Ahead) -> tuple[str, str]:
    """St. and Dr.: Saint and Doctor before a name, Street and Drive after one ("5 Main St.", "Elm Dr. is closed")."""
    before, after = _PLACES[core]
    named = context.before[:1].isupper() or context.before[:1].isdecimal()
    named = named and context.before.lower() not in _STARTERS and context.before not in _CALENDAR
    word = ahead.word() if tail in ("", ".") else ""
    if word is None:
        return WAIT, tail
    follows_name = word[:1].isupper() and word.rstrip(".,!?;:").lower() not in _STARTERS
    numbered = context.earlier[:1].isdecimal() or context.before[:1].isdecimal()
    inside = core == "St" and context.earlier != "" and word[:1].isupper()
    if named and (not follows_name or numbered or inside):
        stop = _stops(ahead, tail, _STARTERS) if tail.startswith(".") else tail
        return after, stop or ""
    if follows_name or not named:
        return (before, tail[1:] if tail.startswith(".") else tail) if word else ("", tail)
    return "", tail


def _read_calendar(core: str, tail: str, dotted: bool, context: ReadAhead, ahead: Ahead) -> tuple[str, str]:
    """Jan., Mon.: in full with a period, or before a number; "Sun" and "Mar" alone stay as they are."""
    if dotted and context.before.lower() != "the":
        stop = _stops(ahead, tail, _STARTERS)
        return (WAIT, tail) if stop is None else (_CALENDAR[core], stop)
    day = context.before if context.after_number and context.before.isdecimal() else "0"
    if core in _MONTH_SHORT and 0 < int(day) < 32:  # "5 Jan"
        return _CALENDAR[core], tail
    if tail or core not in _MONTH_SHORT:
        return "", tail
    following = ahead.char()
    if following is None:
        return WAIT, tail
    return (_CALENDAR[core], tail) if following.isdecimal() else ("", tail)
