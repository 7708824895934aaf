"""What is asked of words that a claim quotes: whose they are, where they stand, and which things the call has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from agent.memory.flows import Flows
from agent.memory.mentions import Head, named_in, root, vocabulary
from agent.memory.naming import GENERIC, bridges_to, stems, utterance_of
from agent.memory.nodes import STATUS, Graph, Question, Speaker, State
from agent.memory.sentences import clauses, sentences
from agent.memory.ties import asks_of_another, left_for, rivals
from agent.memory.words import content_stems
from agent.memory.words import stem as stem_of

_LOOK_BACK = 6  # utterances


@dataclass(frozen=True)
class About:
    """Words of one utterance, and the thing that they may be about."""

    graph: Graph
    flows: Flows
    question: Question
    by: Speaker
    span: tuple[int, int]
    thing: str
    names: Sequence[str]
    attribute: str = ""

    @cached_property
    def words(self) -> str:
        """The whole utterance."""
        return utterance_of(self.question, self.by)

    @cached_property
    def clause(self) -> str:
        """The clauses that the words touch."""
        return next(backwards(self.graph, self.question, self.by, self.span), (self.by, ""))[1]

    @cached_property
    def every_name(self) -> tuple[str, ...]:
        """The names of all things, once each; "gas reading" is no other thing than the reading of "gas"."""
        held = [state.name for state in self.graph.states if state.merged is None and state.name]
        return tuple(dict.fromkeys(name for name in (*self.names, *held) if not self._is_it(name)))

    def _is_it(self, name: str) -> bool:
        mine = vocabulary(self.thing)
        return mine < vocabulary(name) <= vocabulary(f"{self.thing} {self.attribute}")

    @cached_property
    def held(self) -> tuple[frozenset[str], list[frozenset[str]]]:
        """The stems that tell the thing by its name and its values, and those of each other thing."""
        return _words(self.graph, self.thing, self.every_name, self.flows)

    @cached_property
    def called(self) -> tuple[frozenset[str], list[frozenset[str]]]:
        """The same of the names alone."""
        return _words(Graph(), self.thing, self.every_name, self.flows)

    @cached_property
    def named_whole(self) -> bool:
        """Whether the clause names the thing by all its words."""
        return named_in(self.thing, self.clause) == "whole"

    @property
    def is_status(self) -> bool:
        """Whether the words say how the thing stands, and are no value of it."""
        return self.attribute == STATUS

    def bridges(self, head: Head) -> bool:
        """Whether a name that nobody has noted may be a part of the thing."""
        return self.by == "agent" and bridges_to(self.graph, self.question, self.thing, head)

    def leads_off(self, side: Speaker, text: str, *, here: bool) -> bool:
        """Whether a clause of `side` is about something else; `here`: in the same utterance."""
        known = vocabulary(self.thing) | self.held[0]
        if here and left_for(self.words, self.span, text, known, self.flows):
            return True
        if side == "caller" and asks_of_another(text, known, stems(self.attribute)):
            return True
        return rivals(text, self.thing, self.held[0], self.attribute, self.bridges)


def _words(graph: Graph, thing: str, names: Sequence[str], flows: Flows) -> tuple[frozenset[str], list[frozenset[str]]]:
    """The stems that tell a thing from every other, and those of each other thing that tell it from this one."""
    key = thing.casefold()
    told: dict[str, set[str]] = {name.casefold(): set(stems(name)) for name in (thing, *names)}
    for state in graph.states:
        if state.merged is None and state.name and state.name.casefold() in told:
            told[state.name.casefold()].update(_told(state))
    dull = GENERIC | {root(stem_of(word)) for word in flows.acts}
    named = {name.casefold(): name for name in (thing, *names)}
    told = {name: words - dull or _forms_of(named.get(name, name)) for name, words in told.items()}
    own = told.pop(key)
    others = list(told.values())
    shared = frozenset[str]().union(*others) if others else frozenset[str]()
    return frozenset(own - shared), [frozenset(words - own) for words in others]


def _forms_of(name: str) -> set[str]:
    """The words of a name that has no others than those of acts: "enrolment", which "is enrolled" does not name."""
    return {f"={root(stem)}" for stem in content_stems(name)}


def _told(state: State) -> set[str]:
    held = " ".join([state.name, *(slot.value for slot in state.slots)])
    return {word for word in stems(held) if len(word) > 1} | set(stems(state.name))


def backwards(graph: Graph, question: Question, by: Speaker, span: tuple[int, int]) -> Iterator[tuple[Speaker, str]]:
    """The clause of a span, then what was said before it, clause by clause and utterance by utterance."""
    words = question.text if by == "caller" else question.answer or ""
    parts = [(sentence.start + start, text) for sentence in sentences(words) for start, text in clauses(sentence.text)]
    touched = [text for start, text in parts if start < span[1] and span[0] < start + len(text)]
    yield by, " ".join(touched)
    for start, text in reversed(parts):
        if start + len(text) <= span[0]:
            yield by, text
    left = _LOOK_BACK
    turn, side = question.id, by
    other: Mapping[Speaker, Speaker] = {"agent": "caller", "caller": "agent"}
    while left:
        turn, side = turn - (side == "caller"), other[side]
        before = graph.question(turn)
        if before is None:
            return
        for sentence in reversed(sentences(before.text if side == "caller" else before.answer or "")):
            yield side, sentence.text
        left -= 1
