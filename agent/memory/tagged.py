"""The words of a sentence as letters that say what each can be, so that a grammar is a regular expression of letters.

English has a closed list of function words: each has its letter here, or none. A word that is in no list is a content
word, which may stand in a name and nowhere else. What is left over (`x`) fits no form of `statements.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from agent.memory.values import values_in
from agent.memory.words import MARKS

_LETTERS = rf"[^\W_][\w{MARKS}]*"
_TOKEN = re.compile(rf"[$€£]?{_LETTERS}(?:[-'.@/&:]{_LETTERS})*|[,;:()\"“”«»]|\s[–—-]\s")
_SHORT = re.compile(r"^(.+?)'(s|re|m|ve|d|ll)$")
_MASKED = frozenset({"time", "date", "month", "price", "phone", "email", "count", "code", "address"})
_FUTURE_DAY = re.compile(r"^(?:today|tonight|tomorrow|(?:the )?day after tomorrow|next\b.*|this \w+)$", re.IGNORECASE)

_FIXED = re.compile(  # whole phrases that have a letter of their own
    r"\b(?:(went ahead|gone ahead|gone)(?= and\b)|as (?:you )?(?:asked|requested|agreed|wished|wanted|discussed)"
    r"(?: (?:for|me to))?|as of (?:today|now|this (?:minute|moment))|for you now|right away"
    r"|of (?:each|every|the) (?:day|week|month|year|quarter)"
    r"|at no (?:extra )?(?:charge|cost)|free of charge"
    r"|(this (?:morning|afternoon|evening))(?= *(?:$|[,;:])))",
    re.IGNORECASE,
)
_CALLING = frozenset("reported recorded registered marked noted".split())  # "reported sick": what it is called follows
_NUMBERS = frozenset("one two three four five six seven eight nine ten eleven twelve noon midnight".split())

LETTERS: dict[str, str] = {
    **dict.fromkeys("the these those this".split(), "d"),
    "that": "t",
    **dict.fromkeys("your our my his their its".split(), "y"),
    "her": "h",
    **dict.fromkeys("a an".split(), "a"),
    **dict.fromkeys("both all".split(), "q"),
    **dict.fromkeys("i we".split(), "i"),
    "you": "u",
    "it": "e",
    **dict.fromkeys("they he she everything yours mine hers ours theirs there".split(), "p"),
    **dict.fromkeys("me us him them".split(), "o"),
    **dict.fromkeys("is am".split(), "B"),
    "are": "E",
    **dict.fromkeys("was were".split(), "W"),
    **dict.fromkeys("has have".split(), "H"),
    "been": "b",
    "for": "f",
    "to": "T",
    "on": "n",
    "in": "j",
    "at": "k",
    "under": "g",
    "with": "w",
    "from": "m",
    **dict.fromkeys("until till between".split(), "l"),
    "of": "O",
    **dict.fromkeys("near beside".split(), "v"),
    **dict.fromkeys(", ; : – — -".split(), ","),
    "and": "&",
    "so": "s",
    **dict.fromkeys(
        "now already just also down up off successfully officially herewith hereby duly safely too again still"
        " back yesterday".split(),
        "A",
    ),
}
"""What a function word can be. A letter each: see the forms of `statements.py`."""

# Closed classes that fit no form: what stands beside them is conditional, denied, reported, wished, asked or timed.
_CLOSED = frozenset(
    "if unless once when whenever while until till as though although whether because since that who whom whose which"
    " what where wherever why how whatever than then but or nor yet either neither not no none nothing nobody nowhere"
    " never ever any anybody anyone anything some somebody someone something every everybody everyone each few fewer"
    " many more most much several such own same other others another else half part little less least only even almost"
    " nearly hardly barely rather quite perhaps maybe will would shall should can could may might must ought need dare"
    " used do does did done be being am having had get gets got getting gotten go goes going gone come comes let lets"
    " make makes take takes say says said tell tells told think thought know knows see sees seem seems want wants"
    " like likes hope hopes wish please about above across after against along among around before behind below"
    " beneath by beyond despite during except inside into onto opposite out outside over past per plus"
    " regarding round than through throughout toward towards underneath unlike upon via within without except bar"
    " minus pending barring given granted assuming providing provided supposing supposed subject till here there soon"
    " later tomorrow tonight always often sometimes seldom usually normally otherwise instead meanwhile afterwards"
    " anyway however therefore i we they he she it you me us him them myself yourself itself oneself".split()
)
_QUIET_LY = re.compile(
    r"(?:fami|rep|sup|ju|ear|dai|week|month|year|hour|i?nsta|assemb|ral|bel|jel|butterf|nigh|sal)ly$"
)
# Nouns of a phrase that make a statement depend ("on paper", "for the time being"); a thing of that name may be booked.
_DEPENDING = frozenset(
    "condition conditions event case cases paper theory principle practice request demand receipt arrival approval"
    " consent okay ok confirmation signature moment minute second meantime meanwhile assumption understanding basis"
    " sake record best latest earliest worst point extent degree sense dreams mind head opinion view eyes books error"
    " mistake accident most least part time way idea plan end hope exception effect fact truth reality knowledge mercy"
    " name trial test demo show fun draft example instance agreement deposit payment clearance review"
    " verification".split()
)
_PLACES = frozenset(
    "account accounts card booking order phone list file name names number calendar system behalf diary profile policy"
    " contract inbox basket cart bill invoice tab address plan".split()
)


@dataclass(frozen=True, slots=True)
class Tagged:
    """A sentence in letters; `starts` has the place of each letter's word in the text."""

    letters: str
    words: tuple[str, ...]
    starts: tuple[int, ...]


@lru_cache(maxsize=2_000)
def tagged(text: str, participles: tuple[str, ...]) -> Tagged:
    """The words of a sentence with their letters; `participles` (one or two words each) have the letter `R`."""
    told = text.replace("’", "'")
    spans = [(v.start, v.start + len(v.text), v) for v in values_in(told) if v.kind in _MASKED]
    letters: list[str] = []
    words: list[str] = []
    starts: list[int] = []

    def add(letter: str, word: str, start: int) -> None:
        letters.append(letter)
        words.append(word)
        starts.append(start)

    tokens = list(_TOKEN.finditer(told))
    joined = _two_words([match[0].lower() for match in tokens], participles)
    phrases = [
        (found.start(), found.end(), "C" if found[1] else "M" if found[2] else "Y") for found in _FIXED.finditer(told)
    ]
    for place, match in enumerate(tokens):
        word, start = match[0].strip().rstrip("."), match.start()
        value = next((v for a, b, v in spans if a < match.end() and start < b), None)
        phrase = next((held for held in phrases if held[0] <= start < held[1]), None)
        if phrase is not None:
            if start == phrase[0]:
                add(phrase[2], word.lower(), start)
        elif place in joined:
            add("R" if joined[place] else "A", joined[place] or word.lower(), start)
        elif value is not None and word not in ",;:":
            add("G" if _FUTURE_DAY.match(value.text) else "V", word.lower(), start)
        else:
            for letter, part in _letters_of(word, first=not words or letters[-1] == ","):
                named = letter == "N" and letters[-1:] == ["R"] and words[-1] in _CALLING
                add("A" if named else "R" if part in participles else letter, part, start)
    return Tagged("".join(letters), tuple(words), tuple(starts))


def _two_words(words: Sequence[str], participles: Iterable[str]) -> dict[int, str]:
    """Where participles of two words stand, also apart ("put you down"): the place of the first, and of the second."""
    found: dict[int, str] = {}
    for phrase in participles:
        first, _, second = phrase.partition(" ")
        if not second:
            continue
        for place, word in enumerate(words):
            if word != first:
                continue
            after = words[place + 1 : place + 6]
            reach = after[: after.index(",")] if "," in after else after
            if second in reach:
                found[place] = phrase
                found[place + 1 + reach.index(second)] = ""
    return found


def _letters_of(word: str, *, first: bool) -> list[tuple[str, str]]:
    low = word.lower()
    if low in LETTERS:
        return [(LETTERS[low], low)]
    short = _SHORT.match(low)
    if short is not None:
        base, end = short[1], short[2]
        known = LETTERS.get(base, "") or ("x" if base in _CLOSED else "")
        if end == "s" and not known:
            return [("S", low)]
        ends = {"s": "B", "re": "E", "m": "B", "ve": "H"}
        return [(known or "N", base), (ends.get(end, "x"), "'" + end)]
    if word[0].isupper() and not first and not word.isupper():
        return [("U", low)]
    if (
        low in _CLOSED
        or low.endswith("n't")
        or (low.endswith("ly") and not _QUIET_LY.search(low))
        or low[0] in '"“”«»()'
    ):
        return [("x", low)]
    if any(map(str.isdigit, low)) or low in _NUMBERS:
        return [("V", low)]
    if low in _DEPENDING:
        return [("L" if low in _PLACES else "Q", low)]
    return [("L" if low in _PLACES else "N", low)]
