"""Whether a value was said about one thing and not about another: the nearest words that tell things apart decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from agent.memory.flows import Flows
from agent.memory.nodes import Graph, Question, Speaker, State
from agent.memory.sentences import clauses, sentences
from agent.memory.words import content_stems
from agent.memory.words import stem as stem_of

_LOOK_BACK = 6  # utterances
_GENERIC = frozenset(
    content_stems(
        "appointment booking reservation order number reference code done yours mine please time day date"
        " free shall book send move add cost costs price new old first second one ones am pm"
    )
)


def belongs(
    graph: Graph, flows: Flows, question: Question, by: Speaker, span: tuple[int, int], thing: str, names: Sequence[str]
) -> bool:
    """Whether the words at `span` of what `by` said in a turn are about `thing`.

    The clause of the value is asked first, then the ones before it, back to six utterances: the first that has words of
    some thing decides. Without any, the value is the thing's only when the call has no other thing.
    """
    own, others = _words(graph, thing, names, flows)
    if not others:
        return True
    called, others_called = _words(Graph(), thing, [*names, *_names(graph)], flows)
    for text in _backwards(graph, question, by, span):
        said = _stems(text)
        for mine, theirs in ((called, others_called), (own, others)):  # names tell more than the values held so far
            hits, other_hits = len(said & mine), max((len(said & words) for words in theirs), default=0)
            if hits or other_hits:
                return bool(hits) and hits >= other_hits
    return False


def _names(graph: Graph) -> list[str]:
    return [state.name for state in graph.states if state.merged is None and state.name]


def _words(graph: Graph, thing: str, names: Sequence[str], flows: Flows) -> tuple[frozenset[str], list[frozenset[str]]]:
    """The stems that tell a thing from every other, and those of each other thing that tell it from this one."""
    key = thing.casefold()
    told: dict[str, set[str]] = {name.casefold(): set(content_stems(name)) for name in (thing, *names)}
    for state in graph.states:
        if state.merged is None and state.name:
            told.setdefault(state.name.casefold(), set()).update(_told(state))
    dull = _GENERIC | {stem_of(word) for word in flows.acts}
    own = told.pop(key) - dull
    others = [words - dull for words in told.values()]
    shared = frozenset[str]().union(*others) if others else frozenset[str]()
    return frozenset(own - shared), [frozenset(words - own) for words in others]


def _told(state: State) -> set[str]:
    held = " ".join([state.name, *(slot.value for slot in state.slots)])
    return set(_stems(held))


def _backwards(graph: Graph, question: Question, by: Speaker, span: tuple[int, int]) -> Iterator[str]:
    """The clause of a span, then what was said before it, clause by clause and utterance by utterance."""
    words = question.text if by == "caller" else question.answer or ""
    parts = [(sentence.start + start, text) for sentence in sentences(words) for start, text in clauses(sentence.text)]
    touched = [text for start, text in parts if start < span[1] and span[0] < start + len(text)]
    yield " ".join(touched)
    for start, text in reversed(parts):
        if start + len(text) <= span[0]:
            yield text
    left = _LOOK_BACK
    turn, side = question.id, by
    while left:
        turn, side = (turn, "caller") if side == "agent" else (turn - 1, "agent")
        before = graph.question(turn)
        if before is None:
            return
        yield before.text if side == "caller" else before.answer or ""
        left -= 1


@lru_cache(maxsize=2_000)
def _stems(text: str) -> frozenset[str]:
    return frozenset(stem for stem in content_stems(text) if len(stem) > 1)
