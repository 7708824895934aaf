"""Which old questions a turn needs: scores for every question held, best first.

The lexical score is BM25 seen through several sliding windows at once: narrow ones find the sentence, wide ones the
stretch of talk it belongs to. Each window's scores are scaled to a maximum of 1 and averaged. What the utterance names
as known ("that show", "my hotel") counts more than its other words: "found" and "earlier" say that it points back, and
not at what. The current topic and the turns that the values in focus came from add to that; recency decides between
equals.

Such scores say which turn is best, and nothing of whether any is needed. How much a live turn recalls goes by what its
words tell apart: a word that stood in one stretch of the call points there, one that comes up all over it nowhere.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from agent.memory.index import Floats, Index
from agent.memory.words import content_stems, definite_stems

# Tuned on QMSum validation and SGD dev (tools/evals); `_WIDEST`, `_DEFINITE` and `_COST` on half of each.
WINDOWS = ((1, 0.1), (3, 1.0), (5, 1.0), (9, 1.0), (27, 1.0))
"""Turns that a window holds, and how much its scores count. One of a single turn puts it before its neighbours."""
_WIDEST = (81, 0.5)  # one more where recall fills a budget: there is room for what stands around the best turns
_DEFINITE = 3.0  # a word of what the utterance names as known counts as so many others
_SATURATION, _LENGTH, _RARITY = 5.0, 0.5, 1.5  # BM25's k1 and b, and an exponent on its idf
_MOST_WORDS = 24
TOPIC, SOURCE, RECENCY = 0.1, 0.1, 0.001
LEAST_MATCH = 0.45
LEAST_NEW = 0.2
NEWEST = 6  # turns whose words an utterance most likely goes on with
_COST = 0.35  # how much a question's length counts against it where recall fills a budget
# Tuned on SGD dev, looked at on MultiWOZ validation in calls made of several dialogues.
_STRETCH_GAP = 6  # turns without a word after which its next use begins another stretch of talk
_STRETCH_TURNS = 8  # turns of a stretch: as many as there could be in a call are its length through this
_POINTING, _LEAST_POINTING = 2.0, 3.5
_ROOM = 150  # tokens for each unit by which words point further than `_POINTING`
LEAST_ROOM = 100
"""Tokens of room for a question, or for a word of one stretch, however little the others tell."""


def recall_room(index: Index, utterance: str, *, upto: int, told: int, most: int, asking: bool = False) -> int:
    """How many tokens of the turns before `upto` a live turn should recall, at most `most`; 0 when none.

    None when no word of the utterance is known, when the newest turns have its words as well, or when its words are all
    over the call and it is not `asking`. `told` is the turn that it is scored up to, as in `recall_order`.
    """
    held = upto - index.first
    words = _known(index, utterance)
    if held <= 0 or not words:
        return 0
    said = index.frequencies(words)[:, : told - index.first]
    if _new_words(said, held) < LEAST_NEW:
        return 0  # it goes on with what the newest turns are about
    stretches, goes_back = _stretches(said > 0, held)
    possible = np.maximum(said.shape[1] / _STRETCH_TURNS, stretches)
    pointing = float(np.log1p((possible - stretches + 0.5) / (stretches + 0.5)) @ (stretches > 0))
    room = int(_ROOM * (pointing - _POINTING)) if pointing >= _LEAST_POINTING else 0
    if asking or bool((goes_back & (stretches > 0) & (stretches < 2)).any()):
        room = max(room, LEAST_ROOM)
    return min(most, room)


def _stretches(said: NDArray[np.bool_], held: int) -> tuple[Floats, NDArray[np.bool_]]:
    """In how many stretches of talk each word stands, and whether it stands in old turns alone, not in the newest.

    A stretch of twice the usual length counts as two: a word that comes up all the time is in many.
    """
    turns = np.arange(said.shape[1])
    last = np.maximum.accumulate(np.where(said, turns, -1 - _STRETCH_GAP), axis=1)
    before = np.empty_like(last)
    before[:, 0], before[:, 1:] = -1 - _STRETCH_GAP, last[:, :-1]
    gap = turns - before
    begun = gap > _STRETCH_GAP
    covered = (said * np.where(begun, 1, gap)).sum(axis=1) / _STRETCH_TURNS
    stretches = np.maximum((said & begun).sum(axis=1), covered)
    newest = said[:, max(held, said.shape[1] - NEWEST) :]
    return stretches, newest.sum(axis=1) == 0


def _known(index: Index, utterance: str) -> list[str]:
    """The first words of an utterance that the call has had."""
    return [word for word in dict.fromkeys(content_stems(utterance)) if word in index.postings][:_MOST_WORDS]


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
    falling score per cost, so a caller takes from the front what fits. With `matching` they come by score alone, and
    only those whose words match at least `LEAST_MATCH` as well as the best one's.
    """
    held = upto - index.first
    if held <= 0:
        return []
    count = told - index.first
    words = _known(index, utterance)
    said = index.frequencies(words)[:, :count]
    score = np.zeros(held)
    if words:
        windows = WINDOWS if matching else (*WINDOWS, _WIDEST)
        pointed = definite_stems(utterance)
        weights = np.array([_DEFINITE if word in pointed else 1.0 for word in words])
        score += _windowed(said, np.array(index.lengths[:count]), weights, windows)[:held]
    best = float(score.max())
    matched = score >= LEAST_MATCH * best if best > 0 else np.zeros(held, dtype=bool)
    score += RECENCY * np.linspace(0.0, 1.0, held)
    if topic is not None:
        score += TOPIC * (np.array(index.topic_of[:held]) == topic)
    for turn in sources:
        if index.first <= turn < upto:
            score[turn - index.first] += SOURCE
    value = score if matching else score / np.power(np.array(index.costs[:held]), _COST)
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


def _windowed(frequencies: Floats, lengths: Floats, weights: Floats, windows: tuple[tuple[int, float], ...]) -> Floats:
    """BM25 over windows centred on each question, each window's scores scaled to a maximum of 1, then their mean.

    `weights` tell how much each word counts.
    """
    count = lengths.shape[0]
    table = np.vstack([frequencies, lengths])
    running = np.zeros((table.shape[0], count + 1))
    np.cumsum(table, axis=1, out=running[:, 1:])
    places = np.arange(count)
    total = np.zeros(count)
    for window, share in windows:
        half = window // 2
        summed = running[:, np.minimum(count, places + half + 1)] - running[:, np.maximum(0, places - half)]
        found, length = summed[:-1], summed[-1]
        holding = (found > 0).sum(axis=1)
        idf = weights * np.log1p((count - holding + 0.5) / (holding + 0.5)) ** _RARITY
        norm = _SATURATION * (1 - _LENGTH + _LENGTH * length / max(float(length.mean()), 1e-9))
        score = idf @ (found * (_SATURATION + 1) / (found + norm + 1e-9))
        total += score * (share / max(float(score.max()), 1e-9))
    return total / sum(share for _, share in windows)
