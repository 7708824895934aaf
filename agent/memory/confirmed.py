"""The confirmed act that an agent's sentence states: "The table is booked", "I've moved it", "Sent, code T-7741"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from agent.memory.flows import ActKind
from agent.memory.heads import plainly_said
from agent.memory.sentences import (
    SpokenSentence,
    asks,
    bad_news,
    clauses,
    denies,
    plain_words,
    promises,
    supposes,
    taken,
    timed,
)


@dataclass(frozen=True, slots=True)
class Act:
    """A sentence in which the agent says that something was done."""

    kind: ActKind
    text: str
    start: int


def act_in(sentence: SpokenSentence, acts: Mapping[str, ActKind]) -> Act | None:
    """The confirmed act that a sentence of the agent states, or None when it could mean anything else."""
    text = sentence.text
    if asks(text) or supposes(text) or denies(text) or bad_news(text) or timed(text):
        return None
    if taken(text):
        return None
    for at, clause in clauses(text):
        found = _participle(plain_words(clause), tuple(acts))
        if found is None:
            continue
        word, start, own = found
        start += at + len(clause) - len(plain_words(clause))
        if not promises(own) and plainly_said(text, start, at + len(clause)):
            return Act(acts[word], text, sentence.start)
    return None


def _participle(clause: str, words: tuple[str, ...]) -> tuple[str, int, str] | None:
    """The first participle of an act in a clause, where its verb begins, and the clause up to its end."""
    match = _forms(words).search(clause)
    if match is None:
        return None
    word = next(group for group in match.groups() if group).lower()
    if word not in words:  # "put you down"
        first, *_, last = word.split()
        word = f"{first} {last}"
    return word, match.start(), clause[: match.end()]


_OBJECT = r"(?:\s+[\w'-]+){0,3}?\s+"


@lru_cache(maxsize=16)
def _forms(words: tuple[str, ...]) -> re.Pattern[str]:
    """ "is booked", "has been booked", "I've booked", "I have put you down", and "Booked" at the head of a sentence."""
    longest = sorted(words, key=len, reverse=True)
    participles = "|".join(_OBJECT.join(re.escape(part) for part in word.split()) for word in longest)
    adverbs = r"(?:(?:now|just|all|already|both|also|successfully|officially|herewith|hereby|duly|safely)\s+)*"
    done = r"(?!\s+to (?:be|get|have)\b)"  # "is scheduled to be sent" is still to come
    return re.compile(
        rf"(?:\b(?:is|are|am)|'s|'re|'m|\b(?:has|have|'s|'ve)\s+{adverbs}been|\bwas|\bwere)\s+{adverbs}({participles})\b{done}"
        rf"|\b(?:i|we)(?:\s+have|'ve)?\s+(?:went ahead and\s+|gone ahead and\s+|gone and\s+)?{adverbs}({participles})\b"
        rf"|^{adverbs}({participles})\b(?=\s*(?:[,.!;:]|$|for\b|at\b|on\b|under\b|and\b|to\b))",
        re.IGNORECASE,
    )
