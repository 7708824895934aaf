"""Topic tracking: does an utterance continue the current topic, re-open an earlier one, or start a new one?

Lexical and causal. Cues of `flows.toml` that name or hint at a declared subject decide first; an utterance without any
goes to the topic whose words are most alike, to a new one when none is, and stays where it answers what was asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from agent.memory.flows import Flows
from agent.memory.index import MOST_TIMES, Index
from agent.memory.nodes import Graph, Move, Topic
from agent.memory.references import answers, asks_for_new, changes_subject
from agent.memory.words import content_stems, stem, words_of

MAX_TOPICS = 64

_K = TypeVar("_K", int, str)

# Tuned on SGD dev and MultiWOZ validation (tools/evals).
_NOUN, _HINT = 1.0, 0.4
_REQUESTED, _IN_PASSING = 2.0, 0.5  # "find me a hotel" against "a taxi to the hotel"
_KNOWN_TOPIC = 0.4  # "tickets" could be many subjects: the one already talked about is likelier
_OWN_WORD, _OWN_WORDS_MOST = 0.5, 1.5
_MARGIN, _LEAST = 0.4, 0.5

_REQUEST_WORDS = "need want book find get look looking search reserve check try rent buy purchase arrange schedule"
_REQUESTS = frozenset(stem(word) for word in _REQUEST_WORDS.split())
_PREPOSITIONS = frozenset({"from", "to", "near", "at", "between", "in", "by", "of", "for", "around"})
_FILLERS = frozenset({"the", "a", "an", "my"})
_STAYING, _LEAST_ALIKE = 0.02, 0.05
_LEAST_WORDS = 2  # content words of an utterance that can leave a topic
_DULL = frozenset(
    content_stems("book reserve find look help like sure information number address time day price confirm available")
)
_PUTS_RIGHT = re.compile(
    r"^\W*(?:(?:no|nope|oh|uh|um|er|wait|well|sorry|ok|okay|actually|please|i['’]m sorry|my mistake|on second thought)"
    r"\b\W*)*"
    r"(?:i meant?\b(?! it\b| to ask\b)|i said\b|(?:make|change) (?:it|that)\b"
    r"|that(?:['’]s| is| was) (?:wrong|not right)\b)",
    re.IGNORECASE,
)
"""How a caller begins to put right what was just said: in words that need be like nothing that was said."""


@dataclass(frozen=True, slots=True)
class TopicChoice:
    """Where an utterance belongs: a topic's id (the next free one for a new topic) and what it is now about."""

    move: Move
    topic: int
    subject: str | None


def choose_topic(graph: Graph, index: Index, flows: Flows, text: str) -> TopicChoice:
    """The topic of the caller's next utterance."""
    cues = subjects_in(flows, text)
    current = graph.topic
    if current is None:
        return TopicChoice("new", 0, _best(cues))
    room = len(graph.topics) < MAX_TOPICS
    if not cues:
        if answers(graph.last, text):
            return TopicChoice("continue", current.id, current.subject)
        return _by_words(graph, index, current, text, room=room)
    known, fresh = _scores(graph, index, cues, text)
    staying = known.pop(current.id, 0.0)
    named_first = current.subject is None and not changes_subject(text)
    if named_first and cues and max(fresh.values(), default=0.0) > max(known.values(), default=0.0):
        return TopicChoice("continue", current.id, _best(fresh))  # the first cue names what this topic is about
    best_known, best_fresh = _best(known), _best(fresh)
    known_score, fresh_score = known.get(best_known or 0, 0.0), fresh.get(best_fresh or "", 0.0)
    needed = max(_LEAST, staying + _MARGIN)
    if best_known is not None and known_score >= max(needed, fresh_score):
        return TopicChoice("reopen", best_known, graph.topics[best_known].subject)
    if best_fresh is not None and fresh_score >= needed and room:
        return TopicChoice("new", len(graph.topics), best_fresh)
    return TopicChoice("continue", current.id, current.subject)


def subjects_in(flows: Flows, text: str) -> dict[str, float]:
    """Every subject that an utterance names or hints at, with the strength of its cues."""
    words = words_of(text)
    scores: dict[str, float] = {}
    for position, subject, noun in flows.found_in(text):
        weight = _NOUN if noun else _HINT
        before = words[max(0, position - 5) : position]
        if noun and any(stem(word) in _REQUESTS for word in before):
            weight *= _REQUESTED
        nearest = next((word for word in reversed(before[-3:]) if word not in _FILLERS), "")
        if nearest in _PREPOSITIONS:
            weight *= _IN_PASSING
        scores[subject] = scores.get(subject, 0.0) + weight
    return scores


def _scores(graph: Graph, index: Index, cues: dict[str, float], text: str) -> tuple[dict[int, float], dict[str, float]]:
    of_subject = {topic.subject: topic.id for topic in graph.topics if topic.subject}
    known: dict[int, float] = {}
    fresh: dict[str, float] = {}
    for subject, score in cues.items():
        if subject in of_subject:
            number = of_subject[subject]
            known[number] = score + (_KNOWN_TOPIC if number != graph.current else 0.0)
        else:
            fresh[subject] = score
    words = {word for word in content_stems(text) if index.word_topics[word] == 1}
    for topic in graph.topics:
        held = index.topic_words.get(topic.id)
        if held is None or topic.id == graph.current:
            continue
        own = min(_OWN_WORDS_MOST, _OWN_WORD * sum(1 for word in words if held[word]))
        if own:
            known[topic.id] = known.get(topic.id, 0.0) + own
    return known, fresh


def _by_words(graph: Graph, index: Index, current: Topic, text: str, *, room: bool) -> TopicChoice:
    """The topic whose words are most alike an utterance that names no subject; a new one when none is."""
    staying = TopicChoice("continue", current.id, current.subject)
    stems = [word for word in dict.fromkeys(content_stems(text)) if word not in _DULL]
    if changes_subject(text) and room:
        return TopicChoice("new", len(graph.topics), None)
    if len(stems) < _LEAST_WORDS:
        return staying
    alike = {topic.id: _likeness(index, topic.id, stems, len(graph.topics)) for topic in graph.topics}
    alike[current.id] += _STAYING
    best = max(alike, key=lambda number: (alike[number], number == current.id))
    if alike[best] < _LEAST_ALIKE and room:
        if _PUTS_RIGHT.match(text) and not asks_for_new(text):
            return staying
        return TopicChoice("new", len(graph.topics), None)
    return staying if best == current.id else TopicChoice("reopen", best, graph.topics[best].subject)


def _likeness(index: Index, topic: int, stems: Sequence[str], topics: int) -> float:
    """The cosine of an utterance and a topic; words of few topics count more, and a word at most three times."""
    held = index.topic_words.get(topic)
    if not held:
        return 0.0
    weight = {word: math.log1p((topics + 1) / (index.word_topics[word] + 0.5)) for word in stems}
    shared = sum(weight[word] ** 2 * min(held[word], MOST_TIMES) for word in stems if held[word])
    if not shared:
        return 0.0
    length = math.sqrt(sum(value**2 for value in weight.values()))
    return shared / (length * math.sqrt(index.topic_squares[topic]))


def _best(scores: dict[_K, float]) -> _K | None:
    return max(scores, key=lambda key: scores[key]) if scores else None
