"""Reads one written word of a language other than English: amounts, decimals, units, dates and times of day.

What a voice of that language reads well by itself stays as it is written: abbreviations, whole numbers, ordinals.
"""

from __future__ import annotations

import datetime
import re
from functools import lru_cache
from typing import Final

from babel.dates import format_date

from agent.text_normalization.language import UNITS, SpokenLanguage
from agent.text_normalization.links import read_link
from agent.text_normalization.lookahead import WAIT, Ahead, ReadAhead
from agent.text_normalization.money import MONEY, SCALE_LETTERS, money, plain_number, with_currency
from agent.text_normalization.signs import day_and_month, fraction, number_sign, ordinal_with_degree, scale

_NUMBER: Final = re.compile(r"([-+]?)([0-9](?:[0-9.,']*[0-9])?|[.,][0-9]+)([%‰°A-Za-z²³/]+[23]?)?")
_TIME: Final = re.compile(r"([01]?[0-9]|2[0-4])(?::|h|[.](?=[0-5][0-9]h))([0-5][0-9])?(?::[0-5][0-9])?h?")
_DOTTED_TIME: Final = re.compile(r"[0-2]?[0-9]\.[0-5][0-9]")
_BEFORE_UHR: Final = re.compile(r"[0-2]?[0-9][.:][0-5][0-9](?::[0-5][0-9])?")
_DATE: Final = re.compile(r"([0-9]{1,2})([./-])([0-9]{1,2})\2([12][0-9]{3})")
_ISO_DATE: Final = re.compile(r"([12][0-9]{3})-([0-9]{2})-([0-9]{2})")
_HOURS: Final = {"de": ("Uhr", "Uhr"), "fr": ("heure", "heures"), "pt": ("hora", "horas")}
_LINK_WORDS: Final = {
    "de": {"dot": "Punkt", "dash": "Minus", "underscore": "Unterstrich", "slash": "Schrägstrich"},
    "fr": {"dot": "point", "dash": "tiret", "at": "arobase", "underscore": "tiret bas", "slash": "barre oblique"},
    "es": {"dot": "punto", "dash": "guion", "at": "arroba", "underscore": "guion bajo", "slash": "barra"},
}


def read_other(core: str, tail: str, context: ReadAhead, ahead: Ahead) -> tuple[str, str]:
    """A word without the marks around it, as it is said, and the marks; WAIT while it depends on what follows."""
    language = context.language
    if core == "Uhr" and not context.paused and _BEFORE_UHR.fullmatch(context.before):
        return "", tail
    if (part := fraction(core, language)) is not None:
        return (f"{language.both} {part}" if context.after_number else part), tail
    if (known := number_sign(core, language)) is not None:
        return known, tail
    if (scaled := scale(core, tail, context)) is not None:
        return scaled
    if not any(char.isdecimal() for char in core):
        return _read_letters(core, context), tail
    if tail == "." and core.isdecimal() and language.code == "de" and 0 < int(core) < 32:
        word = ahead.word()
        if word is None:
            return WAIT, tail
        if word.rstrip(".,!?;:") in _months(language):
            return _german_ordinal(int(core), context.before, language), ""
    if (dated := day_and_month(core, tail, context, ahead)) is not None:
        return dated
    if (said := _date(core, language) or ordinal_with_degree(core, tail, context, ahead)) is not None:
        return said, tail
    if (time := _TIME.fullmatch(core)) is not None:
        return _clock(int(time[1]), time[2] or "00", core, language), tail
    if language.code == "de" and not tail and _DOTTED_TIME.fullmatch(core):
        word = ahead.word()
        if word is None:
            return WAIT, tail
        if word.rstrip(".,!?;:") == "Uhr":
            hours, minutes = core.split(".")
            return _clock(int(hours), minutes, core, language), tail
    core = with_currency(core, context, ahead, closed=bool(tail))
    if core == WAIT:
        return WAIT, tail
    value, slash, period = core.partition("/")
    if slash and period.isalpha() and (said := _quantity(value, language)):
        return f"{said} {language.per} {language.unit(period, one=True) or period}", tail
    return _quantity(core, language) or _range(core, language) or core.replace("–", " "), tail


def _read_letters(core: str, context: ReadAhead) -> str:
    """A unit after its number, an address, or the word as it is."""
    if context.after_number and (name := _unit(core, context.before, context.language)):
        return name
    link = read_link(core)
    if link is None:
        return core.replace("–", " ")
    words = _LINK_WORDS.get(context.language.code, {})
    return " ".join(words.get(word, word) for word in link.split())


@lru_cache(maxsize=32)
def _months(language: SpokenLanguage) -> frozenset[str]:
    return frozenset(language.month(number) for number in range(1, 13))


def _german_ordinal(number: int, before: str, language: SpokenLanguage) -> str:
    """ "der dritte Mai", but "am dritten Mai"."""
    return language.ordinal(number) + ("" if before.lower() in ("der", "die", "das") else "n")


def _quantity(core: str, language: SpokenLanguage) -> str | None:
    """An amount, a number or a number with its unit; None for anything else."""
    if (amount := MONEY.fullmatch(core)) is not None:
        plain = plain_number(amount[4], comma=language.decimal_comma, money=True)
        said = _number(plain, language)
        minus = f"{language.minus} " if "-" in (amount[1], amount[3]) else ""
        if amount[5]:
            return f"{minus}{said} {SCALE_LETTERS[amount[5]]} {language.currency(amount[2], '1000000')}"
        return minus + money(language, amount[2], plain, lambda number: _number(number, language))
    found = _NUMBER.fullmatch(core)
    if found is None:
        return None
    plain = plain_number(found[2], comma=language.decimal_comma)
    if plain.count(".") > 1 or "," in plain:
        return None
    said = _number(plain, language) if found[2] != plain or "." in plain else plain
    said = f"{language.minus} {said}" if found[1] == "-" else said
    if not found[3]:
        return said
    name = _unit(found[3], found[2], language)
    return f"{said} {name}" if name else None


def _range(core: str, language: SpokenLanguage) -> str | None:
    left, dash, right = core.replace("–", "-").partition("-")
    if not dash or not left or not right or "-" in right:
        return None
    if (amount := MONEY.fullmatch(left)) is not None and MONEY.fullmatch(right) is None:
        left, right = amount[4], f"{amount[2]}{right}"
    start, end = _quantity(left, language), _quantity(right, language)
    return f"{start} {language.to} {end}" if start and end else None


def _number(plain: str, language: SpokenLanguage) -> str:
    whole, point, fraction = plain.partition(".")
    return f"{whole or '0'} {language.point} {' '.join(fraction)}" if point else whole


def _unit(written: str, amount: str, language: SpokenLanguage) -> str | None:
    return language.unit(written, one=amount == "1") if written in UNITS else None


def _date(core: str, language: SpokenLanguage) -> str | None:
    if (found := _DATE.fullmatch(core)) is not None:
        year, month, day = found[4], found[3], found[1]
    elif (found := _ISO_DATE.fullmatch(core)) is not None:
        year, month, day = found.groups()
    else:
        return None
    try:
        return format_date(datetime.date(int(year), int(month), int(day)), "long", locale=language.locale)
    except ValueError:
        return None


def _clock(hours: int, minutes: str, core: str, language: SpokenLanguage) -> str:
    """ "14:30" is "14 Uhr 30" and "14 heures 30"; where no word belongs between them, it stays for the voice."""
    words = _HOURS.get(language.code)
    if words is None:
        return core
    said = f"{hours} {words[0 if hours < 2 else 1]}"
    return said if minutes == "00" else f"{said} {int(minutes)}"
