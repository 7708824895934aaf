"""The word index that topic tracking and recall read: derived from the graph's questions, never stored."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from agent.memory.heard import turn_tokens
from agent.memory.nodes import Question
from agent.memory.words import content_stems, tokens_of

Floats = NDArray[np.float64]
RECENT_TURNS = 3
MOST_TIMES = 3  # as often as a word counts in a topic
QUESTION_OVERHEAD = 3  # tokens that the rendering of a recalled question adds


class Index:
    """Stems per question and per topic. Questions are added in order of speaking and dropped from the front."""

    def __init__(self) -> None:
        self.first = 0
        """The turn of the first question held."""
        self.stems: deque[Counter[str]] = deque()
        self.postings: dict[str, dict[int, int]] = {}
        self.lengths: list[float] = []
        self.costs: list[float] = []
        self.tokens: list[int] = []
        """Estimated tokens of each question with its answer as heard."""
        self.topic_of: list[int] = []
        self.topic_words: dict[int, Counter[str]] = {}
        self.topic_squares: Counter[int] = Counter()
        """The squared length of each topic's words, where a word counts `MOST_TIMES` at most."""
        self.word_topics: Counter[str] = Counter()
        self.things: dict[str, set[int]] = {}
        """Stem -> the states that turns with it told something of; folding takes nothing out."""
        self._described: tuple[str, dict[int, float]] | None = None

    def __len__(self) -> int:
        return len(self.stems)

    def put(self, question: Question) -> None:
        """Adds a question, or replaces the newest one when it is the same turn (its answer arrived)."""
        if len(self) and question.id == self.first + len(self) - 1:
            self._drop_newest()
        if not len(self):
            self.first = question.id
        text = question.text if not question.answer else f"{question.text} {question.answer}"
        stems = Counter(content_stems(text))
        for word, count in stems.items():
            self.postings.setdefault(word, {})[question.id] = count
        words = self.topic_words.setdefault(question.topic, Counter())
        for word in stems:
            if not words[word]:
                self.word_topics[word] += 1
            words[word] += 1
            if words[word] <= MOST_TIMES:
                self.topic_squares[question.topic] += 2 * words[word] - 1
        self.stems.append(stems)
        self.lengths.append(float(sum(stems.values())))
        self.costs.append(float(tokens_of(text) + QUESTION_OVERHEAD))
        self.tokens.append(turn_tokens(question))
        self.topic_of.append(question.topic)

    def drop_before(self, turn: int) -> None:
        """Forgets the questions before `turn`: they were folded. What their topics are about stays."""
        while len(self) and self.first < turn:
            for word in self.stems.popleft():
                del self.postings[word][self.first]
                if not self.postings[word]:
                    del self.postings[word]
            del self.lengths[0], self.costs[0], self.tokens[0], self.topic_of[0]
            self.first += 1

    def describe(self, state: int, text: str) -> None:
        """Adds the words of a text to those that a state is known by."""
        self._described = None
        for word in content_stems(text):
            self.things.setdefault(word, set()).add(state)

    def described(self, text: str) -> Mapping[int, float]:
        """How well the words of a text describe each state; a word counts the more, the fewer states it is known by.

        A turn asks twice about the same words: the last answer is kept.
        """
        if self._described is not None and self._described[0] == text:
            return self._described[1]
        scores: dict[int, float] = {}
        for word in dict.fromkeys(content_stems(text)):
            known = self.things.get(word)
            if known:
                share = 1.0 / len(known)
                for state in known:
                    scores[state] = scores.get(state, 0.0) + share
        self._described = (text, scores)
        return scores

    def sharing(self, stems: Iterable[str]) -> set[int]:
        """The states that are known by any of these stems: no other one holds any of them."""
        return set[int]().union(*(self.things.get(word, ()) for word in stems))

    def recent(self, turns: int = RECENT_TURNS) -> set[str]:
        """The stems of the last turns."""
        newest = list(self.stems)[-turns:] if turns else []
        return {word for stems in newest for word in stems}

    def frequencies(self, words: list[str]) -> Floats:
        """How often each word stands in each question: shape (words, questions)."""
        table = np.zeros((len(words), len(self)))
        for row, word in enumerate(words):
            held = self.postings.get(word)
            if held:
                table[row, [turn - self.first for turn in held]] = list(held.values())
        return table

    def _drop_newest(self) -> None:
        turn, topic = self.first + len(self) - 1, self.topic_of.pop()
        words = self.topic_words[topic]
        for word in self.stems.pop():
            del self.postings[word][turn]
            if not self.postings[word]:
                del self.postings[word]
            if words[word] <= MOST_TIMES:
                self.topic_squares[topic] -= 2 * words[word] - 1
            words[word] -= 1
            if not words[word]:
                self.word_topics[word] -= 1
        self.lengths.pop()
        self.costs.pop()
        self.tokens.pop()
