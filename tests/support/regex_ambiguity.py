"""Finds regular expressions whose time can double with every character: those that read one text in many ways.

A pattern becomes an automaton whose states are the places of its characters. It is exponential where a loop can be gone
through in two ways over the same characters (exponential degree of ambiguity): an edge of a loop that stands for two
ways through the pattern, or two different states that are reached from one and lead back to it together. Assertions
count as empty, back references as one character of their group, repeats of more than 8 as endless: what is found may be
harmless, what is not found is safe.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from re import _constants as sre  # pyright: ignore[reportAttributeAccessIssue]
from re import _parser as parser  # pyright: ignore[reportAttributeAccessIssue]
from typing import Any, TypeVar

T = TypeVar("T")

ENDLESS = 8
SAMPLES = frozenset("aZzA059_ \n\t.,;:!?'\"-/()[]<>*♪é中’")


def is_exponential(pattern: re.Pattern[str]) -> bool:
    """Whether a text exists for which the pattern takes exponential time."""
    automaton = _Automaton(pattern)
    return any(automaton.ambiguous(loop) for loop in automaton.loops())


class _Automaton:
    """States are numbers; `takes[state]` is what may stand there, `edges` says how often a state follows another."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        tree = parser.parse(pattern.pattern, pattern.flags)
        self._alphabet = SAMPLES | frozenset(_literals(tree))
        self._ignore_case = bool(pattern.flags & re.IGNORECASE)
        self._groups: dict[int | None, frozenset[str]] = {}
        self.takes: list[frozenset[str]] = []
        self.edges: Counter[tuple[int, int]] = Counter()
        self._sequence(tree)

    def loops(self) -> list[frozenset[int]]:
        """States that lead to each other, each set once."""
        after: dict[int, set[int]] = {state: set() for state in range(len(self.takes))}
        for source, target in self.edges:
            after[source].add(target)
        reach = {state: _reached(state, after) for state in after}
        found = {frozenset(one for one in reach[state] if state in reach[one]) for state in after}
        return sorted((loop for loop in found if loop), key=sorted)

    def ambiguous(self, loop: frozenset[int]) -> bool:
        """Whether one text leads through a loop in two ways."""
        inner = [edge for edge in self.edges if edge[0] in loop and edge[1] in loop]
        if any(self.edges[edge] > 1 for edge in inner):
            return True
        after: dict[int, list[int]] = {state: [] for state in loop}
        for source, target in inner:
            after[source].append(target)
        pairs: dict[tuple[int, int], set[tuple[int, int]]] = {}
        for one in loop:
            for other in loop:
                pairs[one, other] = {
                    (left, right)
                    for left in after[one]
                    for right in after[other]
                    if self.takes[left] & self.takes[right]
                }
        apart = {pair for pair in pairs if pair[0] != pair[1]}
        for state in loop:
            together = _reached((state, state), pairs)
            if any((state, state) in _reached(pair, pairs) for pair in apart & together):
                return True
        return False

    def _sequence(self, items: Iterable[Any]) -> tuple[bool, list[int], list[int]]:
        """Whether it may be empty, its first states and its last ones."""
        empty, first, last = True, list[int](), list[int]()
        for op, value in items:
            may, firsts, lasts = self._item(op, value)
            self._join(last, firsts)
            first = first + firsts if empty else first
            last = last + lasts if may else lasts
            empty = empty and may
        return empty, first, last

    def _item(self, op: Any, value: Any) -> tuple[bool, list[int], list[int]]:
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            return self._repeat(*value)
        if op is sre.SUBPATTERN:
            begun = len(self.takes)
            group = self._sequence(value[-1])
            self._groups[value[0]] = frozenset[str]().union(*self.takes[begun:])
            return group
        if op is sre.BRANCH:
            parts = [self._sequence(branch) for branch in value[1]]
            return any(p[0] for p in parts), [s for p in parts for s in p[1]], [s for p in parts for s in p[2]]
        if op in (sre.AT, sre.ASSERT, sre.ASSERT_NOT):
            return True, [], []
        one_of = self._groups.get(value, self._alphabet) if op is sre.GROUPREF else self._alphabet
        self.takes.append(frozenset(one for one in one_of if self._fits(op, value, one)))
        return False, [len(self.takes) - 1], [len(self.takes) - 1]

    def _repeat(self, least: int, most: int, body: Any) -> tuple[bool, list[int], list[int]]:
        if most > ENDLESS:
            empty, first, last = self._sequence(body)
            self._join(last, first)
            return empty or least == 0, first, last
        copies = [self._sequence(body) for _ in range(min(int(most), 2))]
        empty, first, last = copies[0] if copies else (True, [], [])
        if len(copies) == 2:
            self._join(last, copies[1][1])
            first = first + copies[1][1] if empty else first
            last = last + copies[1][2]
        return empty or least == 0, first, last

    def _join(self, before: list[int], after: list[int]) -> None:
        self.edges.update((source, target) for source in before for target in after)

    def _fits(self, op: Any, value: Any, one: str) -> bool:
        forms = {one, one.lower(), one.upper()} if self._ignore_case else {one}
        return any(_fits(op, value, form) for form in forms if len(form) == 1)


_CATEGORIES = {
    sre.CATEGORY_DIGIT: r"\d", sre.CATEGORY_NOT_DIGIT: r"\D", sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S", sre.CATEGORY_WORD: r"\w", sre.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip


def _fits(op: Any, value: Any, one: str) -> bool:
    if op is sre.LITERAL:
        return ord(one) == value
    if op is sre.NOT_LITERAL:
        return ord(one) != value
    if op is sre.RANGE:
        return value[0] <= ord(one) <= value[1]
    if op is sre.CATEGORY:
        return re.fullmatch(_CATEGORIES[value], one) is not None
    if op is sre.IN:
        negated = value[0][0] is sre.NEGATE
        return any(_fits(kind, what, one) for kind, what in value[negated:]) is not negated
    return True  # any character, a back reference, and what is not known here


def _literals(tree: Any) -> Iterator[str]:
    """The characters that a pattern names."""
    for part in tree if isinstance(tree, list | tuple | parser.SubPattern) else ():
        if isinstance(part, tuple) and len(part) == 2 and part[0] in (sre.LITERAL, sre.NOT_LITERAL):
            yield chr(part[1])
        elif isinstance(part, tuple) and len(part) == 2 and part[0] is sre.RANGE:
            yield from map(chr, part[1])
        else:
            yield from _literals(part)


def _reached(start: T, after: dict[T, Any]) -> set[T]:
    """What can be reached from a state in one step or more."""
    reached: set[T] = set()
    waiting: list[T] = list(after[start])
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.add(one)
            waiting.extend(after[one])
    return reached
