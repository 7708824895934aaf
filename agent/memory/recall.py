"""Which old questions a turn needs: scores for every question held, best first.

The lexical score is BM25 seen through several sliding windows at once (1 to ~80 questions): narrow ones find the sentence, wide
ones the stretch of talk it belongs to; each window's scores are scaled to 1 and summed. Words that stand out in the best
questions are then added to the query once (pseudo-relevance feedback). Topic, state and recency add to that.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection

import numpy as np

from agent.memory.index import Floats, Index
from agent.memory.words import content_stems

# Tuned on QMSum validation and SGD dev (tests/evals).
WINDOWS = (3, 9, 27, 81)
_SATURATION, _LENGTH, _RARITY = 5.0, 0.5, 0.6  # BM25's k1 and b, and an exponent on its idf
_FEEDBACK_FROM, _FEEDBACK_WORDS, _FEEDBACK = 10, 8, 0.3
_MOST_WORDS = 24
TOPIC, SOURCE, RECENCY = 0.3, 0.5, 0.1
_COST = 0.2  # how much a question's length counts against it


def recall_order(index: Index, utterance: str, *, topic: int | None, sources: Collection[int], upto: int) -> list[int]:
    """Turns before `upto` in the order they should be recalled.

    `topic` is the topic whose questions are favoured (None for no favour), `sources` the turns that the values in focus came
    from. Turns come with falling score per cost, so a caller takes from the front what fits.
    """
    held = upto - index.first
    if held <= 0:
        return []
    score = lexical_scores(index, utterance)[:held] / len(WINDOWS)
    score += RECENCY * np.linspace(0.0, 1.0, held)
    if topic is not None:
        score += TOPIC * (np.array(index.topic_of[:held]) == topic)
    for turn in sources:
        if index.first <= turn < upto:
            score[turn - index.first] += SOURCE
    value = score / np.power(np.array(index.costs[:held]), _COST)
    return [int(place) + index.first for place in np.argsort(-value, kind="stable")]


def lexical_scores(index: Index, utterance: str) -> Floats:
    """The summed window scores of every question held for the words of an utterance; shape (questions,)."""
    words = [word for word in dict.fromkeys(content_stems(utterance)) if word in index.postings][:_MOST_WORDS]
    if not words:
        return np.zeros(len(index))
    lengths = np.array(index.lengths)
    scores = _windowed(index.frequencies(words), lengths, np.ones(len(words)))
    extra = _feedback(index, scores, words)
    if extra:
        weights = np.array([1.0] * len(words) + [weight for _, weight in extra])
        scores = _windowed(index.frequencies(words + [word for word, _ in extra]), lengths, weights)
    return scores


def _windowed(frequencies: Floats, lengths: Floats, weights: Floats) -> Floats:
    """BM25 over windows centred on each question, each window scaled to a maximum of 1; shapes (words, questions), ..."""
    count = lengths.shape[0]
    table = np.vstack([frequencies, lengths])
    running = np.zeros((table.shape[0], count + 1))
    np.cumsum(table, axis=1, out=running[:, 1:])
    places = np.arange(count)
    total = np.zeros(count)
    for window in WINDOWS:
        half = window // 2
        summed = running[:, np.minimum(count, places + half + 1)] - running[:, np.maximum(0, places - half)]
        found, length = summed[:-1], summed[-1]
        holding = (found > 0).sum(axis=1)
        idf = np.log1p((count - holding + 0.5) / (holding + 0.5)) ** _RARITY * weights
        norm = _SATURATION * (1 - _LENGTH + _LENGTH * length / max(float(length.mean()), 1e-9))
        score = idf @ (found * (_SATURATION + 1) / (found + norm + 1e-9))
        total += score / max(float(score.max()), 1e-9)
    return total


def _feedback(index: Index, scores: Floats, words: list[str]) -> list[tuple[str, float]]:
    """The words that most distinguish the best questions from the rest, with a weight each, at most `_FEEDBACK`."""
    counts: Counter[str] = Counter()
    for place in np.argsort(-scores, kind="stable")[:_FEEDBACK_FROM]:
        counts.update(index.stems[int(place)].keys())
    rated = [
        (times * math.log(len(index) / len(index.postings[word])), word)
        for word, times in counts.items()
        if times > 1 and word not in words
    ]
    best = sorted(rated, reverse=True)[:_FEEDBACK_WORDS]
    if not best or best[0][0] <= 0:
        return []
    return [(word, _FEEDBACK * rating / best[0][0]) for rating, word in best]
