"""Whether a value is not the thing's, since the utterance gives the thing another one of the same shape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from agent.memory.heads import FINITE
from agent.memory.mentions import head_of, is_foreign, named_in, parts_of, rooted, vocabulary
from agent.memory.sentences import asks, sentences
from agent.memory.shapes import others_of_shape
from agent.memory.values import without_repairs
from agent.memory.words import STOP_WORDS, content_stems, words_of

_POINTING = frozenset("it its it's that that's this they them these those there he she".split())


def has_another_value(words: str, span: tuple[int, int], thing: str) -> bool:
    """Whether a clause of the utterance names the thing and gives it a value of the same shape, and the value's own
    clause is about something else: it is in another language, is nothing but the value, or begins with it.
    """
    value = words[span[0] : span[1]]
    parts = parts_of(words)
    own = next(((at, text) for at, text in parts if at <= span[0] < at + len(text)), None)
    if own is None or _names(thing, own[1]):
        return False
    if not (is_foreign(words) or _begins_with(own[1], value)):
        return False
    asked = [one for one in sentences(words) if asks(one.text)]
    kept = set(others_of_shape(value, without_repairs(words)))
    return any(
        _names(thing, text) and set(others_of_shape(value, text)) & kept
        for at, text in parts
        if at != own[0] and not any(one.start <= at < one.end for one in asked)
    )


def is_of_itself(words: str, span: tuple[int, int], thing: str, attribute: str) -> bool:
    """Whether a name is the subject of its clause, which says it of something else: "Bus 81 goes to the port"."""
    value = words[span[0] : span[1]]
    text = next((text for at, text in parts_of(words) if at <= span[0] < at + len(text)), "")
    told, wanted = words_of(text), words_of(value)
    rest = told[len(wanted) :]
    if not value[:1].isupper() or told[: len(wanted)] != wanted or not rest or is_foreign(words):
        return False
    if not (FINITE.match(rest[0]) or re.fullmatch(r"\w{2,}(?:s|ed)", rest[0])) or _POINTING & set(rest):
        return False
    known = vocabulary(thing) | vocabulary(attribute or thing)
    return bool(content_stems(" ".join(rest[1:]))) and not known & {rooted(word) for word in rest}


def points_at(words: str, span: tuple[int, int], thing: str) -> bool:
    """Whether a value's clause points at the thing, which stands alone right before it: "B731, that's his shirt"."""
    parts = parts_of(words)
    for (at, text), (start, after) in pairwise(parts):
        if start <= span[0] < start + len(after) and text.strip(" .").casefold() == thing.casefold():
            same = any(one.start <= at and start < one.end for one in sentences(words))
            return same and head_of(after).pronoun in ("that", "it", "this")
    return False


def is_of_what_follows(words: str, span: tuple[int, int], thing: str) -> bool:
    """Whether a value by itself is said in the next words to be something else's: "14C, that's your wife's"."""
    parts = parts_of(words)
    for (at, text), (start, after) in pairwise(parts):
        if not at <= span[0] < at + len(text) or content_stems(text.replace(words[span[0] : span[1]], " ")):
            continue
        if any(one.start <= at and start < one.end for one in sentences(words)):
            owned = "'s" in after.replace("’", "'").partition(" ")[2]
            return owned and head_of(after).pronoun in ("that", "it", "this") and not named_in(thing, after)
    return False


def _names(thing: str, text: str) -> bool:
    """Whether a clause names a thing by all its words, and its first word that is none but "your" is not needed."""
    return named_in(thing, text) == "whole" and not _owned_elsewhere(thing, text)


def _owned_elsewhere(thing: str, text: str) -> bool:
    """Whether "your room" stands in a clause as somebody else's: "the Carters' room"."""
    own = set(words_of(thing)) & {"your", "my", "our", "yours", "mine"}
    return bool(own) and not own & set(words_of(text))


def _begins_with(clause: str, value: str) -> bool:
    """Whether a clause is a value alone, or says something of the value itself without pointing back."""
    told = words_of(clause)
    wanted = words_of(value)
    while told and told[0] in STOP_WORDS and told[0] not in wanted:
        told = told[1:]
    rest: Sequence[str] = told[len(wanted) :]
    return told[: len(wanted)] == wanted and not _POINTING & set(rest)
