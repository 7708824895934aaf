"""Words as memory compares them: lower-cased, stopped, stemmed; and the estimate of tokens."""

from __future__ import annotations

import re
from functools import lru_cache

HOUR_WORDS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
"""An hour in words, for a regular expression."""
NUMBER_WORDS = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen"
    "|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred"
)
"""An amount in words, for a regular expression; "one" is as often no amount."""
CHARACTERS_PER_TOKEN = 4  # the estimate used all over memory; Claude's own count comes back with each call's usage

# Vowel signs and the like are letters to a reader and not to `\w`: without them a word of Hindi falls into pieces.
MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed" + "".join(
    f"{chr(first)}-{chr(first + 3)}{chr(first + 0x3C)}-{chr(first + 0x4F)}{chr(first + 0x51)}-{chr(first + 0x57)}"
    f"{chr(first + 0x62)}-{chr(first + 0x63)}"
    for first in range(0x0900, 0x0E00, 0x80)
)
"""Combining marks, as a range of a character class: accents, Hebrew and Arabic points, and the scripts of India."""
_ASCII_WORD = re.compile(r"[^\W_]+(?:'[^\W\d_]+)?")
_WORD = re.compile(rf"(?:[^\W_][{MARKS}]*)+(?:'[^\W\d_]+)?")
# Scripts written without spaces: their runs are compared by pairs of characters.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Those scripts, as a range of a character class."""
_UNSPACED = re.compile(f"[{UNSPACED}]+")
# Line breaks would let quoted words pass for lines of the notes; PostgreSQL refuses NUL, XML refuses control
# characters, and lone surrogates have no UTF-8 form.
_UNSPEAKABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")
_SUFFIXES = (
    *("ization", "ations", "ation", "ingly", "edly", "ments", "ment", "ness", "ings", "ing"),
    *("ies", "ied", "ions", "ion", "ers", "er", "ed", "es", "ly", "s", "al", "e"),
)

_STOPPED = """
a an the of to and or in on for with at by from is are was were be been being am i you he she it we they me my
your his her its our their this that these those there here what which who whom when where why how do does did
done have has had will would can could should may might shall not no n't s 're 'm 've 'd 'll so just um uh
yeah yes okay ok oh well like know think mean really gonna about as if then than but very also any some all
more most much many up out one get got go going say said talk talked please thanks thank want need i'm it's
that's i'd i'll i've don't let discuss discussed discussion describe summarize summarise opinion according
group team people tell
"""
STOP_WORDS = frozenset(_STOPPED.split())
_DEFINITE = frozenset("the this that these those my our your his her its their".split())


def tokens_of(text: str) -> int:
    """The estimated tokens of a text: four characters a token, rounded up."""
    return (len(text) + CHARACTERS_PER_TOKEN - 1) // CHARACTERS_PER_TOKEN


_SECTIONS = re.compile(r"(call|own|tool)_(memory|notes|results)", re.IGNORECASE)


def within_section(text: str) -> str:
    """A text that cannot pass for the beginning or the end of a section of a prompt, whichever it stands in."""
    return _SECTIONS.sub(r"\1-\2", text)


def plain(text: str) -> str:
    """A text on one line: control characters, line breaks and lone surrogates become a space; trimmed at both ends."""
    return _UNSPEAKABLE.sub(" ", text).strip()


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Cuts one English ending of a word in plain letters, folds a doubled last letter and a final y: "booked",
    "booking" and "books" meet.
    """
    if not word.isascii():
        return word
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)]
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:-1] + "i" if word.endswith("y") else word


def words_of(text: str) -> list[str]:
    """All words of a text in order, lower-cased and without the possessive 's ("what's" is "what")."""
    if text.isascii():
        return [word.removesuffix("'s") for word in _ASCII_WORD.findall(text.lower())]
    found = [word.removesuffix("'s") for word in _WORD.findall(text.lower().replace("’", "'"))]
    return [part for word in found for part in _parted(word)]


def _parted(word: str) -> list[str]:
    """A run of a script without spaces as its pairs of characters; any other word as it is."""
    if not _UNSPACED.search(word):
        return [word]
    return [word[place : place + 2] for place in range(max(1, len(word) - 1))]


def latin_apart(text: str) -> str:
    """A text of the same length in which scripts without spaces are blank, so that "PE19" has ends in "PE19です"."""
    return text if text.isascii() else _UNSPACED.sub(lambda run: " " * len(run[0]), text)


def stems_of(text: str) -> list[str]:
    """The stems of a text in order, stop words kept: for cues of several words."""
    return [stem(word) for word in words_of(text)]


def content_stems(text: str) -> list[str]:
    """The stems of a text without stop words: for comparing what texts are about."""
    return [stem(word) for word in words_of(text) if word not in STOP_WORDS]


def definite_stems(text: str) -> set[str]:
    """The stems of the words that "the", "that", "my" and their like stand before, each up to the next stop word or
    mark: "buy tickets for the late show that you found" has "late" and "show". English alone has any.
    """
    found: set[str] = set()
    lowered = text.lower().replace("’", "'")
    inside, end = False, 0
    for match in _WORD.finditer(lowered):
        word = match[0]
        inside = inside and lowered[end : match.start()] in (" ", "-")
        end = match.end()
        if word in _DEFINITE:
            inside = True
        elif word in STOP_WORDS:
            inside = False
        elif inside:
            found.add(stem(word.removesuffix("'s")))
    return found
