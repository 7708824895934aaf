"""The words of the call that a fact stands in, whole: what the notes tell in its place.

A value cut out of its sentence can be given to the wrong thing. The sentence itself cannot: it says of what it speaks,
or points to what was said right before it, and that is quoted with it.
"""

from __future__ import annotations

import re

from agent.memory.nodes import Graph, Question, Said, Speaker
from agent.memory.sentences import SpokenSentence, plain_words, repairs, sentences
from agent.memory.words import STOP_WORDS, UNSPACED, words_of

MAX_QUOTED = 320
"""Characters of one sentence that are quoted at most; a longer one is cut around the value."""
MAX_BEFORE = 2
"""Sentences before a value's own that are quoted at most, while each leans on the one before."""
_HEAD = 5  # words that a sentence points back with, if it does
_SHORT = 4  # words of a sentence that stands by itself at least
_POINTING = re.compile(
    r"(?:it|its|that|this|these|those|they|them|their|he|him|his|she|her|hers|one|ones|both|neither|either|none|same"
    r"|other|others|another|yours|mine|ours)(?:['’](?:s|re|ve|d|ll|m))?",
    re.IGNORECASE,
)
_UNSPACED = re.compile(f"[{UNSPACED}]")


def excerpt(graph: Graph, question: Question, by: Speaker, span: tuple[int, int]) -> tuple[Said, ...]:
    """The sentences that `span` of what `by` said in a turn stands in, in the order of the call.

    Sentences before them come with them while the first one points back ("It was $85", "Thursday, then"): those of the
    same side, or the last one of the other side when there are none. At most MAX_BEFORE of them.
    """
    words = words_by(question, by)
    told = sentences(words)
    own = [place for place, one in enumerate(told) if one.start < span[1] and span[0] < one.end]
    if not own:
        return (Said(question.id, by, _cut(words, span)),)
    last = told[own[-1]]
    first, before = own[0], 0
    while first and before < MAX_BEFORE and leans(told[first]):
        first, before = first - 1, before + 1
    found = [Said(question.id, by, _cut(one.text, (0, 0))) for one in told[first : own[0]]]
    whole = words[told[own[0]].start : told[own[-1]].end]
    quoted = _cut(whole, (span[0] - told[own[0]].start, span[1] - told[own[0]].start))
    found.append(Said(question.id, by, _open_ended(quoted) if is_cut_off(question, by, last) else quoted))
    if first == 0 and before < MAX_BEFORE and leans(told[0]):
        other = _just_before(graph, question, by)
        found[:0] = [other] if other is not None else []
    return tuple(found)  # the last one is the value's own


def words_by(question: Question, by: Speaker) -> str:
    """What one side said in a turn; of the agent's answer the part that was heard."""
    return question.text if by == "caller" else question.answer or ""


def is_cut_off(question: Question, by: Speaker, sentence: SpokenSentence) -> bool:
    """Whether a sentence is the end of an interrupted answer, and what would have followed could turn it round."""
    return by == "agent" and question.interrupted and not sentence.ended


def leans(sentence: SpokenSentence) -> bool:
    """Whether a sentence may say nothing without the one before it: it points, or is a few words only."""
    text = plain_words(sentence.text)
    if repairs(sentence.text):
        return True
    if _UNSPACED.search(text):
        return len(text) < 3 * _SHORT
    content = [word for word in words_of(text) if word not in STOP_WORDS]
    return len(words_of(text)) < _SHORT or not content or any(map(_POINTING.fullmatch, words_of(text)[:_HEAD]))


def _just_before(graph: Graph, question: Question, by: Speaker) -> Said | None:
    """The last sentence of the other side before one side spoke."""
    other: Speaker = "agent" if by == "caller" else "caller"
    turn = question if by == "agent" else graph.question(question.id - 1)
    if turn is None or (turn.withdrawn and other == "caller"):  # no model is shown that again
        return None
    told = sentences(words_by(turn, other))
    if not told:
        return None
    quoted = _cut(told[-1].text, (len(told[-1].text), len(told[-1].text)))
    return Said(turn.id, other, _open_ended(quoted) if is_cut_off(turn, other, told[-1]) else quoted)


def _open_ended(text: str) -> str:
    return f"{text.rstrip('…')}…"


def _cut(text: str, span: tuple[int, int]) -> str:
    """A sentence of at most MAX_QUOTED characters with the words at `span` in it, cut between words where it has any:
    the end of a number is another number.
    """
    if len(text) <= MAX_QUOTED:
        return text
    start = max(0, min(span[0] - MAX_QUOTED // 2, len(text) - MAX_QUOTED))
    end = start + MAX_QUOTED
    if start:
        start = next((place for place in range(start, min(span[0], end)) if text[place - 1].isspace()), start)
    if end < len(text):
        end = next((place for place in range(end, max(span[1], start), -1) if text[place].isspace()), end)
    return f"{'…' if start else ''}{text[start:end].strip()}{'…' if end < len(text) else ''}"
