"""Which thing of a call the caller means: the candidates for a pointer, and the choice among them.

Things of a declared subject stand in one topic. Those of no declared subject may be spread over several, so their kin
are found by what they have in common: the noun that the caller points with, or the slots that they have.
"""

from __future__ import annotations

from agent.memory.flows import GENERIC
from agent.memory.index import Index
from agent.memory.nodes import REQUEST, Graph, State, Topic
from agent.memory.references import CHOOSING, Pointer, matching, resolve
from agent.memory.topics import TopicChoice
from agent.memory.values import Value
from agent.memory.words import content_stems

_DESCRIBED = 0.3  # a word that three states are known by describes one of them well enough
_ALIKE_SLOTS = 2  # slot names that two things of one kind share
_POINTING_WORDS = frozenset(content_stems("one ones first second third fourth fifth last other earlier previous thing"))


def pointed_at(
    graph: Graph, index: Index, choice: TopicChoice, pointer: Pointer, text: str, values: list[Value]
) -> State | None:
    """The state that a pointer means, or None when there is none to mean."""
    topic = graph.topics[choice.topic] if choice.move != "new" else None
    here = [] if topic is None else _things(graph, topic)
    focus = None if topic is None else topic.focus
    if pointer.kind in CHOOSING and len(here) < 2:
        kin = _kin(graph, index, text)
        here, focus = (kin, _latest(kin)) if kin else (here, focus)
    if pointer.kind not in CHOOSING and choice.subject is None and not matching(here, values):
        meant = _described(graph, index, text)
        if meant is not None:
            return meant
    if pointer.kind in ("mention", "return") and values and not matching(here, values):
        everywhere = matching(graph.states, values)
        if len(everywhere) == 1 and any(value.kind == "name" for value in values):
            return everywhere[0]
        if pointer.kind == "mention":
            return None
    found = resolve(pointer, here, focus, values)
    return None if pointer.kind == "mention" and not matching(here, values) else found


def _described(graph: Graph, index: Index, text: str) -> State | None:
    """The thing known by most of the words said, the newest of equals; None when no word is of a few things only."""
    scores = index.described(text)
    known = [state for state in graph.states if scores.get(state.id, 0.0) >= _DESCRIBED and not is_loose(state)]
    return max(known, key=lambda state: (scores[state.id], state.id), default=None)


def named(graph: Graph, values: list[Value]) -> State | None:
    """The one state out of focus that carries all the names said, when no other carries any."""
    names = [value for value in values if value.kind == "name"]
    found = matching(graph.states, names)
    if not names or len(names) < len(values) or len(found) != 1 or found[0] is graph.state:
        return None
    return found[0]


def is_loose(state: State) -> bool:
    """Whether a state holds values that belong to nothing: a generic one without the words it was opened with."""
    return state.flow == GENERIC and state.value(REQUEST) is None


def _things(graph: Graph, topic: Topic) -> list[State]:
    """What a caller can point at in a topic."""
    states = list(graph.states_of(topic))
    return states if len(states) == 1 else [state for state in states if not is_loose(state)]


def _kin(graph: Graph, index: Index, text: str) -> list[State]:
    """The newest things of one kind in the whole call, oldest first; none when no two are alike."""
    things = [state for state in graph.states if not is_loose(state)]
    for word in dict.fromkeys(content_stems(text)):
        known = index.things.get(word, set()) if word not in _POINTING_WORDS else set[int]()
        of_noun = [state for state in things if state.id in known]
        if len(of_noun) > 1:
            return of_noun
    for state in reversed(things):
        alike = [other for other in things if other is state or _alike(other, state)]
        if len(alike) > 1:
            return alike
    return []


def _alike(one: State, other: State) -> bool:
    names = {slot.name for slot in one.slots} & {slot.name for slot in other.slots} - {REQUEST}
    return one.flow == other.flow and len(names) >= _ALIKE_SLOTS


def _latest(states: list[State]) -> int:
    """The state that was told of last."""
    return max(states, key=lambda state: max((slot.turn for slot in state.slots), default=state.opened)).id
