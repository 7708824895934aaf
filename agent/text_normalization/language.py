"""What a language calls currencies, units, months and ordinals: CLDR's names (babel), and the cents by num2words.

All names are looked up once and kept; a language takes about 10 ms to load at its first use (English: at import).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_skeleton
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
    "US$": "USD", "C$": "CAD", "₿": "BTC", "kr": "SEK", "Rs": "INR",
    "zł": "PLN", "Kč": "CZK", "₺": "TRY", "₽": "RUB", "₴": "UAH", "₦": "NGN",
}  # fmt: skip
"""Currency signs by CLDR, those that only the currency's own country uses, and "kr", which four countries do."""
_KRONE: Final = {"da": "DKK", "no": "NOK", "nb": "NOK", "nn": "NOK", "is": "ISK", "fo": "DKK", "kl": "DKK", "sv": "SEK"}
_NOT_IN_CLDR: Final = {"BTC": ("bitcoin", 8)}  # the name, and how many decimals
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

    def currency(self, written: str, count: str = "5") -> str:
        """The name of a sign or code, as it stands after `count`: "$" is "dollars", "USD" is "U S dollars".

        count: a plain number: "1", "25.50"; five where nothing is known.
        """
        return self._currency(written, _plural_number(count))

    @lru_cache(maxsize=1024)  # noqa: B019 - as many objects as languages
    def _currency(self, written: str, count: Decimal) -> str:
        code = self._code(written)
        if code in _NOT_IN_CLDR:
            return _NOT_IN_CLDR[code][0]
        name = or_else(code, lambda: get_currency_name(code, count, locale=self.locale))
        if (len(written) == 1 or written in ("kr", "Rs")) and " " in name.replace("-", " "):
            last = self.english or (written == "kr" and self.code in _KRONE)  # "danske kroner"
            name = name.split()[-1] if last else self._form(code, 0, count) or name
        elif not self.english and written in ("zł", "Kč"):
            name = self._form(code, 0, count) or name
        return re.sub(r" \(.*\)", "", name).replace("US ", "U S ")

    def cents(self, written: str, count: int) -> str:
        """The name of the hundredths of a currency; "" where nobody knows it (they are then said as a number)."""
        return self._form(self._code(written), 1, Decimal(count))

    def decimals(self, written: str) -> int:
        """How many decimals the currency has: 2 for euros, 0 for yen."""
        code = self._code(written)
        return _NOT_IN_CLDR[code][1] if code in _NOT_IN_CLDR else get_currency_precision(code)

    @lru_cache(maxsize=1024)  # noqa: B019
    def unit(self, written: str, *, one: bool) -> str | None:
        """The name of a unit ("km" is "kilometers"); None for what is no unit."""
        name = PERIODS.get(written)
        if name is None:
            return None
        unit, _, per = name.partition("/")
        count = 1 if one else 2
        if per:
            said = or_else(
                "", lambda: format_compound_unit(count, unit, denominator_unit=per, locale=self.locale) or ""
            )
        else:
            said = or_else("", lambda: format_unit(count, unit, locale=self.locale))
        return " ".join(said.replace(str(count), "", 1).replace("-", " ").split())

    def month(self, number: int) -> str:
        """The name of a month from 1 to 12, as it stands in a date."""
        return str(self.locale.months["format"]["wide"][number])

    @property
    def month_names(self) -> frozenset[str]:
        """The names of all months, in small letters."""
        return frozenset(self.month(number).lower() for number in range(1, 13))

    def day_of(self, month: int, day: int) -> str | None:
        """A day of any year as a date has it: (12, 24) is "24. Dezember"; None where there is no such day."""
        try:
            return format_skeleton("MMMMd", datetime.date(2000, month, day), locale=self.locale)
        except (ValueError, KeyError):
            return None

    def ordinal(self, number: int) -> str:
        """The ordinal in words up to 99 ("twenty-first"), with digits above ("101st"); else a number with a point."""
        kind = "ordinal" if number < 100 else "ordinal_num"
        return or_else(f"{number}.", lambda: str(num2words(number, to=kind, lang=self.code)))

    def scale(self, zeros: int, count: str) -> str:
        """The name of a power of ten after `count`: (6, "1.5") is "Millionen"; "" where the language has none."""
        forms = self.locale.compact_decimal_formats["long"]
        plural = self.locale.plural_form(_plural_number(count))
        pattern = forms.get(plural, forms.get("other", {})).get(f"1{'0' * zeros}")
        said = getattr(pattern, "pattern", "")
        return said.replace("0", "").strip().strip("'") if said.count("0") == 1 else ""

    def _code(self, written: str) -> str:
        return _KRONE.get(self.code, "SEK") if written == "kr" else currency_code(written) or written

    def _form(self, code: str, part: int, count: Decimal) -> str:
        """The name by num2words of a currency (part 0) or its hundredths (1); "" where it has none.

        Its languages agree on little: some have no table, some have strings, one form or three in it.
        """
        table = getattr(self.numerals, "CURRENCY_FORMS", None)
        entry = table.get(code) if isinstance(table, dict) else None
        forms = entry[part] if isinstance(entry, (tuple, list)) and len(entry) > part else None
        if not isinstance(forms, (tuple, list)) or not forms or not all(isinstance(form, str) for form in forms):
            return forms if isinstance(forms, str) else ""
        if len(forms) > 2 and count == count.to_integral_value():
            return or_else(forms[-1], lambda: str(self.numerals.pluralize(int(count), forms)))
        return forms[0 if self.locale.plural_form(count) == "one" else min(1, len(forms) - 1)]


def or_else(otherwise: str, name: Callable[[], str]) -> str:
    """What a library calls something; `otherwise` where it fails: each language is code of its own there."""
    try:
        return name() or otherwise
    except Exception:  # num2words and babel raise whatever a language's code runs into
        return otherwise


def _plural_number(count: str) -> Decimal:
    """A plain number as the rules of plurals take it. A long one is told from its last digits alone."""
    whole, point, fraction = count.partition(".")
    short = whole if len(whole) < 7 else f"1{whole[-6:]}"
    return Decimal(f"{short or '0'}{point}{fraction[:6]}") if (whole + fraction).isdecimal() else Decimal(5)


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
        both=or_else(",", lambda: format_list(["1", "2"], locale=locale)).replace("1", "").replace("2", "").strip(),
        to=_TO.get(code, ","),
        per=_PER.get(code, ","),
        decimal_comma=get_decimal_symbol(locale) == ",",
    )


ENGLISH: Final = spoken_language("en")
