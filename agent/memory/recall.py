"""Which old questions a turn needs: scores for every question held, best first.

The lexical score is BM25 seen through several sliding windows at once: narrow ones find the sentence, wide ones the
stretch of talk it belongs to. Each window's scores are scaled to a maximum of 1 and averaged. The current topic and the
turns that the values in focus came from add to that; recency decides between equals.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from agent.memory.index import Floats, Index
from agent.memory.words import content_stems

# Tuned on QMSum validation and SGD dev (tools/evals).
WINDOWS = (3, 5, 9, 27)
_SATURATION, _LENGTH, _RARITY = 5.0, 0.5, 1.5  # BM25's k1 and b, and an exponent on its idf
_MOST_WORDS = 24
TOPIC, SOURCE, RECENCY = 0.1, 0.1, 0.001
LEAST_MATCH = 0.5
LEAST_NEW = 0.2
NEWEST = 6  # turns whose words an utterance most likely goes on with
_COST = 0.25  # how much a question's length counts against it


def recall_order(
    index: Index,
    utterance: str,
    *,
    topic: int | None,
    sources: Collection[int],
    upto: int,
    told: int,
    matching: bool = False,
) -> list[int]:
    """Turns before `upto` in the order they should be recalled, scored among the turns before `told`.

    The turn that asks is none of them: its own words would be the best match of all. `topic` is the topic whose
    questions are favoured (None for no favour), `sources` the turns that the values in focus came from. Turns come with
    falling score per cost, so a caller takes from the front what fits. With `matching` only turns come whose words
    match at least `LEAST_MATCH` as well as the best one's, and none when no word matches or the newest turns have the
    words as well.
    """
    held = upto - index.first
    if held <= 0:
        return []
    count = told - index.first
    words = [word for word in dict.fromkeys(content_stems(utterance)) if word in index.postings][:_MOST_WORDS]
    said = index.frequencies(words)[:, :count]
    if matching and _new_words(said, held) < LEAST_NEW:
        return []  # it goes on with what the newest turns are about
    score = np.zeros(held)
    if words:
        score += _windowed(said, np.array(index.lengths[:count]))[:held] / len(WINDOWS)
    best = float(score.max())
    matched = score >= LEAST_MATCH * best if best > 0 else np.zeros(held, dtype=bool)
    score += RECENCY * np.linspace(0.0, 1.0, held)
    if topic is not None:
        score += TOPIC * (np.array(index.topic_of[:held]) == topic)
    for turn in sources:
        if index.first <= turn < upto:
            score[turn - index.first] += SOURCE
    value = score / np.power(np.array(index.costs[:held]), _COST)
    order = np.argsort(-value, kind="stable")
    return [int(place) + index.first for place in order if not matching or matched[place]]


def _new_words(frequencies: Floats, held: int) -> float:
    """The share of an utterance's words, by their rarity, that three old turns together have and no newest one.

    `frequencies` has shape (words, turns); old are the first `held` turns.
    """
    if not frequencies.size:
        return 0.0
    said = frequencies > 0
    count = said.shape[1]
    holding = said.sum(axis=1)
    rarity = np.log1p((count - holding + 0.5) / (holding + 0.5)) * (holding > 0)
    old = said[:, :held].copy()
    old[:, 1:] |= said[:, : held - 1]
    old[:, :-1] |= said[:, 1:held]
    new = (rarity * ~said[:, max(held, count - NEWEST) :].any(axis=1)) @ old
    return float(new.max()) / max(float(rarity.sum()), 1e-9)


def _windowed(frequencies: Floats, lengths: Floats) -> Floats:
    """BM25 over windows centred on each question, each window's scores scaled to a maximum of 1, summed."""
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
        idf = np.log1p((count - holding + 0.5) / (holding + 0.5)) ** _RARITY
        norm = _SATURATION * (1 - _LENGTH + _LENGTH * length / max(float(length.mean()), 1e-9))
        score = idf @ (found * (_SATURATION + 1) / (found + norm + 1e-9))
        total += score / max(float(score.max()), 1e-9)
    return total
