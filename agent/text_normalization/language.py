"""What a language calls currencies, units, months and ordinals: CLDR's names (babel), and the cents by num2words.

All names are looked up once and kept; a language takes about 10 ms to load at its first use (English: at import).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from babel import Locale, UnknownLocaleError
from babel.lists import format_list
from babel.numbers import get_currency_name, get_currency_precision, get_decimal_symbol
from babel.units import format_compound_unit, format_unit
from num2words import CONVERTER_CLASSES, num2words

_ENGLISH_LOCALE: Final = Locale("en")
_WORDS_NOT_CODES: Final = frozenset("ALL BAM CUP GEL MOP PEN SOS TOP TRY XTS XXX".split())
"""Codes that are words in capitals more often than money: "ALL 5 rooms"."""
CODES: Final = frozenset(_ENGLISH_LOCALE.currencies) - _WORDS_NOT_CODES
SYMBOLS: Final[dict[str, str]] = {
    symbol: code
    for code, symbol in _ENGLISH_LOCALE.currency_symbols.items()
    if symbol != code and len(symbol) < 4 and code in CODES
} | {
    "US$": "USD", "C$": "CAD", "zł": "PLN", "Kč": "CZK", "₺": "TRY", "₽": "RUB", "₴": "UAH", "₦": "NGN",
}  # fmt: skip
"""Currency signs by CLDR, and those that only the currency's own country uses."""
CURRENCY: Final = "|".join([*map(re.escape, sorted(SYMBOLS, key=len, reverse=True)), *sorted(CODES)])
"""A pattern for every sign and code."""

UNITS: Final[dict[str, str]] = {
    "%": "concentr-percent", "‰": "concentr-permille", "°": "angle-degree", "°C": "temperature-celsius",
    "°F": "temperature-fahrenheit", "km": "length-kilometer", "m": "length-meter", "cm": "length-centimeter",
    "mm": "length-millimeter", "mi": "length-mile", "ft": "length-foot", "yd": "length-yard", "kg": "mass-kilogram",
    "g": "mass-gram", "mg": "mass-milligram", "lb": "mass-pound", "lbs": "mass-pound", "oz": "mass-ounce",
    "l": "volume-liter", "L": "volume-liter", "cl": "volume-centiliter", "ml": "volume-milliliter",
    "mL": "volume-milliliter", "mph": "speed-mile-per-hour", "km/h": "speed-kilometer-per-hour",
    "kph": "speed-kilometer-per-hour", "m/s": "speed-meter-per-second", "min": "duration-minute",
    "mins": "duration-minute", "hr": "duration-hour", "hrs": "duration-hour", "h": "duration-hour",
    "sec": "duration-second", "secs": "duration-second", "s": "duration-second", "ms": "duration-millisecond",
    "kB": "digital-kilobyte", "KB": "digital-kilobyte", "MB": "digital-megabyte", "GB": "digital-gigabyte",
    "TB": "digital-terabyte", "Mbps": "digital-megabit/duration-second", "MB/s": "digital-megabyte/duration-second",
    "Mbit/s": "digital-megabit/duration-second",
    "Gbps": "digital-gigabit/duration-second", "kbps": "digital-kilobit/duration-second", "Hz": "frequency-hertz",
    "kHz": "frequency-kilohertz", "MHz": "frequency-megahertz", "GHz": "frequency-gigahertz", "W": "power-watt",
    "kW": "power-kilowatt", "kWh": "energy-kilowatt-hour", "kcal": "energy-kilocalorie", "m²": "area-square-meter",
    "m2": "area-square-meter", "m³": "volume-cubic-meter", "m3": "volume-cubic-meter", "km²": "area-square-kilometer",
    "sqm": "area-square-meter", "ha": "area-hectare", "sqft": "area-square-foot", "ft²": "area-square-foot",
}  # fmt: skip
"""What is written → CLDR's unit; signs that are also words or seats ("in", "A", "B") are not among them."""
PERIODS: Final[dict[str, str]] = {
    "mo": "duration-month", "mth": "duration-month", "yr": "duration-year", "wk": "duration-week",
    "d": "duration-day", **UNITS,
}  # fmt: skip
"""What stands after the slash of a price."""

_TO: Final = {"en": "to", "de": "bis", "fr": "à", "es": "a", "it": "a", "nl": "tot", "pt": "a"}
_PER: Final = {"en": "per", "de": "pro", "fr": "par", "es": "por", "it": "al", "nl": "per", "pt": "por"}
_POINT: Final = {"es": "coma", "it": "virgola", "pt": "vírgula"}  # CLDR and num2words know the sign, not the word


def currency_code(written: str) -> str | None:
    """The ISO 4217 code of a sign or code as written; None for any other word."""
    return SYMBOLS.get(written) or (written if written in CODES else None)


@dataclass(frozen=True, eq=False)
class SpokenLanguage:
    """The names of one language. code: ISO 639-1. Get it by `spoken_language`."""

    code: str
    locale: Locale
    numerals: Any = field(repr=False)  # of num2words, which has no types; None where it does not know the language
    point: str = "point"
    minus: str = "minus"
    both: str = "and"  # joins an amount and its cents
    to: str = ","
    per: str = ","
    decimal_comma: bool = False

    @property
    def english(self) -> bool:
        """Whether the readings of English apply: abbreviations, times with A M and P M, spoken dates."""
        return self.code == "en"

    @lru_cache(maxsize=1024)  # noqa: B019 - as many objects as languages
    def currency(self, written: str, *, one: bool) -> str:
        """The name of a sign or code: "$" is "dollars" where no more is known, "USD" is "U S dollars"."""
        code = currency_code(written) or written
        name = get_currency_name(code, 1 if one else 2, locale=self.locale)
        if len(written) == 1 and " " in name.replace("-", " "):
            forms = self._forms(code)
            name = name.split()[-1] if self.english else forms[0][0 if one else 1] if forms else name
        return re.sub(r" \(.*\)", "", name).replace("US ", "U S ")

    def cents(self, written: str, count: int) -> str:
        """The name of the hundredths of a currency; "" where nobody knows it (they are then said as a number)."""
        forms = self._forms(currency_code(written) or written)
        return forms[1][0 if count == 1 else 1] if forms else ""

    def decimals(self, written: str) -> int:
        """How many decimals the currency has: 2 for euros, 0 for yen."""
        return get_currency_precision(currency_code(written) or written)

    @lru_cache(maxsize=1024)  # noqa: B019
    def unit(self, written: str, *, one: bool) -> str | None:
        """The name of a unit ("km" is "kilometers"); None for what is no unit."""
        name = PERIODS.get(written)
        if name is None:
            return None
        unit, _, per = name.partition("/")
        count = 1 if one else 2
        if per:
            said = format_compound_unit(count, unit, denominator_unit=per, locale=self.locale) or ""
        else:
            said = format_unit(count, unit, locale=self.locale)
        return " ".join(said.replace(str(count), "", 1).replace("-", " ").split())

    def month(self, number: int) -> str:
        """The name of a month from 1 to 12, as it stands in a date."""
        return str(self.locale.months["format"]["wide"][number])

    def ordinal(self, number: int) -> str:
        """The ordinal in words up to 99 ("twenty-first"), with digits above ("101st")."""
        return str(num2words(number, to="ordinal" if number < 100 else "ordinal_num", lang=self.code))

    def _forms(self, code: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        return None if self.numerals is None else self.numerals.CURRENCY_FORMS.get(code)


@lru_cache(maxsize=32)
def spoken_language(code: str) -> SpokenLanguage:
    """The names of a language by its ISO 639-1 code ("de", "de-AT"); one that CLDR does not know reads like English."""
    code = code.replace("_", "-").partition("-")[0].lower()
    try:
        locale = Locale(code)
    except (UnknownLocaleError, ValueError):
        return spoken_language("en")
    numerals = CONVERTER_CLASSES.get(code)
    return SpokenLanguage(
        code,
        locale,
        numerals,
        point=_POINT.get(code) or str(getattr(numerals, "pointword", ",")),
        minus=str(getattr(numerals, "negword", "minus")).strip(),
        both=format_list(["1", "2"], locale=locale).replace("1", "").replace("2", "").strip(),
        to=_TO.get(code, ","),
        per=_PER.get(code, ","),
        decimal_comma=get_decimal_symbol(locale) == ",",
    )


ENGLISH: Final = spoken_language("en")
