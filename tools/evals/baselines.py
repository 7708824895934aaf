"""What memory is measured against. Baselines pay for the text of a turn only; ours pays for every character it adds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from agent.memory.words import content_stems, tokens_of

Select = Callable[[Sequence[str], str, int], set[int]]
LAST_TURNS = 6


def bm25(documents: Sequence[Counter[str]], query: Sequence[str], k1: float = 1.2, b: float = 0.75) -> list[float]:
    """Okapi BM25 (Robertson and Zaragoza 2009) of every document for a query of stems."""
    count = len(documents)
    lengths = [sum(document.values()) for document in documents]
    mean = (sum(lengths) / count if count else 0.0) or 1.0
    scores = [0.0] * count
    for word in set(query):
        holding = sum(1 for document in documents if word in document)
        if not holding:
            continue
        idf = math.log(1 + (count - holding + 0.5) / (holding + 0.5))
        for place, document in enumerate(documents):
            times = document.get(word, 0)
            if times:
                scores[place] += idf * times * (k1 + 1) / (times + k1 * (1 - b + b * lengths[place] / mean))
    return scores


def flat(limit: int | None) -> Select:
    """The last `limit` utterances that fit the budget, or as many as fit."""

    def select(texts: Sequence[str], ask: str, budget: int) -> set[int]:
        left = budget - tokens_of(ask)
        chosen: set[int] = set()
        for place in range(len(texts) - 1, -1, -1):
            left -= tokens_of(texts[place])
            if left < 0 or (limit is not None and len(chosen) >= limit):
                break
            chosen.add(place)
        return chosen

    return select


def last_and_bm25(size: int, last: int = LAST_TURNS) -> Select:
    """The last utterances, then the best blocks of `size` utterances by BM25; `size` 1 is BM25 over turns."""

    def select(texts: Sequence[str], ask: str, budget: int) -> set[int]:
        chosen = flat(last)(texts, ask, budget)
        left = budget - tokens_of(ask) - sum(tokens_of(texts[place]) for place in chosen)
        blocks = [range(first, min(len(texts), first + size)) for first in range(0, len(texts), size)]
        documents = [Counter(word for place in block for word in content_stems(texts[place])) for block in blocks]
        scores = bm25(documents, content_stems(ask))
        for number in sorted(range(len(blocks)), key=lambda number: (-scores[number], -number)):
            adding = [place for place in blocks[number] if place not in chosen]
            cost = sum(tokens_of(texts[place]) for place in adding)
            if cost <= left:
                chosen.update(adding)
                left -= cost
        return chosen

    return select


SELECTORS: dict[str, Select] = {
    "flat last 6": flat(LAST_TURNS),
    "flat last N": flat(None),
    "last 6 + BM25 turns": last_and_bm25(1),
    "last 6 + BM25 8-turn blocks": last_and_bm25(8),
    "BM25 8-turn blocks": last_and_bm25(8, last=0),
}


class CosineTopics:
    """Causal lexical cosine: an utterance joins the topic whose words are most alike, or starts one below `least`."""

    def __init__(self, least: float) -> None:
        self.least = least
        self.words: list[Counter[str]] = []

    @staticmethod
    def bag(text: str) -> Counter[str]:
        """The bag of stems of a text."""
        return Counter(content_stems(text))

    def topic_of(self, text: str) -> int:
        """The topic of the next utterance."""
        words = Counter(content_stems(text))
        alike = [cosine(words, held) for held in self.words]
        best = max(range(len(alike)), key=lambda number: (alike[number], number), default=0)
        if not self.words or (words and alike[best] < self.least):
            self.words.append(Counter())
            best = len(self.words) - 1
        self.words[best].update(words)
        return best


def cosine(one: Counter[str], other: Counter[str]) -> float:
    """The cosine of two bags of stems; 0 when either is empty."""
    shared = sum(times * other[word] for word, times in one.items())
    if not shared:
        return 0.0
    return shared / math.sqrt(sum(t * t for t in one.values()) * sum(t * t for t in other.values()))


def cosine_shifts(utterances: Sequence[str], least: float, window: int = 3) -> list[int]:
    """For every utterance but the last, 1 when the next one is less alike the last `window` ones than `least`."""
    bags = [Counter(content_stems(text)) for text in utterances]
    shifts: list[int] = []
    for place in range(1, len(bags)):
        before: Counter[str] = sum(bags[max(0, place - window) : place], Counter())
        shifts.append(int(cosine(bags[place], before) < least))
    return shifts
