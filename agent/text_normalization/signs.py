"""Signs and short forms before or inside a number, by language: "§ 5", "n° 5", "1/2", "1° marzo", "24.12.", "Mio."."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from agent.text_normalization.language import SpokenLanguage
from agent.text_normalization.lookahead import WAIT, Ahead, ReadAhead

_SECTION: Final = {
    "en": "section", "de": "Paragraf", "fr": "paragraphe", "es": "párrafo", "it": "paragrafo", "nl": "paragraaf",
    "pt": "parágrafo", "pl": "paragraf", "sv": "paragraf", "da": "paragraf", "no": "paragraf", "cs": "paragraf",
    "fi": "pykälä", "ru": "параграф", "uk": "параграф", "ro": "paragraful", "hu": "paragrafus", "tr": "paragraf",
}  # fmt: skip
_NUMBER: Final = {
    "en": "number", "de": "Nummer", "fr": "numéro", "es": "número", "it": "numero", "nl": "nummer", "pt": "número",
    "pl": "numer", "sv": "nummer", "da": "nummer", "no": "nummer", "cs": "číslo", "ru": "номер", "uk": "номер",
    "ro": "numărul", "tr": "numara",
}  # fmt: skip
_NUMBER_SIGN: Final = re.compile(r"(?:№|[nN]\.?[°º])([0-9]*)")
_SECTION_SIGN: Final = re.compile(r"§{1,2}([0-9]{0,6}[a-z]?)")
_FRACTION: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})")
_FRACTIONS: Final = {
    "de": ("ein halber", "ein Drittel", "zwei Drittel", "ein Viertel", "drei Viertel"),
    "fr": ("un demi", "un tiers", "deux tiers", "un quart", "trois quarts"),
    "es": ("medio", "un tercio", "dos tercios", "un cuarto", "tres cuartos"),
    "it": ("mezzo", "un terzo", "due terzi", "un quarto", "tre quarti"),
    "nl": ("een half", "een derde", "twee derde", "een kwart", "drie kwart"),
    "pt": ("meio", "um terço", "dois terços", "um quarto", "três quartos"),
    "pl": ("pół", "jedna trzecia", "dwie trzecie", "jedna czwarta", "trzy czwarte"),
    "sv": ("en halv", "en tredjedel", "två tredjedelar", "en fjärdedel", "tre fjärdedelar"),
    "da": ("en halv", "en tredjedel", "to tredjedele", "en fjerdedel", "tre fjerdedele"),
}
_COMMON: Final = ("1/2", "1/3", "2/3", "1/4", "3/4")
_DEGREE: Final = re.compile(r"([0-9]{1,2})°")
_DAY_AND_MONTH: Final = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})")
_BEFORE_DATE: Final = frozenset(
    "am vom zum bis ab seit den der dem und montag dienstag mittwoch donnerstag freitag samstag sonntag".split()
)
_ARTICLES: Final = frozenset("il al del dal nel el o ao do no".split())
_SCALES: Final = {"Mio": 6, "Mrd": 9}


def number_sign(core: str, language: SpokenLanguage) -> str | None:
    """ "§" and "n°" with what touches them: "§5" is "Paragraf 5"; None for another word or a language without one."""
    for pattern, names in ((_SECTION_SIGN, _SECTION), (_NUMBER_SIGN, _NUMBER)):
        found, name = pattern.fullmatch(core), names.get(language.code)
        if found is not None and name is not None:
            return f"{name} {found[1]}".rstrip()
    return None


def fraction(core: str, language: SpokenLanguage) -> str | None:
    """ "1/2" and "½" in words; in a language whose words are not known the one sign, which its voice reads."""
    if len(core) == 1 and unicodedata.category(core) == "No":
        core = unicodedata.normalize("NFKC", core).replace("⁄", "/")
    if core in _COMMON and language.code in _FRACTIONS:
        return _FRACTIONS[language.code][_COMMON.index(core)]
    return _signs().get(core)


@lru_cache(maxsize=1)
def _signs() -> dict[str, str]:
    signs = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
    return {unicodedata.normalize("NFKC", sign).replace("⁄", "/"): sign for sign in signs}


def ordinal_with_degree(core: str, tail: str, context: ReadAhead, ahead: Ahead) -> str | None:
    """The "1°" of "il 1° marzo" and "al 2° piano"; None for degrees and other words, or WAIT."""
    found, language = _DEGREE.fullmatch(core), context.language
    if found is None or tail or language.code not in ("it", "es", "pt"):
        return None
    word = ahead.word()
    if word is None:
        return WAIT
    bare = word.rstrip(".,!?;:")
    after_article = context.before.lower() in _ARTICLES and not context.paused
    if bare.lower() in language.month_names or (after_article and bare.isalpha() and bare.islower() and len(bare) > 3):
        return language.ordinal(int(found[1]))
    return None


def day_and_month(core: str, tail: str, context: ReadAhead, ahead: Ahead) -> tuple[str, str] | None:
    """ "am 24.12." as CLDR writes it, "24. Dezember", and what is left of the marks; None for another word, or WAIT."""
    found, language = _DAY_AND_MONTH.fullmatch(core), context.language
    if found is None or language.code != "de" or not tail.startswith("."):
        return None
    said = language.day_of(int(found[2]), int(found[1]))
    if said is None:
        return None
    if len(tail) > 1:
        return said, tail[1:]
    word = ahead.word()
    if word is None:
        return WAIT, tail
    if context.before.lower().rstrip(".") in _BEFORE_DATE or word[:1].islower():
        return said, "" if word else tail
    return None


def scale(core: str, tail: str, context: ReadAhead) -> tuple[str, str] | None:
    """ "Mio." and "Mrd." after their number, in the language's own words, and the marks left; None for other words."""
    zeros = _SCALES.get(core)
    if zeros is None or not context.after_number:
        return None
    count = context.before.lstrip("+-~").replace(",", ".")
    name = context.language.scale(zeros, count)
    return (name, tail[1:] if tail.startswith(".") else tail) if name else None
