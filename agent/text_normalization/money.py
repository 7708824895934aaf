"""Reads amounts of money: signs and codes before or after the number, as neighbours or a word apart, in any notation.

"25.50 €", "€ 25,50", "EUR 25.50" and "25.50€" are one amount: a currency that stands apart is moved before its number
("€25.50"), and is passed over in silence where it was written. All functions are pure, but for the context they fill.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from agent.text_normalization.language import CODES, CURRENCY, SYMBOLS, SpokenLanguage, currency_code
from agent.text_normalization.lookahead import WAIT, Ahead, ReadAhead

SCALES: Final = frozenset({"hundred", "thousand", "million", "billion", "trillion"})
SCALE_LETTERS: Final = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "b": "billion", "B": "billion", "bn": "billion",
}  # fmt: skip
_LOCAL_SCALES: Final = frozenset(
    "tausend million millionen milliarde milliarden mio mrd mille millions milliard milliards "
    "mil millón millones".split()
)
_NUM: Final = r"[0-9](?:[0-9.,']*[0-9])?|\.[0-9]+"
MONEY: Final = re.compile(rf"([-+]?)({CURRENCY})([-+]?)({_NUM})(k|K|m|M|bn|b|B)?")
_AFTER: Final = re.compile(rf"(-?)((?:{_NUM})(?:k|K|m|M|bn|b|B)?)({CURRENCY})")
_AMOUNT: Final = re.compile(rf"[-+]?(?:{_NUM})(?:[-–](?:{_NUM}))?(?:k|K|M|m|bn)?")
_NO_CENTS: Final = re.compile(r"(?<=[0-9])[.,][-–]{1,2}(?![0-9])")  # "25.-"
_APOSTROPHE: Final = re.compile(r"(?<=[0-9])'(?=[0-9]{3}(?![0-9]))")  # Swiss thousands, and no feet
_AFTER_SIGN: Final = re.compile(r"[/–-]")
_CENTS: Final = re.compile(r"[-+]?[0-9][0-9.,]*[.,][0-9]{2}")
_NAMES: Final = {"euro": "€", "euros": "€", "dollar": "$", "dollars": "$", "dólares": "$"}
"""Currencies in words, which matter after cents: "25.50 euros"; pounds may be a weight."""
_SMALL: Final = re.compile(rf"(?!\$)({CURRENCY})([0-9]{{1,3}})")  # dollars have commas: "$5 100 times" is no amount
_THOUSANDS: Final = re.compile(r"[0-9]{1,3}(?:([.,'])[0-9]{3})(?:\1[0-9]{3})*")
_GROUP_WORD: Final = re.compile(r"[0-9]{3}(?:[.,][0-9]{1,2})?")
_JOINS: Final = frozenset({"-", "–", "to", "and", "or", "bis", "und", "à", "et", "a", "y", "oder", "ou", "o"})
_JOIN_STARTS: Final = frozenset(join[0] for join in _JOINS)
CURRENCY_STARTS: Final = frozenset(symbol[0] for symbol in (*SYMBOLS, *CODES))
_MARKS: Final = ".,!?;:*_\"')"


def plain_number(text: str, *, comma: bool, money: bool = False) -> str:
    """A number in any notation as "1250.50": "1.250,50", "1,250.50", "1'250.50"; what is no number stays as it is.

    comma: the language writes decimals after a comma. With `money` three digits after the one mark are thousands.
    """
    text = without_apostrophes(text)
    last = max(text.rfind("."), text.rfind(","))
    if last < 0:
        return text
    mark = text[last]
    other = "," if mark == "." else "."
    groups = _THOUSANDS.fullmatch(text) is not None and text[0] != "0"
    if other not in text and (text.count(mark) > 1 or (groups and (money or (mark == ".") == comma))):
        return text.replace(mark, "") if groups else text
    whole, fraction = text[:last].replace(other, ""), text[last + 1 :]
    return text if mark in whole else f"{whole}.{fraction}"


def without_apostrophes(text: str) -> str:
    """Without the marks between Swiss thousands: "1'250" is "1250"; the feet of "5'10" keep theirs."""
    return _APOSTROPHE.sub("", text)


def grouped(plain: str) -> str:
    """A plain number with commas between its thousands, which says that it is a quantity and no code."""
    whole, point, fraction = plain.partition(".")
    return f"{int(whole or 0):,}{point}{fraction}" if whole.isdecimal() or not whole else plain


def with_currency(core: str, context: ReadAhead, ahead: Ahead, closed: bool) -> str:
    """The number with the currency in front that stands before or after it; the same without one, or WAIT."""
    core = _NO_CENTS.sub("", core)
    if context.currency:
        whole = _with_groups(core, context, ahead, closed)
        return whole if whole == WAIT else _put_before(context.currency, whole)
    if (before := _SMALL.fullmatch(core)) is not None:
        whole = _with_groups(before[2], context, ahead, closed)
        return whole if whole == WAIT else f"{before[1]}{whole}"
    value, slash, period = core.partition("/")
    left, dash, right = value.replace("–", "-").rpartition("-")
    attached = _AFTER.fullmatch(right)
    if dash and attached is not None and (first_attached := _AFTER.fullmatch(left)) is not None:
        return f"{_turned(first_attached)}-{_turned(attached)}{slash}{period}"
    if attached is not None and _AMOUNT.fullmatch(number := value.removesuffix(attached[3])):
        return _put_before(attached[3], _comma_ended(number)) + slash + period
    if closed or _AMOUNT.fullmatch(core) is None:
        return core
    first = ahead.char()
    if first is None:
        return WAIT
    named = first in "eEdD" and _CENTS.fullmatch(core) is not None
    if first not in CURRENCY_STARTS and not first.isdecimal() and first not in _JOIN_STARTS and not named:
        return core
    found = _follow(core, ahead)
    if found is None:
        return WAIT
    currency, taken, number = found
    context.taken = taken
    if not currency:  # "10 000 people"
        return grouped(number) if taken and not context.language.decimal_comma else number
    return _put_before(currency, _comma_ended(number))


def _with_groups(number: str, context: ReadAhead, ahead: Ahead, closed: bool) -> str:
    """A number with the thousands that follow it after a space ("€ 1 250"), or WAIT."""
    if closed or not number.isdecimal() or len(number) > 3:
        return number
    first = ahead.char()
    if first is None:
        return WAIT
    taken: list[str] = []
    while first.isdecimal() and number.isdecimal():
        words = ahead.words(len(taken) + 1)
        if words is None:
            return WAIT
        group = words[-1].rstrip(_MARKS) if len(words) > len(taken) else ""
        if _GROUP_WORD.fullmatch(group) is None:
            break
        number += group
        taken.append(group)
    context.taken = taken
    return number


def _turned(attached: re.Match[str]) -> str:
    return _put_before(attached[3], attached[1] + _comma_ended(attached[2]))


def _put_before(currency: str, number: str) -> str:
    return f"-{currency}{number[1:]}" if number[:1] == "-" else f"{currency}{number.lstrip('+')}"


def _comma_ended(number: str) -> str:
    """Who writes the sign after the number may write thousands with a point: "1.250 €"."""
    return number.replace(".", "") if _THOUSANDS.fullmatch(number) and number[0] != "0" else number


def _follow(core: str, ahead: Ahead) -> tuple[str, list[str], str] | None:
    """The currency after a number, the words that belong to it, and the number; "" for none, None: not known yet."""
    number, taken = core, list[str]()
    grouping = core.lstrip("-").isdecimal() and len(core.lstrip("-")) <= 3
    for count in range(1, 6):
        words = ahead.words(count)
        if words is None:
            return None
        if len(words) < count:
            break
        word = words[-1]
        bare = _AFTER_SIGN.split(word.rstrip(_MARKS), maxsplit=1)[0]
        if count == 1 and bare.lower() in _NAMES and _CENTS.fullmatch(core):
            return _NAMES[bare.lower()], [bare], number
        if currency_code(bare):
            return bare, [*taken, bare], number
        if grouping and _GROUP_WORD.fullmatch(word):
            number += word
            taken.append(word)
            grouping = word.isdecimal()
            continue
        if count > 1 or word not in _JOINS or not _CENTS.fullmatch(core):
            break
        return _joined(core, ahead)
    return ("", taken, number) if any(word[0] == "0" for word in taken) else ("", [], core)


def _joined(core: str, ahead: Ahead) -> tuple[str, list[str], str] | None:
    """The currency of "25.50" in "25.50 to 30 €": that of the second amount, which says it once more."""
    words = ahead.words(2)
    if words is None:
        return None
    second = words[1] if len(words) > 1 else ""
    if (attached := _AFTER.fullmatch(second.rstrip(_MARKS))) is not None:
        return attached[3], [], core
    if _AMOUNT.fullmatch(second) is None:
        return "", [], core
    words = ahead.words(3)
    if words is None:
        return None
    third = words[2].rstrip(_MARKS).partition("/")[0] if len(words) > 2 else ""
    return (third, [], core) if currency_code(third) else ("", [], core)


def read_currency(core: str, tail: str, context: ReadAhead, ahead: Ahead) -> str | None:
    """A sign or code that stands alone: "" where its amount follows or was said; None for another word, or WAIT."""
    if currency_code(core) is None:
        return None
    if not tail or (core in ("Rs", "kr") and tail == "."):
        first = ahead.char()
        if first is None:
            return WAIT
        if first.isdecimal():
            context.currency, context.passed = core, True
            return ""
    if context.before.lower() in SCALES | _LOCAL_SCALES or context.after_number:
        scaled = context.before.lower() in SCALES | _LOCAL_SCALES
        return context.language.currency(core, "1000000" if scaled else "5")
    return None if core.isalpha() else context.language.currency(core, "1")


def money(language: SpokenLanguage, written: str, plain: str, cardinal: Callable[[str], str]) -> str:
    """An amount in words: ("$", "12.50") is "12 dollars and 50 cents". `plain`: as of `plain_number`."""
    whole, _, fraction = plain.partition(".")
    decimals = language.decimals(written)
    if len(fraction) > 2 or (fraction.strip("0") and decimals != 2):
        return f"{cardinal(plain)} {language.currency(written, plain)}"
    count = int(fraction.ljust(2, "0")) if fraction else 0
    cents = language.cents(written, count)
    if count and not whole.strip("0") and cents:
        return f"{count} {cents}"
    said = f"{cardinal(whole or '0')} {language.currency(written, whole or '0')}"
    if not count:
        return said
    return f"{said} {language.both} {count} {cents}" if cents else f"{said} {count:02}"
