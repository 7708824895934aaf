"""Whether a statement begins plainly with what it is about: "The table is booked", and nothing before it.

What can stand before a statement and turn it round has no end ("supposedly", "as far as I know", "your wife told us",
"one click and"), so it is not listed: what may stand there is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise, takewhile

from agent.memory.sentences import clauses, plain_words, promises
from agent.memory.words import STOP_WORDS, words_of

FINITE = re.compile(
    r"\b(?:is|are|(?<=i )am|was|were|has|have|had|stays?|stands?|remains?|starts?|begins?|continues?|goes|needs?|costs?"
    r"|ends?|\w+n't)\b|\b(?:it|that|this|there|here|he|she|who|what|everything|i|you|we|they)'(?:s|re|ve|m|d)\b",
    re.IGNORECASE,
)
_SHORTENED = re.compile(r"'s(?= )")  # "Leo's booked", unless another verb follows ("Leo's lesson is booked")
_OF_A_DAY = re.compile(r"\b(\w*day|tomorrow|tonight|week|month|year|morning|evening|night)'s\b", re.IGNORECASE)
_DETERMINERS = frozenset("the a an your our my his her their its this that these those".split())
_PRONOUNS = frozenset("i we you he she it they us me him them there".split())
_PLACING = frozenset(
    "of for to at on in with from under by and or plus near between beside about over until till through per".split()
)
_NO_HEADS = frozenset(
    "as in by on at from with without after before until till under to for like despite given since because where why"
    " how who what which rumour rumor word while even though although sometimes often seldom not or but per via upon"
    " tomorrow tonight later soon".split()
)
_UNFINISHED = frozenset({"to", "that", "whether", "if", "not"})
_OF_DAYS = frozenset({"tomorrow", "tonight", "later"})
_ADVERB = re.compile(r"(?<!fami)(?<!rep)(?<!ju)(?<!ear)(?<!dai)(?<!week)(?<!month)(?<!year)(?<!hour)ly$")
_HEAD_WORDS = 14
_ASIDE_WORDS = 5
_SAYS_HOW = re.compile(
    r"\b(?:is|are|was|were|has|have|been|got|\w{3,}ed|done|made|put|set)\b|'(?:s|re|ve|m)\b", re.IGNORECASE
)
_ORDERS = frozenset("you we they i he she one send sign pay say just".split())
_AND = re.compile(r"\band(?: then)? $", re.IGNORECASE)
_ORDERED = [["consider"], ["imagine"], ["take"], ["get"], ["have"], ["call"], ["mark"], ["make"]]
_UNDONE = re.compile(r"^(?:\S+ ){1,4}had\b", re.IGNORECASE)  # "I had the seats reserved, and …"
_AFTERWARDS = re.compile(r"^(?:(?:then|later|afterwards)\b.*\b(?:was|were|had|got)|until)\b", re.IGNORECASE)
_HABIT = re.compile(
    r"\b(?:gets?|every (?:day|night|week|month|year|morning|evening|time|hour|\w+day)|each (?:day|night|week|month|year"
    r"|morning|evening|time)|the same day)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=2_000)
def plainly_said(sentence: str, start: int = 0, end: int | None = None) -> bool:
    """Whether the clause at `start` to `end` of a sentence begins with what it is about, and what stands before it is
    a word or two, or a statement of how things are.
    """
    if _HABIT.search(sentence):
        return False
    end = len(sentence) if end is None else end
    parts = clauses(sentence)
    own = [place for place, (at, text) in enumerate(parts) if at < end and start < at + len(text)]
    if not own:
        return False
    at, words = parts[own[0]]
    clause = plain_words(words)
    inside = max(0, start - at - (len(words) - len(clause)))
    verbs = [place for place in _verbs(clause) if place < end - at]
    if len(own) == 1 and sum(place < inside for place in verbs) + any(place >= inside for place in verbs) > 1:
        return False  # "it's possible the invoice is paid"
    if _two_names(clause, verbs):
        return False
    if _UNDONE.search(clause) or any(_AFTERWARDS.search(text) for _, text in parts[own[-1] + 1 :]):
        return False
    if not verbs and (inside or words_of(clause)[:1] in _ORDERED):
        return False  # "consider it booked"
    before = [plain_words(text) for _, text in parts[: own[0]]]
    if any(text and not is_aside(text) for text in before):
        return False
    if before and _AND.search(sentence[:at]) and not _SAYS_HOW.search(before[-1]) and _begins(clause):
        return _begins(before[-1])  # "one click and the table is booked", but "the suit and the dress are ready"
    return is_headed(clause)


def _two_names(clause: str, verbs: list[int]) -> bool:
    """Whether a name follows another without a word between them: "… is booked the day your payment arrives"."""
    words = list(takewhile(lambda word: word not in _SUBORDINATES, words_of(clause[verbs[0] :]) if verbs else []))
    return any(
        word in _ARTICLES | _SUBJECTS
        and before not in STOP_WORDS | _PLACING | _PRONOUNS | _DETERMINERS | _GIVEN
        and not _SAYS_HOW.search(before)
        and not _A_DAY.fullmatch(before)
        for before, word in pairwise(words[2:])
    )


_OF_SOMETHING = re.compile(
    r"\b(?:the|an?|your|our|my|his|her|their|its?|this|that|these|those)\b(?! \d)", re.IGNORECASE
)
_A_DAY = re.compile(r"\w+days?|\d+")
_SUBJECTS = frozenset({"i", "we", "you", "he", "she", "they"})
_ARTICLES = frozenset("the a an your our my his her their".split())
_SUBORDINATES = frozenset("until till because since while that so".split())
_GIVEN = frozenset(
    "sent given taken paid bought got left kept held found shown told lent off out down up back now just".split()
)


def _begins(clause: str) -> bool:
    return bool(set(words_of(clause)[:1]) & (_DETERMINERS | _PRONOUNS))


def _verbs(clause: str) -> list[int]:
    """Where the finite verbs of a clause begin; a pronoun that one is joined to ("it's") stands before its place."""
    told = _OF_A_DAY.sub(r"\1xs", clause.replace("’", "'"))
    found: list[int] = []
    for verb in FINITE.finditer(told):
        joined = "'" in verb[0] and not verb[0].lower().endswith("n't")
        found.append(verb.start() + verb[0].index("'") if joined else verb.start())
    return found or [verb.start() for verb in _SHORTENED.finditer(told)][:1]


def is_aside(clause: str) -> bool:
    """Whether words before a statement are a statement themselves, or a word or two that nothing can depend on."""
    words = words_of(clause)
    if _SAYS_HOW.search(clause) or _verbs(clause):
        return is_headed(clause) and not promises(clause)
    if not words or len(words) > _ASIDE_WORDS or words[0] in _ORDERS | _NO_HEADS:
        return False
    return not _OF_SOMETHING.search(
        clause
    )  # "given a signature, …" is a condition; "Garza, …" and "thank you, …" are not


def is_headed(clause: str) -> bool:
    """Whether a clause begins with one name for something ("the room for your son") up to its verb."""
    verbs = _verbs(clause)
    words = words_of(clause[: verbs[0]]) if verbs else words_of(clause)
    if len(words) > 1 and re.match(r"\S+['’]s\b", clause):
        words = words[1:]  # "tomorrow's lesson is …" begins with a name, "tomorrow the lesson is …" does not
    if not verbs:
        return not words or not (words[0] in _NO_HEADS or _ADVERB.search(words[0]))
    if not words:
        return True
    if (
        (len(words) > 1 and words[-1] in _UNFINISHED)
        or len(words) > _HEAD_WORDS
        or any(_ADVERB.search(word) for word in words)
    ):
        return False
    if words[0] in _NO_HEADS and not (words[0] in _OF_DAYS and len(words) > 1 and words[1] in _PLACING):
        return False
    return not any(word in _DETERMINERS | _PRONOUNS and before not in _PLACING for before, word in pairwise(words))
