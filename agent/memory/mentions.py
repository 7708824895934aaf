"""What a clause is about, by its form alone: the name at its head, or a pronoun that points back.

No list of things is needed. A clause that begins with a name of its own ("the compact is …", "for the armchair …", "in
green it …") is about that name; one that begins with a pronoun, or with nothing but values, goes on with what was named
before it. A thing is named by words that tell it apart: "short hair" does not name "long hair", nor "lane 4" "lane 1".
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from agent.memory.sentences import plain_words
from agent.memory.values import values_in
from agent.memory.words import MARKS, STOP_WORDS, stem, words_of

FINITE = re.compile(
    r"\b(?:is|are|(?<=i )am|was|were|has|have|had|stays?|stands?|remains?|starts?|begins?|continues?|goes|needs?|costs?"
    r"|ends?|\w+n't)\b|\b(?:it|that|this|there|here|he|she|who|what|everything|i|you|we|they)'(?:s|re|ve|m|d)\b",
    re.IGNORECASE,
)
_TOKEN = re.compile(rf"(?:[^\W_][{MARKS}]*)+(?:['’][^\W_]+)*")
PRONOUNS = frozenset(
    "i we you he she it they that this these those there here who everything nothing something anything all both each"
    " nobody everybody none".split()
)
OWNED = frozenset("mine yours ours hers his theirs".split())
DETERMINERS = frozenset(
    "the a an your our my his her its their this that these those another any no some each every".split()
)
_POINTING = frozenset({"this", "that", "these", "those"})
PREPOSITIONS = frozenset(
    "for in on at with without by from to of under about as until till between near via beside besides except after"
    " before over through per".split()
)
_LINKS = frozenset({"of", "for", "at", "in", "on", "with", "from", "to", "under", "near"})
OF = frozenset({"of", "for"})
ENDS = frozenset(
    "and or but so then now just also still already only please too again once where when because that which who not"
    " left ending costs comes goes takes stays holds opens closes arrives".split()
)
ASKING = re.compile(
    r"^(?:(?:and|but|so|then|or|also|well|oh|um|uh|hm+|okay|ok|first|second|third|now|by the way)[\s,]+)*"
    r"(?:(?:how (?:much|many|long|far|soon|late|early|about)|what(?:'s| about| is| are| time| day)?|when(?:'s)?"
    r"|where(?:'s)?|why(?:'s)?|who(?:'s)?|which|how|what|is|are|was|were|do|does|did|can|could|will|would|shall|should"
    r"|may|has|have|had)\b\s*)*",
    re.IGNORECASE,
)
_CODE = re.compile(r"[A-Za-z].*\d|\d.*[A-Za-z]|\d{4}")
_DIGITS = frozenset("zero oh two three four five six seven eight nine double triple".split())  # as they are dictated
_MASKED = frozenset({"time", "date", "month", "price", "phone", "email", "count", "code"})
_ENGLISH = frozenset(
    "the is are you your we it of and have has i'm you're it's i've we've that's there's do does not this they at"
    " pm today tomorrow please thanks with my she he".split()
)
_ONLY_ENGLISH = frozenset(
    "the are you your and i'm you're it's i've that's they today tomorrow please thanks with she would like i'd"
    " i'll yes yeah from going leaving there's".split()
)
# Nouns that say what a value is and not whose: "the price is $12" goes on with what was named before.
ATTRIBUTES = frozenset(
    stem(word)
    for word in (
        "price cost fee total amount sum charge balance number code reference confirmation id date time day hour slot"
        " appointment booking reservation order request visit session status name rest"
        " thing one ones reason answer way bit minute moment new old other same own first second next last"
    ).split()
)
# "need" alone is Estonian as well
_WISH = re.compile(r"\b(?:i|we|he) (?:want|need)|\bneeds? (?:an?|to|some)\b", re.IGNORECASE)
Kind = Literal["named", "pointing", "silent"]


@dataclass(frozen=True, slots=True)
class Head:
    """What a clause begins with."""

    kind: Kind
    """`named`: a name of its own; `pointing`: a pronoun; `silent`: neither, as in "$9 a day"."""
    words: frozenset[str] = frozenset()
    """Stems of the name, without values and nouns that only say what a value is."""
    codes: frozenset[str] = frozenset()
    """Numbers and codes that stand where a name would."""
    pronoun: str = ""
    """The pronoun, or whose the name is ("his")."""
    definite: bool = False
    """Whether the name is of something known: "the deposit", not "a freeze"."""
    strong: bool = False
    """Whether the name has an article or a capital and something is said of it: it is no verb and no bare answer."""


@lru_cache(maxsize=4_000)
def head_of(clause: str) -> Head:
    """What a clause is about, as its first words have it."""
    told = plain_words(clause)
    told = told[ASKING.match(told).end() :] if ASKING.match(told) else told  # type: ignore[union-attr]
    tokens = tokens_in(told)
    place = 0
    owner = ""
    while place < len(tokens):
        word = tokens[place][0].lower()
        owner = owner or (word if word in ("his", "her", "their") else "")
        if word in OWNED and not (word == "his" and _goes_on(tokens, place + 1)):
            return Head("pointing", pronoun=word)
        if word in _POINTING and not _noun_follows(tokens, place + 1):
            return Head("pointing", pronoun=word)
        base = word.partition("'")[0].partition("’")[0]
        if base in PRONOUNS and word not in DETERMINERS:
            return Head("pointing", pronoun=base)
        phrase, after = phrase_at(tokens, place)
        content = frozenset(root(stem(item)) for item, masked in phrase if not masked) - roots(ATTRIBUTES)
        if content:
            strong = after < len(tokens) and (word in DETERMINERS or _capital(tokens, place, after))
            definite = word in DETERMINERS - {"a", "an", "another", "any", "some", "no", "each", "every"}
            return Head("named", content, frozenset(), owner, definite, strong)
        codes = frozenset(item.lower() for item, masked in phrase if masked and _CODE.search(item))
        if codes and word not in PREPOSITIONS:
            return Head("silent", codes=codes)
        if after <= place or word not in PREPOSITIONS:
            return Head("silent", pronoun=owner)
        place = after  # "on Friday the compact …"
    return Head("silent", pronoun=owner)


def tokens_in(text: str) -> list[tuple[str, bool]]:
    """The words of a text, and whether each is part of a value."""
    spans = [(v.start, v.start + len(v.text)) for v in values_in(text) if v.kind in _MASKED]
    return [
        (
            found[0].rstrip("."),
            found[0].lower() in _DIGITS or any(a < found.end() and found.start() < b for a, b in spans),
        )
        for found in _TOKEN.finditer(text)
    ]


def phrase_at(tokens: list[tuple[str, bool]], place: int) -> tuple[list[tuple[str, bool]], int]:
    """The name that begins at a place: up to its verb, with what "of", "for" or "at" ties to it."""
    found: list[tuple[str, bool]] = []
    if place < len(tokens) and tokens[place][0].lower() in PREPOSITIONS:
        place += 1
    while place < len(tokens) and len(found) < 8:
        word, masked = tokens[place][0].lower(), tokens[place][1]
        if word in DETERMINERS or (word in _LINKS and found):
            if word in _LINKS - OF and all(masked for _, masked in found):
                break  # "Tuesday at 3 with Dr. Novak" is a day, and "with" tells no thing
            place += 1
            continue
        base = word.partition("'")[0].partition("’")[0]
        if word in ENDS or word in PREPOSITIONS or base in PRONOUNS or FINITE.fullmatch(word):
            break
        short = re.fullmatch(r"(\w+)['’](?:s|re|ve|d|ll)", word)
        if short is not None and place + 1 < len(tokens) and not _noun_follows(tokens, place + 1):
            found.append((short[1], masked))
            break  # "Leo's booked"
        if word not in STOP_WORDS:
            found.append((word.removesuffix("'s").removesuffix("’s"), masked or word.isdigit()))
        place += 1
    return found, place


def _goes_on(tokens: list[tuple[str, bool]], place: int) -> bool:
    return place < len(tokens) and not FINITE.fullmatch(tokens[place][0])


def _noun_follows(tokens: list[tuple[str, bool]], place: int) -> bool:
    if place >= len(tokens):
        return False
    word = tokens[place][0].lower()
    if re.search(r"['’]s$", word) and place + 1 < len(tokens):
        return _noun_follows(tokens, place + 1)  # "this Tuesday's collection"
    stops = ENDS | PREPOSITIONS | {"one", "ones", "went", "works", "makes"}
    return not (word in stops or word.partition("'")[0] in PRONOUNS or FINITE.fullmatch(word)) and not tokens[place][1]


def _capital(tokens: list[tuple[str, bool]], place: int, after: int) -> bool:
    """Whether the words at a place are a name by their capital, or a bare noun before its verb ("Bronze is")."""
    if after < len(tokens) and FINITE.fullmatch(tokens[after][0]):
        return True
    return place > 0 and tokens[place][0][0].isupper()


def root(word: str) -> str:
    """The beginning that forms of a word share: "deliver", "delivered" and "delivery" meet."""
    return word[: max(5, len(word) - 3)] if word.isascii() and word.isalpha() else word


def rooted(word: str) -> str:
    """The root of a word as it stands in a text; "yours" is a name of its own, and no form of "your"."""
    return word if word in OWNED else root(stem(word))


def roots(words: Collection[str]) -> frozenset[str]:
    return frozenset(map(root, words))


@lru_cache(maxsize=2_000)
def vocabulary(name: str) -> frozenset[str]:
    """The roots of the words of a thing's name; its function words where it has no others ("yours")."""
    words = words_of(name)
    return frozenset(rooted(word) for word in words if word not in STOP_WORDS) or frozenset(words)


@lru_cache(maxsize=2_000)
def is_english(text: str) -> bool:
    """Whether a text has a common word of English, and of no language like it ("is", "of", "we" are Dutch as well)."""
    return bool(_ONLY_ENGLISH.intersection(words_of(text))) or _WISH.search(text) is not None


def is_foreign(text: str) -> bool:
    """Whether a text is in another language than English: clauses and heads tell nothing of it then."""
    words = [word for word in words_of(text) if len(word) > 1 and not word.isdigit()]
    if _ENGLISH & set(words) or re.search(r"\w'(?:s|re|ve|m|ll|d)\b", text.replace("’", "'")):
        return False
    letters = [char for char in text if char.isalpha()]
    latin = sum(char < "\u0250" for char in letters)
    return latin * 2 < len(letters) or len(words) >= _SENTENCE


_SENTENCE = 6  # words that hold a common one, if they are English


def goes_on(text: str, before: str) -> bool:
    """Whether a statement goes on with what the one before it was about ("Your reference is …", not "Yours stays")."""
    head = head_of(text)
    if head.kind == "named":
        return bool(head.words & vocabulary(before))
    return head.pronoun not in OWNED
