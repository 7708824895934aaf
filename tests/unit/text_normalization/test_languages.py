"""Every language that the service accepts: a price never ends a reply, whatever num2words and CLDR know of it."""

from __future__ import annotations

import re

import pytest
from num2words import CONVERTER_CLASSES

from agent.text_normalization.language import CODES, SYMBOLS, or_else, spoken_language
from agent.text_normalization.normalizer import Speakable

CONVERTED = sorted(code for code in CONVERTER_CLASSES if len(code) == 2)
ODD = ["bn", "fa", "id", "ja", "ko", "no", "vi", "xx", "zh"]
"""Languages whose code at num2words lacks what others have, that CLDR has alone, or that nobody knows."""
TEXTS = (
    "€1 ¥500 ₩5,000 25,50 € 1 kr 5 zł R$ 5 -3 $ 5 million € 10–20 CHF 0.01 ¥ ₹1,00,000 14:30 9h 2:05pm 3. März "
    "3.3.2026 2026-03-04 1st 1/2 ½ 10 % 5 km/h 2 MB/s +49 30 123456 $1e9 1,5 Mio. € § 5 n° 5 1° marzo 24.12. x"
)


def say(text: str, language: str) -> str:
    speakable = Speakable(language)
    return "".join(piece.spoken for piece in speakable.feed(text) + speakable.finish())


@pytest.mark.parametrize("language", ODD)
def test_no_amount_date_or_unit_ends_a_reply(language: str) -> None:
    assert say(TEXTS, language)
    for huge in ("9" * 110, "€" + "9" * 100, "1/" + "9" * 100):
        assert "9" in say(huge, language)


def test_no_table_of_num2words_is_believed_to_have_the_form_of_the_others() -> None:
    english = spoken_language("en")
    for code in CONVERTED:
        language = type(english)(code, english.locale, CONVERTER_CLASSES[code])
        for written in sorted({*SYMBOLS, *CODES}):
            names = [language.cents(written, count) for count in (0, 1, 2, 5, 21)]
            assert all(isinstance(name, str) for name in (*names, language.currency(written, "5"))), code
        assert all(language.ordinal(number) for number in (1, 2, 21, 99, 101)), code


def test_what_a_library_raises_is_not_passed_on() -> None:
    def fails() -> str:
        raise NotImplementedError

    assert or_else("5.", fails) == "5."


@pytest.mark.parametrize("language", ["de", "en", "fr"])
@pytest.mark.parametrize("written", ["am ². März", "May ² x", "² Jan", "5² 000 €", "1/², § ²"])
def test_a_digit_that_is_no_decimal_ends_no_reply(language: str, written: str) -> None:
    assert say(written, language)


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("de", "am 24.12.", "am 24. Dezember."),
        ("de", "vom 1.3. bis 5.3. geöffnet", "vom 1. März bis 5. März geöffnet"),
        ("de", "Version 3.2.", "Version 3 Komma 2."),
        ("de", "1/2 Liter, 1 ½ Liter", "ein halber Liter, 1 und ein halber Liter"),
        ("de", "§ 5 und §12a", "Paragraf 5 und Paragraf 12a"),
        ("de", "1 Mio. € und 1,5 Mrd. €", "1 Million Euro und 1 Komma 5 Milliarden Euro"),
        ("en", "₿0.5, ₼0.5", "0 point 5 bitcoin, 0 point 5"),
        ("en", "√0.5", "0 point 5"),
        ("en", "1,5 Mio. €", "1 point 5 million euros"),
        ("en", "It costs Rs. 500, kr 100 or Rs 5.", "It costs 500 rupees, 100 kronor or 5 rupees."),
        ("en", "99p or 1080p", "99 pence or 1080p"),
        ("en", "on 5 Jan at noon", "on 5 January at noon"),
        ("en", "call (030) 123456 now", "call 0 3 0, 1 2 3 4 5 6 now"),
        ("fr", "1/2, n° 5", "un demi, numéro 5"),
        ("fi", "1/2", "½"),
        ("it", "il 1° marzo, al 2° piano, 20° fuori", "il primo marzo, al secondo piano, 20 gradi fuori"),
        ("ru", "№ 5", "номер 5"),
        ("da", "Det koster kr. 100.", "Det koster 100 kroner."),
    ],
)
def test_signs_and_short_forms(language: str, written: str, spoken: str) -> None:
    assert say(written, language) == spoken
    by_character = Speakable(language)
    pieces = [piece for char in written for piece in by_character.feed(char)]
    assert "".join(piece.spoken for piece in [*pieces, *by_character.finish()]) == spoken


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("cs", "5 Kč", "5 korun"),
        ("ja", "¥500", "500 円"),
        ("ko", "₩5,000", "5000 원"),
        ("no", "kr 100", "100 kroner"),
        ("pl", "1 zł, 2 zł, 5 zł", "1 złoty, 2 złote, 5 złotych"),
        ("pl", "25,50 zł", "25 złotych i 50 groszy"),
        ("ru", "1 ₽, 3 ₽, 25 ₽", "1 рубль, 3 рубля, 25 рублей"),
        ("sv", "25,50 kr", "25 kronor och 50 öre"),
        ("vi", "€1", "1 euro"),
    ],
)
def test_the_forms_of_a_currency(language: str, written: str, spoken: str) -> None:
    assert re.sub(r"\s+", " ", say(written, language)) == spoken
