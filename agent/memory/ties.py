"""Whether a clause ties its words to a thing or to something else: by its head, its person, or what was done to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache

from agent.memory.flows import Flows
from agent.memory.mentions import (
    DETERMINERS,
    ENDS,
    OWNED,
    PREPOSITIONS,
    PRONOUNS,
    Head,
    head_of,
    root,
    roots,
    vocabulary,
)
from agent.memory.values import values_in
from agent.memory.words import STOP_WORDS, stem, words_of

_FOR_IT = re.compile(r"^\s*(?:\w+ )?for (?:(?:the|a|an|your|our|his|her)\b|(?-i:[A-Z]))[^,.;]*", re.IGNORECASE)


def _of_another(name: str, clause: str) -> bool:
    """Whether a thing that bears a proper name ("transfer to Sara Lind") stands against another one in a clause."""
    own = {root(stem(word.lower())) for word in re.findall(r"\b[A-Z][\w'’-]+", name[1:])}
    named = [found for found in values_in(clause) if found.kind == "name"]
    return bool(own) and any(not vocabulary(found.text) & vocabulary(name) for found in named)


def _head(words: str, span: tuple[int, int], touched: Sequence[tuple[int, str]], *, whole: bool) -> Head:
    """The head of a value's first clause, the value itself left out of it unless it is the `whole` statement."""
    if not touched:
        return Head("silent")
    at, text = touched[0]
    if not whole:
        start, end = max(0, span[0] - at), max(0, span[1] - at)
        after = _FOR_IT.match(text[end:])  # "$9 for the booster"
        head = head_of(text[:start])
        return head if head.kind == "named" or after is None else head_of(after[0])
    return head_of(text)


def rivals(text: str, name: str, own: Collection[str], attribute: str, bridges: Callable[[Head], bool]) -> bool:
    """Whether a clause is plainly about something else than the thing of that name."""
    head = head_of(text)
    rival = head.words - roots(frozenset(map(stem, words_of(attribute))))
    return head.strong and bool(rival) and not rival & (vocabulary(name) | frozenset(own)) and not bridges(head)


def goes_on(text: str, before: str) -> bool:
    """Whether a statement goes on with what the one before it was about ("Your reference is …", not "Yours stays")."""
    head = head_of(text)
    if head.kind == "named":
        return bool(head.words & vocabulary(before))
    return head.pronoun not in OWNED


_TITLES = frozenset("mr mrs ms dr miss".split())


_ASKED = roots(frozenset(map(stem, "pay owe cost take need open close start end come bring long late much".split())))


_SELF = frozenset("my mine your yours own our ours".split())


def _acts(flows: Flows) -> frozenset[str]:
    return _act_roots(tuple(flows.acts))


@lru_cache(maxsize=16)
def _act_roots(cues: tuple[str, ...]) -> frozenset[str]:
    return frozenset(root(stem(word)) for cue in cues for word in cue.split())


_EMPTY = (
    STOP_WORDS
    | ENDS
    | PREPOSITIONS
    | DETERMINERS
    | PRONOUNS
    | OWNED
    | frozenset("put taken made set marked saved noted down up off back list place well done today yet".split())
)
