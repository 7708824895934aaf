"""Reads written numbers aloud, in American English: amounts, times, dates, ranges, ordinals, phone numbers, units.

Whole numbers keep their digits ("12 dollars"), since every voice reads those well; what voices get wrong (decimals,
currency signs, colons, dashes, long runs of digits) is written out. All functions are pure and take one short word.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from agent.text_normalization.language import ENGLISH, SpokenLanguage
from agent.text_normalization.lookahead import WAIT, Ahead, ReadAhead
from agent.text_normalization.money import (
    MONEY,
    SCALE_LETTERS,
    SCALES,
    grouped,
    money,
    plain_number,
    with_currency,
    without_apostrophes,
)

_NUM: Final = r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+"
_NUMBER: Final = re.compile(rf"([-+]?)({_NUM})")
_TIME: Final = re.compile(r"([0-9]{1,2})(?:[:.h]([0-5][0-9]))?(?::[0-5][0-9])?h?([ap]\.?m\.?|[AP]\.?M\.?)?")
_DOTTED_TIME: Final = re.compile(r"[0-9]{1,2}\.[0-5][0-9]")
_ORDINAL: Final = re.compile(r"([0-9][0-9,]*)(?:st|nd|rd|th|ST|ND|RD|TH)")
_ATTACHED: Final = re.compile(rf"([-+]?)({_NUM})-?([%‰°¢µA-Za-z²³/]+[23]?)")
_ISO_DATE: Final = re.compile(r"([12][0-9]{3})([-/])([0-9]{2})\2([0-9]{2})")
_DOTTED_DATE: Final = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([12][0-9]{3})")
_SLASH_DATE: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})(?:/([0-9]{4}|[0-9]{2}))?")
_VERSION: Final = re.compile(r"v?[0-9]+(?:\.[0-9]+){2,3}|v[0-9]+(?:\.[0-9]+)?")
_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([xX×*])([0-9]+(?:\.[0-9]+)?)")
_CODE: Final = re.compile(r"(?![A-Z]{3,}[0-9]{1,2}$)(?=[A-Z]*[0-9])(?=[0-9]*[A-Z])[A-Z0-9]{5,24}")  # not "HTML5"
_DECADE: Final = re.compile(r"(?:[0-9]{2})?[0-9]0s")
_PREFIXED: Final = re.compile(r"([#~≈<>≤≥±])(.+)")

PHONE_RUN: Final = re.compile(r"[+(]?[0-9][0-9() .\-]{0,23}")
"""The text at the start of which a phone number may stand."""
PHONE_RUN_LIMIT: Final = 25
"""Characters: what `PHONE_RUN` matches at most."""
_PHONE: Final = re.compile(
    r"(?:\+?1[ .-]?)?(?:\([0-9]{3}\) ?|[0-9]{3}[ .-])[0-9]{3}[ .-][0-9]{4}"  # North America
    r"|(?:[0-9]{4}[ -]){3}[0-9]{4}"  # a card number
    r"|\+[0-9]{1,3}(?:[ .-]?\(?[0-9]{2,4}\)?){2,5}"  # international
    r"|\(0[0-9]{1,4}\) ?[0-9]{3,8}(?:[ -][0-9]{2,6}){0,2}"  # Europe, the area in brackets
    r"|0[0-9]{2,4} [0-9]{3,4} [0-9]{3,4}|0[0-9]{4} [0-9]{6}"  # Europe
    r"|[0-9]{3}-[0-9]{4}"
)

MONTHS: Final = tuple(ENGLISH.month(number) for number in range(1, 13))
_MONTH_NAMES: Final = {*MONTHS, *(month[:3] for month in MONTHS), "Sept"}
_GROUPS: Final = ("", " thousand", " million", " billion", " trillion")
_FRACTIONS: Final = {
    "1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters",
    "½": "one half", "⅓": "one third", "⅔": "two thirds", "¼": "one quarter", "¾": "three quarters", "24/7": "24 7",
}  # fmt: skip
_PREFIXES: Final = {
    "#": "number", "~": "about", "≈": "about", "<": "less than", ">": "more than", "≤": "at most", "≥": "at least",
    "±": "plus or minus",
}  # fmt: skip
_SPELLED_AFTER: Final = frozenset(
    {"number", "code", "pin", "zip", "confirmation", "reference", "account", "extension", "order", "booking", "ext"}
)
_OWN_UNITS: Final = {
    "¢": ("cent", "cents"), "p": ("penny", "pence"), "sq": ("square",) * 2, "k": ("thousand",) * 2, "x": ("times",) * 2,
}  # fmt: skip
"""What is no unit of CLDR's."""


def spaced(digits: str) -> str:
    """The characters one by one: "204" is "2 0 4"."""
    return " ".join(digits)


def cardinal(text: str) -> str:
    """A plain number, with or without thousands separators and decimals: "1,234.5" is "1234 point 5"."""
    whole, _, fraction = text.replace(",", "").partition(".")
    if (len(whole) > 1 and whole[0] == "0") or len(whole) > 15 or (len(whole) >= 7 and "," not in text):
        said = _identifier(whole)
    elif len(whole) >= 7:
        groups = [int(group) for group in text.partition(".")[0].split(",")]
        named = zip(groups, _GROUPS[len(groups) - 1 :: -1], strict=True)
        said = " ".join(f"{group}{name}" for group, name in named if group)
    else:
        said = whole
    if not fraction:
        return said
    return f"{said or '0'} point {spaced(fraction)}"


def _identifier(digits: str) -> str:
    """Digit by digit, long ones with a pause after every three: "0123456789" is "0 1 2, 3 4 5, 6 7 8 9"."""
    if len(digits) < 7:
        return spaced(digits)
    ends = [*range(3, len(digits) - 1, 3), len(digits)]
    return ", ".join(spaced(digits[start:end]) for start, end in pairwise([0, *ends]))


def ordinal(number: int) -> str:
    """The ordinal in words up to 99 ("twenty-first"), with digits above ("101st")."""
    return ENGLISH.ordinal(number)


def phone_length(run: str) -> int:
    """How many characters at the start of `run` are a phone or card number; 0 where there is none."""
    found = _PHONE.match(run)
    if found is None or run[found.end() : found.end() + 1] in (*"0123456789-",):
        return 0
    return found.end() if 7 <= sum(char.isdecimal() for char in found[0]) <= 16 else 0


def phone(text: str) -> str:
    """Digit by digit, with a pause between the groups: "555-1234" is "5 5 5, 1 2 3 4"."""
    said = ", ".join(spaced(group) for group in re.findall(r"[0-9]+", text))
    return f"plus {said}" if text.startswith("+") else said


def clock(hours: int, minutes: str, half: str) -> str:
    """A time of day: (2, "30", "p.m.") is "2 30 P M"; hours from 13 become afternoon hours."""
    if not half and (hours > 12 or hours == 0):
        hours, half = (hours - 12, "p") if 12 < hours < 24 else (12, "a")
    suffix = f" {half[0].upper()} M" if half else ""
    if minutes == "00":
        return f"{hours}{suffix}" if suffix else f"{hours} o'clock"
    return f"{hours} {'oh ' + minutes[1] if minutes[0] == '0' else minutes}{suffix}"


def date(year: str, month: int, day: int) -> str | None:
    """A calendar date: ("2026", 12, 24) is "December twenty-fourth, 2026"; None where there is no such month or day."""
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    full = f"20{year}" if len(year) == 2 else year
    return f"{MONTHS[month - 1]} {ordinal(day)}{', ' + full if full else ''}"


def unit(name: str, amount: str) -> str | None:
    """The unit in words, in the number that fits: ("km", "1") is "kilometer"; None for a word that is no unit."""
    forms = _OWN_UNITS.get(name) if name != "p" or len(amount) < 3 else None  # "1080p" is no money
    return forms[0 if amount == "1" else 1] if forms else ENGLISH.unit(name, one=amount == "1")


def read_number(core: str, context: ReadAhead, ahead: Ahead, closed: bool) -> str | None:
    """Reads one word that holds digits; `closed`: punctuation follows, so that the next word does not belong to it.

    Returns None for what is not a number, and WAIT while the reading depends on the next word.
    """
    core = with_currency(core, context, ahead, closed)
    if core == WAIT:
        return WAIT
    if core in _FRACTIONS:
        return f"and {_FRACTIONS[core].replace('one half', 'a half')}" if context.after_number else _FRACTIONS[core]
    if (prefixed := _PREFIXED.fullmatch(core)) is not None:
        after_prefix = ReadAhead(_PREFIXES[prefixed[1]])
        inner = read_number(prefixed[2], after_prefix, ahead, closed)
        context.taken, context.owed_unit = after_prefix.taken, after_prefix.owed_unit
        return inner if inner is None or inner == WAIT else f"{_PREFIXES[prefixed[1]]} {inner}"
    if not closed and (waiting := _depends_on_next(core, context, ahead)) is not None:
        return waiting
    if (number := _NUMBER.fullmatch(_decimal_point(core))) is not None:
        return _plain(number[1], number[2], context)
    return _simple(core) or _compound(core, context)


def _depends_on_next(core: str, context: ReadAhead, ahead: Ahead) -> str | None:
    """The readings that need the next word: "$5" (million?) and "2:00" (p.m.?); None where none applies."""
    amount = MONEY.fullmatch(core)
    whole_hour = core.endswith((":00", ".00")) and _TIME.fullmatch(core) is not None
    dotted = _DOTTED_TIME.fullmatch(core) is not None
    if (amount is None or amount[5]) and not whole_hour and not dotted:
        return None
    first = ahead.char()
    if first is None:
        return WAIT
    if first not in (tuple("mbthMBTH") if amount is not None else tuple("apAP")):
        return None
    word = ahead.word()
    if word is None:
        return WAIT
    word = word.lower().rstrip(".,!?;:")
    if amount is not None and word in SCALES:
        context.owed_unit = ENGLISH.currency(amount[2])
        return {"-": "minus ", "+": "plus "}.get(amount[1] or amount[3], "") + cardinal(_decimal_point(amount[4]))
    if word in ("am", "pm", "a.m", "p.m"):
        hours, minutes = re.split("[:.]", core)
        return hours.lstrip("0") or "12" if whole_hour else clock(int(hours), minutes, "a")[:-4]
    return None


def _plain(sign: str, text: str, context: ReadAhead) -> str:
    if sign:
        return f"{'minus' if sign == '-' else 'plus'} {cardinal(text)}"
    if text.isdecimal() and context.before in _MONTH_NAMES and 1 <= int(text[:4]) <= 31 and len(text) <= 2:
        return ordinal(int(text))
    if text.isdecimal() and len(text) >= 4 and context.before.lower() in _SPELLED_AFTER:
        return spaced(text)
    return cardinal(text)


def _simple(core: str) -> str | None:
    """One quantity without a dash or a slash inside; None for anything else."""
    if (number := _NUMBER.fullmatch(_decimal_point(core))) is not None:
        sign = {"-": "minus ", "+": "plus "}.get(number[1], "")
        return f"{sign}{cardinal(number[2])}"
    if (time := _TIME.fullmatch(core)) is not None and int(time[1]) <= 24 and (time[2] or time[3]):
        return clock(int(time[1]), time[2] or "00", time[3] or "")
    if (amount := MONEY.fullmatch(core)) is not None:
        return _read_money(*amount.groups(""))
    if (place := _ORDINAL.fullmatch(core)) is not None and len(place[1]) < 7:
        return ordinal(int(place[1].replace(",", "")))
    if _DECADE.fullmatch(core):
        return core
    attached = _ATTACHED.fullmatch(_decimal_point(core))
    if attached is not None and (name := unit(attached[3], attached[2])) and attached[3] not in ("mo", "yr", "wk", "d"):
        sign = {"-": "minus ", "+": "plus "}.get(attached[1], "")
        return f"{sign}{cardinal(attached[2])} {name}"
    return None


def _read_money(sign: str, currency: str, inner_sign: str, number: str, scale: str) -> str:
    # "€1.250" is written where thousands have a point; prices of fuel have three decimals, and end with 9
    plain = plain_number(number, comma=False, money=currency == "€" and not number.endswith("9"))
    minus = {"-": "minus ", "+": "plus "}.get(sign or inner_sign, "")
    if scale:
        return f"{minus}{_amount(plain)} {SCALE_LETTERS[scale]} {ENGLISH.currency(currency)}"
    return minus + money(ENGLISH, currency, plain, _amount)


def _amount(plain: str) -> str:
    """A quantity, so that no long one is taken for a code."""
    return cardinal(grouped(plain))


def _decimal_point(core: str) -> str:
    """ "25,5 %" and "12,50" with a point; thousands keep their commas."""
    return re.sub(r"^([-+]?[0-9]+),([0-9]{1,2})(?![0-9,])", r"\1.\2", without_apostrophes(core))


def per(period: str, language: SpokenLanguage = ENGLISH) -> str:
    """What a price is for: "mo" is "per month", "night" is "per night"."""
    return f"{language.per} {language.unit(period, one=True) or period}"


def _compound(core: str, context: ReadAhead) -> str | None:
    """Dates, ranges, sizes, versions, digit groups, prices per unit and codes; None for anything else."""
    if (iso := _ISO_DATE.fullmatch(core)) is not None and (said := date(iso[1], int(iso[3]), int(iso[4]))):
        return said
    dotted = _DOTTED_DATE.fullmatch(core)
    if dotted is not None and (said := date(dotted[3], int(dotted[2]), int(dotted[1]))):
        return said
    if (slashed := _SLASH_DATE.fullmatch(core)) is not None and (said := _slash_date(*slashed.groups(""))):
        return said
    if _VERSION.fullmatch(core):
        separator = " dot " if core.count(".") == 3 else " point "
        return ("version " if core[0] == "v" else "") + separator.join(core.lstrip("v").split("."))
    if (size := _SIZE.fullmatch(core)) is not None:
        return f"{cardinal(size[1])} {'times' if size[2] == '*' else 'by'} {cardinal(size[3])}"
    if _CODE.fullmatch(core):
        return spaced(core)
    if core.endswith("+") and (said := _simple(core[:-1])):
        return f"{said} plus"
    left, slash, right = core.partition("/")
    if slash and right.isalpha() and (said := _simple(left) or _dashed(left.replace("–", "-"), context)):
        return f"{said} {per(right)}"
    if "-" in core or "–" in core:
        return _dashed(core.replace("–", "-"), context)
    if slash and (said := _simple(left)):
        joined = "or" if _ORDINAL.fullmatch(right) or MONEY.fullmatch(right) else "out of"
        return f"{said} {joined} {_simple(right) or right}"
    return None


def _slash_date(first: str, second: str, year: str) -> str | None:
    """Month first, as in the United States; day first where only that is possible. A bare "3/5" is no date."""
    month, day = int(first), int(second)
    if not year and day <= 12:
        return None
    return date(year, month, day) or (date(year, day, month) if year else None)


def _dashed(core: str, context: ReadAhead) -> str | None:
    """Ranges ("10-20%", "$10-20", "9am-5pm"), short phone numbers and groups of digits."""
    parts = core.split("-")
    if len(parts) > 2 and all(part.isdecimal() and part.isascii() for part in parts):
        return ", ".join(spaced(part) for part in parts) if len(core) > 7 else ", ".join(parts)
    if len(parts) != 2 or not all(parts):
        return None
    left, right = parts
    if left.isdecimal() and right.isdecimal():
        if (len(left), len(right)) in ((3, 4), (5, 4)):  # a short phone number, a postal code
            return phone(core)
        if context.before in _MONTH_NAMES and 0 < int(left[:4]) <= 31 and 0 < int(right[:4]) <= 31:
            return f"{ordinal(int(left[:4]))} to {ordinal(int(right[:4]))}"
    if (amount := MONEY.fullmatch(left)) is not None and _NUMBER.fullmatch(_decimal_point(right)):
        cents = "." in left[-3:] or "," in left[-3:]
        left, right = left if cents else amount[4], amount[2] + right
    elif (amount := MONEY.fullmatch(left)) is not None and (other := MONEY.fullmatch(right)) is not None:
        left = left if amount[2] != other[2] or "." in left[-3:] else amount[4]
    start, end = _simple(left), _simple(right)
    return f"{start} to {end}" if start and end else None
