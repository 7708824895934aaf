"""Reads written numbers aloud, in American English: amounts, times, dates, ranges, ordinals, phone numbers, units.

Whole numbers keep their digits ("12 dollars"), since every voice reads those well; what voices get wrong (decimals,
currency signs, colons, dashes, long runs of digits) is written out. All functions are pure and take one short word.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from agent.text_normalization.lookahead import WAIT, Ahead, ReadAhead

_NUM: Final = r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+"
_NUMBER: Final = re.compile(rf"([-+]?)({_NUM})")
_MONEY: Final = re.compile(rf"(-?)([$€£¥])(-?)({_NUM})(k|K|m|M|bn|b|B)?")
_MONEY_AFTER: Final = re.compile(rf"({_NUM})([$€£¥])")
_DECIMAL_COMMA: Final = re.compile(r"^(€[0-9]+|[0-9]+),([0-9]{2}€?)$")
_TIME: Final = re.compile(r"([0-9]{1,2})(?::([0-5][0-9]))?(?::[0-5][0-9])?([ap]\.?m\.?|[AP]\.?M\.?)?")
_ORDINAL: Final = re.compile(r"([0-9]+)(?:st|nd|rd|th|ST|ND|RD|TH)")
_ATTACHED: Final = re.compile(rf"([-+]?)({_NUM})-?([%°¢µA-Za-z²³/]+)")
_ISO_DATE: Final = re.compile(r"([12][0-9]{3})-([0-9]{2})-([0-9]{2})")
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
    r"|0[0-9]{2,4} [0-9]{3,4} [0-9]{3,4}|0[0-9]{4} [0-9]{6}"  # Europe
    r"|[0-9]{3}-[0-9]{4}"
)

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_MONTH_NAMES: Final = {*MONTHS, *(month[:3] for month in MONTHS), "Sept"}
_SMALL: Final = (
    "zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
)  # fmt: skip
_TENS: Final = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_CURRENCIES: Final = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "sen", "sen"),
}
_SCALE_LETTERS: Final = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "b": "billion", "B": "billion", "bn": "billion",
}  # fmt: skip
SCALES: Final = frozenset({"hundred", "thousand", "million", "billion", "trillion"})
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
UNITS: Final[dict[str, tuple[str, str]]] = {
    "%": ("percent", "percent"), "¢": ("cent", "cents"), "sq": ("square", "square"),
    "°": ("degree", "degrees"), "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"), "km": ("kilometer", "kilometers"), "m": ("meter", "meters"),
    "cm": ("centimeter", "centimeters"), "mm": ("millimeter", "millimeters"), "mi": ("mile", "miles"),
    "ft": ("foot", "feet"), "yd": ("yard", "yards"), "kg": ("kilogram", "kilograms"), "g": ("gram", "grams"),
    "mg": ("milligram", "milligrams"), "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "oz": ("ounce", "ounces"),
    "l": ("liter", "liters"), "L": ("liter", "liters"), "ml": ("milliliter", "milliliters"),
    "mL": ("milliliter", "milliliters"), "mph": ("mile per hour", "miles per hour"),
    "km/h": ("kilometer per hour", "kilometers per hour"), "min": ("minute", "minutes"), "mins": ("minute", "minutes"),
    "hr": ("hour", "hours"), "hrs": ("hour", "hours"), "h": ("hour", "hours"), "sec": ("second", "seconds"),
    "secs": ("second", "seconds"), "s": ("second", "seconds"), "ms": ("millisecond", "milliseconds"),
    "KB": ("kilobyte", "kilobytes"), "MB": ("megabyte", "megabytes"), "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"), "Mbps": ("megabit per second", "megabits per second"), "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"), "W": ("watt", "watts"), "kW": ("kilowatt", "kilowatts"),
    "kWh": ("kilowatt hour", "kilowatt hours"), "m²": ("square meter", "square meters"),
    "sqft": ("square foot", "square feet"), "USD": ("U S dollar", "U S dollars"), "EUR": ("euro", "euros"),
    "GBP": ("pound", "pounds"), "k": ("thousand", "thousand"), "x": ("times", "times"),
}  # fmt: skip


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
    if number < 20:
        return _SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return f"{_TENS[tens]}-{_SMALL[ones]}" if ones else f"{_TENS[tens][:-1]}ieth"
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def phone_length(run: str) -> int:
    """How many characters at the start of `run` are a phone or card number; 0 where there is none."""
    found = _PHONE.match(run)
    if found is None or run[found.end() : found.end() + 1] in (*"0123456789-",):
        return 0
    return found.end() if 7 <= sum(char.isdigit() for char in found[0]) <= 16 else 0


def phone(text: str) -> str:
    """Digit by digit, with a pause between the groups: "555-1234" is "5 5 5, 1 2 3 4"."""
    said = ", ".join(spaced(group) for group in re.findall(r"[0-9]+", text))
    return f"plus {said}" if text.startswith("+") else said


def money(symbol: str, amount: str) -> str:
    """An amount of money: ("$", "12.50") is "12 dollars and 50 cents"."""
    one, many, cent, cents = _CURRENCIES[symbol]
    whole, _, fraction = amount.partition(".")
    if len(fraction) > 2:
        return f"{cardinal(amount)} {many}"
    small = int(fraction.ljust(2, "0")) if fraction else 0
    only_cents = small > 0 and not whole.strip("0")
    large = "" if only_cents else f"{cardinal(whole)} {one if whole == '1' else many}"
    change = f"{small} {cent if small == 1 else cents}" if small else ""
    return " and ".join(part for part in (large, change) if part)


def clock(hours: int, minutes: str, half: str) -> str:
    """A time of day: (2, "30", "p.m.") is "2 30 P M"; hours from 13 become afternoon hours."""
    if not half and hours > 12:
        hours, half = (hours - 12, "p") if hours < 24 else (12, "a")
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
    forms = UNITS.get(name)
    return None if forms is None else forms[0 if amount == "1" else 1]


def read_number(core: str, context: ReadAhead, ahead: Ahead, closed: bool) -> str | None:
    """Reads one word that holds digits; `closed`: punctuation follows, so that the next word does not belong to it.

    Returns None for what is not a number, and WAIT while the reading depends on the next word.
    """
    core = _DECIMAL_COMMA.sub(r"\1.\2", core)
    if core in _FRACTIONS:
        return f"and {_FRACTIONS[core].replace('one half', 'a half')}" if context.after_number else _FRACTIONS[core]
    if (prefixed := _PREFIXED.fullmatch(core)) is not None:
        inner = read_number(prefixed[2], ReadAhead(_PREFIXES[prefixed[1]]), ahead, closed)
        return inner if inner is None or inner == WAIT else f"{_PREFIXES[prefixed[1]]} {inner}"
    if not closed and (waiting := _depends_on_next(core, context, ahead)) is not None:
        return waiting
    if (number := _NUMBER.fullmatch(core)) is not None:
        return _plain(number[1], number[2], context)
    return _simple(core) or _compound(core, context)


def _depends_on_next(core: str, context: ReadAhead, ahead: Ahead) -> str | None:
    """The readings that need the next word: "$5" (million?) and "2:00" (p.m.?); None where none applies."""
    amount = _MONEY.fullmatch(core)
    whole_hour = core.endswith(":00") and _TIME.fullmatch(core) is not None
    if (amount is None or amount[5]) and not whole_hour:
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
        context.owed_unit = _CURRENCIES[amount[2]][1]
        return ("minus " if amount[1] or amount[3] else "") + cardinal(amount[4])
    if whole_hour and word in ("am", "pm", "a.m", "p.m"):
        return core[: core.index(":")].lstrip("0") or "12"
    return None


def _plain(sign: str, text: str, context: ReadAhead) -> str:
    if sign:
        return f"{'minus' if sign == '-' else 'plus'} {cardinal(text)}"
    if text.isdigit() and context.before in _MONTH_NAMES and 1 <= int(text[:4]) <= 31 and len(text) <= 2:
        return ordinal(int(text))
    if text.isdigit() and len(text) >= 4 and context.before.lower() in _SPELLED_AFTER:
        return spaced(text)
    return cardinal(text)


def _simple(core: str) -> str | None:
    """One quantity without a dash or a slash inside; None for anything else."""
    if (number := _NUMBER.fullmatch(core)) is not None:
        return f"{'minus ' if number[1] == '-' else ''}{cardinal(number[2])}"
    if (time := _TIME.fullmatch(core)) is not None and int(time[1]) <= 24 and (time[2] or time[3]):
        return clock(int(time[1]), time[2] or "00", time[3] or "")
    if (amount := _MONEY.fullmatch(core)) is not None:
        minus = "minus " if amount[1] or amount[3] else ""
        if amount[5]:
            return f"{minus}{cardinal(amount[4])} {_SCALE_LETTERS[amount[5]]} {_CURRENCIES[amount[2]][1]}"
        return minus + money(amount[2], amount[4])
    if (amount := _MONEY_AFTER.fullmatch(core)) is not None:
        return money(amount[2], amount[1])
    if (place := _ORDINAL.fullmatch(core)) is not None and len(place[1]) < 7:
        return ordinal(int(place[1]))
    if _DECADE.fullmatch(core):
        return core
    if (attached := _ATTACHED.fullmatch(core)) is not None and attached[3] in UNITS:
        return f"{'minus ' if attached[1] == '-' else ''}{cardinal(attached[2])} {unit(attached[3], attached[2])}"
    return None


def _compound(core: str, context: ReadAhead) -> str | None:
    """Dates, ranges, sizes, versions, digit groups, prices per unit and codes; None for anything else."""
    if (iso := _ISO_DATE.fullmatch(core)) is not None and (said := date(iso[1], int(iso[2]), int(iso[3]))):
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
    if "-" in core or "–" in core:
        return _dashed(core.replace("–", "-"), context)
    left, slash, right = core.partition("/")
    if slash and (said := _simple(left)):
        joined = "per" if right.isalpha() else "or" if _ORDINAL.fullmatch(right) else "out of"
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
    if len(parts) > 2 and all(part.isdigit() and part.isascii() for part in parts):
        return ", ".join(spaced(part) for part in parts) if len(core) > 7 else ", ".join(parts)
    if len(parts) != 2 or not all(parts):
        return None
    left, right = parts
    if left.isdigit() and right.isdigit():
        if (len(left), len(right)) in ((3, 4), (5, 4)):  # a short phone number, a postal code
            return phone(core)
        if context.before in _MONTH_NAMES and 0 < int(left[:4]) <= 31 and 0 < int(right[:4]) <= 31:
            return f"{ordinal(int(left[:4]))} to {ordinal(int(right[:4]))}"
    if left[0] in _CURRENCIES and _NUMBER.fullmatch(right):
        left, right = left[1:], left[0] + right
    start, end = _simple(left), _simple(right)
    return f"{start} to {end}" if start and end else None
