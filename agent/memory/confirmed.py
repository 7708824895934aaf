"""The confirmed act that an agent's sentence states: "The table is booked", "I've moved it", "Sent, code T-7741"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from agent.memory.flows import ActKind
from agent.memory.sentences import (
    SpokenSentence,
    asks,
    bad_news,
    denies,
    supposes,
    taken,
    timed,
)
from agent.memory.statements import accomplished


@dataclass(frozen=True, slots=True)
class Act:
    """A sentence in which the agent says that something was done."""

    kind: ActKind
    text: str
    start: int


def act_in(sentence: SpokenSentence, acts: Mapping[str, ActKind]) -> Act | None:
    """The confirmed act that a sentence of the agent states, or None when it could mean anything else.

    The sentence must have one of the forms of an act; words that turn a statement round are looked for as well.
    """
    text = sentence.text
    if asks(text) or taken(text):
        return None
    word = accomplished(text, tuple(acts))
    if word is None or supposes(text) or denies(text) or bad_news(text) or timed(text):
        return None
    return Act(acts[word], text, sentence.start)


def may_undo(sentence: SpokenSentence, acts: Mapping[str, ActKind]) -> ActKind | None:
    """What a sentence may say was changed or ended, in whatever form: enough to doubt what was said before it.

    None for a question and for a denial, and when no declared word of a change or an end stands in it.
    """
    text = sentence.text.replace("\u2019", "'")
    if asks(text):
        return None
    found = _undoing(tuple(word for word, kind in acts.items() if kind != "confirmed")).search(text)
    if found is None or denies(text):
        return None
    told = found[0].casefold().split()
    return acts.get(told[0]) or acts.get(f"{told[0]} {told[-1]}")


@lru_cache(maxsize=16)
def _undoing(words: tuple[str, ...]) -> re.Pattern[str]:
    longest = sorted(words, key=len, reverse=True)
    apart = (r"(?:\s+[\w'-]+){0,3}?\s+".join(map(re.escape, word.split())) for word in longest)
    return re.compile(rf"\b(?:{'|'.join(apart)})\b", re.IGNORECASE)
