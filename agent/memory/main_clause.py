"""Whether quoted words are a whole main clause that nothing else in its sentence makes depend.

The forms of acts (`statements.py`) let a part of a clause be quoted, so they must know every word beside it. A
quotation that is a clause by itself, from its subject to its end, keeps its own words of doubt. What remains is what
stands before it and behind it in the same sentence: statements, and values, and nothing else.
"""

from __future__ import annotations

import re
from functools import lru_cache

from agent.memory.heads import FINITE, is_headed
from agent.memory.mentions import named_in
from agent.memory.sentences import clauses, depends, plain_words, promises
from agent.memory.statements import THINKS, is_told, opening_of, was_done_when
from agent.memory.words import words_of

_BOUNDARY = re.compile(r"(?:[,;:]|\s[–—-])\s+(?:(?:and|so|then)\s+)*$|\s(?:and|so)\s+(?:then\s+)?$|^$", re.IGNORECASE)
_BEHIND = re.compile(r"(?:[,;:]|\s[–—-])\s+|,?\s+(?:and|but|so|while)\s+", re.IGNORECASE)
_ONLY = re.compile(r"^only (?=the|your|his|her|their|our|my|[A-Z])")
_NOTHING = re.compile(r"^(?:nothing|nobody|no one|none|everything|everybody|both|all)\b", re.IGNORECASE)
_PLACED = re.compile(
    r"^(?:for|in|on|at|of|from|about|with) ((?:[\w'’-]+ ?){1,5}?),? (?=(?:the|your|our|my|his|her|their"
    r"|its?|i|we|you|he|she|they|there|nothing|nobody|everything|both|all)\b)",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:\w{2,}ed|came|went|left|got|took|put|sent|brought|made|did|gave|saw|found|told|lost|sold|bought|paid|ran"
    r"|began|fell|kept|met|said it|spoke|wrote)\b",
    re.IGNORECASE,
)
_DID = re.compile(  # "the van left at one"; an order ("consider it booked") begins with no such word
    r"^(?:the|your|our|my|his|her|their|its|this|that|he|she|it|they|we|i|you|nobody)\b(?: [\w'-]+){0,3}? ?"
    rf"{_PAST.pattern}",
    re.IGNORECASE,
)
_PERFECT = re.compile(r"^(?:you|we|i)(?:'ve|'re|'m| have| are| am| were| was| did| had)\b", re.IGNORECASE)
_YOU_WE = re.compile(
    r"^(?:you|we|i|one|somebody|someone|anybody|anyone|whoever|say|send|sign|pay|give)\b", re.IGNORECASE
)
_GOES_ON = re.compile(
    r"^(?!(?:which|who|what|where|when|if|as|or|that's (?:what|how|why|if|when))\b)(?:[\w$€£'.-]+ ){0,4}?[\w$€£.-]*"
    r"(?:(?<![\w'])(?:is|are|was|were|has|have|isn't|aren't|wasn't|weren't|hasn't|haven't|stays?|goes|starts?|costs?"
    r"|remains?|comes?|keeps?|runs?|can|can't)\b|'(?:s|re|ve|m|ll)\b)",
    re.IGNORECASE,
)
_OBLIGES = re.compile(
    r"\b(?:have|has|need|needs|got|'d) to\b|\byou'd\b"
    r"|\b(?:must|only|unless|but|except|if|once|though|although|however)\b",
    re.IGNORECASE,
)
_NO_OTHER = re.compile(r"^not (?:before|earlier|later|sooner)\b[\w' ]{0,12}$", re.IGNORECASE)
_REGRETS = re.compile(r"(?:(?:i'm|i am|we're) )?(?:so |very )?(?:sorry|afraid)", re.IGNORECASE)
_TRIED = re.compile(r"\btried\b", re.IGNORECASE)
_UNDONE = re.compile(r"^(?:\S+ ){1,4}had\b", re.IGNORECASE)
_HABIT = re.compile(r"\b(?:gets?|every \w+|each \w+|the same day)\b", re.IGNORECASE)


@lru_cache(maxsize=2_000)
def is_main_clause(sentence: str, start: int, end: int, thing: str, participles: tuple[str, ...]) -> bool:
    """Whether the words at `start` to `end` of a sentence are a whole statement, and what stands beside them leaves it
    one.
    """
    text = sentence.replace("’", "'")
    start, end = max(start, 0), min(end, len(text))
    begin = min(opening_of(text) + len(text) - len(text.lstrip()), start)
    before, quoted, after = text[begin:start], text[start:end].strip(), text[end:].strip(" .!…")
    return (
        _BOUNDARY.search(before) is not None
        and all(_leads(plain_words(part)) for _, part in clauses(before))
        and (_AND.search(before) is None or _says_something(clauses(before)))
        and _is_whole(quoted, thing)
        and was_done_when(quoted, participles)
        and _lets_stand(text[end:].rstrip(" .!…"), after)
    )


_AND = re.compile(r"\band\s+(?:then\s+)?$", re.IGNORECASE)


def _says_something(before: tuple[tuple[int, str], ...]) -> bool:
    """Whether what is joined to a statement by "and" is one too: "two signatures and the table is booked" is none."""
    told = [text for _, text in before if not _JOINS.fullmatch(text) and any(map(str.isalpha, text))]
    return not told or FINITE.search(told[-1]) is not None or _DID.match(plain_words(told[-1])) is not None


_JOINS = re.compile(r"\W*(?:(?:and|so|then)\W*)*", re.IGNORECASE)


def _leads(clause: str) -> bool:
    """Whether a clause before a statement is none that it could depend on: a statement of its own, or a word or two."""
    told = re.sub(r"^(?:and|so|then|but) ", "", clause.strip(" ,;:–—-"), flags=re.IGNORECASE)
    if not told:
        return True
    if THINKS.search(told) or depends(told) or promises(_TRIED.sub(" ", told)):
        return False
    if not FINITE.search(told) and not _DID.match(told):
        return is_told(told)
    return is_headed(told) and (not _YOU_WE.match(told) or _PERFECT.match(told) is not None)


def _is_whole(quoted: str, thing: str) -> bool:
    """Whether words begin with what they are about, and say something of it."""
    placed = _PLACED.match(quoted)
    if placed is not None:
        if named_in(thing, placed[1]) != "whole":
            return False
        quoted = quoted[placed.end() :]
    told = _ONLY.sub("", quoted)
    if _UNDONE.search(told) or _HABIT.search(told) or len(words_of(told)) < _FEWEST:
        return False
    if not FINITE.search(told) and not _DID.match(told):
        return False
    return _NOTHING.match(told) is not None or is_headed(told)


_FEWEST = 3  # words, "it" and its verb included


def _lets_stand(behind: str, after: str) -> bool:
    """Whether what follows a statement in its sentence leaves it as it is."""
    if not after:
        return True
    led = _BEHIND.match(behind)
    if led is None:
        return False
    for _, part in clauses(behind[led.end() :]):
        told = re.sub(r"^(?:and|so|then|but|while) ", "", part.strip(" ,;:–—-"), flags=re.IGNORECASE)
        if not told or _NO_OTHER.match(told) or _REGRETS.fullmatch(told) or is_told(told):
            continue
        if THINKS.search(told) or _OBLIGES.search(told) or not (_GOES_ON.match(told) or _DID.match(told)):
            return False
    return True
