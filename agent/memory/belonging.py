"""Whether a value was said about one thing and not about another: the nearest words that tell things apart decide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from agent.memory.flows import Flows
from agent.memory.nodes import STATUS, Graph, Question, Speaker, State
from agent.memory.sentences import clauses, sentences
from agent.memory.words import content_stems
from agent.memory.words import stem as stem_of

_CODE = re.compile(r"\b[A-Za-z]{1,5}-?\d[\w-]*|\b\d+-\d[\w-]*")
_TOTAL = re.compile(
    r"\b(?:that (?:makes|comes to|leaves)|in total|in all|altogether|all together|the (?:new )?total)\b", re.IGNORECASE
)
_TOGETHER = re.compile(
    r"\b(?:all(?: of (?:it|them))?|both|everything|each|together|the (?:two|three|four|five|six|whole|lot))\b",
    re.IGNORECASE,
)
_WHOLES = frozenset(content_stems("order bill invoice booking basket cart purchase receipt total account"))
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
    acts = [state for state in graph.states if _nameless_act(state) and not _begun_with(graph, state, thing)]
    own, others = _words(graph, thing, names, flows)
    for state in acts:
        if _holds(graph, state, question, by, span):
            return False
    clause = next(_backwards(graph, question, by, span), "")
    every_name = tuple(dict.fromkeys((*names, *_names(graph))))
    if _TOTAL.search(clause) and (len(every_name) > 1 or sum(state.merged is None for state in graph.states) > 1):
        return _is_whole(thing, every_name)  # "that makes $61": of the whole, whatever was named last
    if not others:
        return True
    called, others_called = _words(Graph(), thing, every_name, flows)
    if not called:
        return _named_alone(graph, question, by, span, thing, every_name, others_called)
    for text in _backwards(graph, question, by, span):
        said = _stems(text)
        for mine, theirs in ((called, others_called), (own, others)):  # names tell more than the values held so far
            hits, other_hits = len(said & mine), max((len(said & words) for words in theirs), default=0)
            if hits or other_hits:
                return bool(hits) and hits >= other_hits
        if _TOGETHER.search(text):
            return _is_whole(thing, every_name)
    return False


def _is_whole(thing: str, names: Sequence[str]) -> bool:
    """Whether a name stands for several things at once, and no other name of the call does.

    "cakes" beside "plum cake"; "the twins"; the order or bill itself.
    """
    return [name.casefold() for name in names if _plural(name, names)] == [thing.casefold()]


def _plural(name: str, names: Sequence[str]) -> bool:
    last = name.casefold().split()[-1]
    if set(content_stems(name)) & _WHOLES:
        return True
    return last.endswith("s") and not last.endswith(("ss", "'s"))


def _named_alone(
    graph: Graph,
    question: Question,
    by: Speaker,
    span: tuple[int, int],
    thing: str,
    names: Sequence[str],
    others: Sequence[frozenset[str]],
) -> bool:
    """Whether a thing whose every word is in another's name too ("room" beside "room 5") is the one named last."""
    key = _stems(thing) - _GENERIC
    for text in _backwards(graph, question, by, span):
        said = _stems(text)
        if any(said & words for words in others):
            return False
        if _TOGETHER.search(text):
            return _is_whole(thing, names)
        if said & key:
            return True
    return False


def _nameless_act(state: State) -> bool:
    return not state.name and state.merged is None and state.slot(STATUS) is not None


def _holds(graph: Graph, state: State, question: Question, by: Speaker, span: tuple[int, int]) -> bool:
    """Whether the words at `span` stand in the act that a nameless thing is told by."""
    told = state.slot(STATUS)
    words = question.answer or ""
    if by != "agent" or told is None or told.turn != question.id or told.value not in words:
        return False
    start = words.index(told.value)
    return start <= span[0] and span[1] <= start + len(told.value)


def _begun_with(graph: Graph, state: State, thing: str) -> bool:
    """Whether a name's rarest word was said in the turns that led to an act, back to the act before it."""
    told = state.slot(STATUS)
    key = _stems(thing) - _GENERIC
    if told is None or not key:
        return True
    before = (slot.turn for other in graph.states if other is not state for slot in other.slots if slot.name == STATUS)
    first = max((turn for turn in before if turn < told.turn), default=-1) + 1
    said = [_stems(f"{question.text} {question.answer or ''}") for question in graph.questions]
    rarest = min(sorted(key), key=lambda word: sum(word in words for words in said) or len(said) + 1)
    led = (graph.question(turn) for turn in range(first, told.turn + 1))
    return any(q is not None and rarest in _stems(f"{q.text} {q.answer or ''}") for q in led)


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
    whole = _CODE.sub(lambda found: found.group().replace("-", ""), text)  # "LF-300" and "LF-301" share nothing
    return frozenset(stem for stem in content_stems(whole) if len(stem) > 1)
