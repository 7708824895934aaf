"""Whether a value was said about one thing and not about another: the nearest words that tell things apart decide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from agent.memory.confirmed import may_undo
from agent.memory.flows import Flows
from agent.memory.mentions import Head, head_of, is_foreign, named_in, parts_of, root, vocabulary
from agent.memory.naming import (
    GENERIC,
    SELF_NAMED,
    beside,
    bridges_to,
    forms_said,
    in_passing,
    named_by_now,
    named_first,
    numbers_another,
    people_since,
    said_for_you,
    somebody_else,
    stems,
    utterance_of,
    within_longer,
)
from agent.memory.nodes import STATUS, Graph, Question, Speaker, State
from agent.memory.sentences import clauses, sentences
from agent.memory.ties import asks_of_another, is_paid_sum, is_person, is_plural, left_for, rivals, tied
from agent.memory.words import content_stems, words_of
from agent.memory.words import stem as stem_of

_TOTAL = re.compile(
    r"\b(?:that (?:makes|comes to|leaves)|in total|in all|altogether|all together|the (?:new )?total)\b", re.IGNORECASE
)
_TOGETHER = re.compile(
    r"\b(?:all(?: of (?:it|them))?|both|everything|each|together|the (?:two|three|four|five|six|lot|whole (?:lot"
    r"|order|bill)))\b",
    re.IGNORECASE,
)
_SELF_SAID: Mapping[Speaker, re.Pattern[str]] = {
    "agent": re.compile(r"\b(?:you|yours)\b", re.IGNORECASE),
    "caller": re.compile(r"\b(?:mine|myself)\b", re.IGNORECASE),
}
_SHIFTS = re.compile(
    r"^(?:\w+[,.!]? )?(?:and|also|what about|how about)\b[^?]*?\b((?:the|my|our|your|another|a|an) \w+)[^?]*[?]",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(
    r"\b(?:it|its|it's|that|this|them|they|these|those|he|him|his|she|her|hers|there|same)\b", re.IGNORECASE
)
_PLACING = frozenset({"to", "at", "in", "on", "from", "with", "near", "beside", "of"})
_WHOLES = frozenset(content_stems("order bill invoice booking basket cart purchase receipt total account"))
_LOOK_BACK = 6  # utterances


class LeadsOff(Protocol):
    """Whether a clause of `side` is about something else; `here`: in the value's own utterance."""

    def __call__(self, side: Speaker, text: str, *, here: bool) -> bool: ...


def belongs(
    graph: Graph,
    flows: Flows,
    question: Question,
    by: Speaker,
    span: tuple[int, int],
    thing: str,
    names: Sequence[str],
    attribute: str = "",
) -> bool:
    """Whether the words at `span` of what `by` said in a turn are about `thing`.

    The clause of the value is asked first: a name at its head that is not the thing's rules it out. Then the ones
    before it, back to six utterances: the first that names some thing decides, and one that is about something that
    nobody has noted ends the search.
    """
    own, others = _words(graph, thing, names, flows)
    for state in graph.states:
        if _nameless_act(state) and not _begun_with(graph, state, thing) and _holds(graph, state, question, by, span):
            return False
    _, clause = next(_backwards(graph, question, by, span), (by, ""))
    every_name = tuple(dict.fromkeys((*names, *_names(graph))))

    def bridges(head: Head) -> bool:
        return by == "agent" and bridges_to(graph, question, thing, head)

    if not tied(utterance_of(question, by), span, thing, own, attribute, flows, bridges):
        return False
    if attribute != STATUS and _just_ended(utterance_of(question, by), span, thing, flows):
        return False
    if within_longer(thing, clause, every_name):
        return False
    if attribute != STATUS and beside(utterance_of(question, by), span, thing):
        return True
    if attribute != STATUS and numbers_another(graph, utterance_of(question, by), span, thing, every_name):
        return False
    if not named_by_now(graph, question, by, span[1], thing):
        return False
    if attribute == STATUS and is_paid_sum(thing, clause):
        return True
    whole = named_in(thing, clause) == "whole"
    if (
        is_foreign(utterance_of(question, by))
        and not whole
        and any(named_in(name, clause) == "whole" for name in every_name if name.casefold() != thing.casefold())
    ):
        return False
    if whole and not words_of(thing)[1:] and is_foreign(clause):
        return True
    if whole and named_first(clause, thing, every_name):
        return True
    if not whole and not is_person(thing) and somebody_else(graph, question, by, clause):
        return False
    if by == "agent" and head_of(clause).pronoun == "yours" and said_for_you(graph, question, thing):
        return True
    if head_of(clause).pronoun in ("he", "she") and is_person(thing):
        return [name for name in every_name if is_person(name)] == [thing] and not people_since(graph, question, thing)
    several = len(every_name) > 1 or sum(state.merged is None for state in graph.states) > 1
    if not whole and several and _TOTAL.search(clause):
        return _is_whole(thing, every_name)  # "that makes $61": of the whole, whatever was named last
    called, others_called = _words(Graph(), thing, every_name, flows)
    if _TOGETHER.search(clause) and called & forms_said(_sentence(question, by, span)):
        return True  # "pitch 9 for you and pitch 10 for Nils, both from Monday"
    if others and not called:
        return _named_alone(graph, question, by, span, thing, every_name, others_called)
    value = frozenset[str]() if attribute == STATUS else forms_said(utterance_of(question, by)[span[0] : span[1]])

    def leads_off(side: Speaker, text: str, *, here: bool) -> bool:
        if here and left_for(utterance_of(question, by), span, text, vocabulary(thing) | own, flows):
            return True
        if side == "caller" and asks_of_another(text, vocabulary(thing) | own, stems(attribute)):
            return True
        return rivals(text, thing, own, attribute, bridges)

    return _named_last(
        graph, question, by, span, thing, every_name, (called, others_called), (own, others), leads_off, value
    )


def _named_last(
    graph: Graph,
    question: Question,
    by: Speaker,
    span: tuple[int, int],
    thing: str,
    every_name: Sequence[str],
    called: tuple[frozenset[str], list[frozenset[str]]],
    held: tuple[frozenset[str], list[frozenset[str]]],
    leads_off: LeadsOff,
    own_words: frozenset[str],
) -> bool:
    """Whether the nearest clause that names some thing, from the value's own backwards, names this one."""
    turned, last = 0, by
    for place, (side, text) in enumerate(_backwards(graph, question, by, span)):
        turned, last = turned + (side != last), side
        if turned > 1 and is_foreign(utterance_of(question, by)):
            return False  # heads of clauses are English: in other words a thing is named here or just before
        said = forms_said(text)
        told = named_in(thing, text)
        if told == "other" and place:
            return False
        if told == "whole" and place and named_first(text, thing, every_name):
            return side == "caller" or not in_passing(text, thing)
        for mine, theirs in (called, held):  # names tell more than the values held so far
            if theirs is held[1] and not place:
                said = said - own_words
            hits, other_hits = len(said & mine), max((len(said & words) for words in theirs), default=0)
            if hits or other_hits:
                return hits > 0 and hits >= other_hits and not _aside(text, mine, theirs)
        if told:
            return True
        if side == "caller" and _shifts(text):
            return False
        if _SELF_SAID[side].search(text):
            to_self = [name for name in every_name if SELF_NAMED.search(name)]
            if to_self:
                return to_self == [thing]
        if _TOGETHER.search(text) and len(every_name) > 1:
            return _is_whole(thing, every_name)
        if place and leads_off(side, text, here=not turned):
            return False
    return len(every_name) == 1 and not held[1]


_OFF = re.compile(r"\b(?:off|from|on|for) (?:(?:the|your|his|her|their) )?[A-Z]")


def _just_ended(words: str, span: tuple[int, int], thing: str, flows: Flows) -> bool:
    """Whether "it" after "the cake is cancelled, then it's $440" is what is left, and not the thing that was ended."""
    for sentence in () if is_plural(thing) else sentences(words):
        if may_undo(sentence, flows.acts) != "ended" or sentence.start > span[0]:
            continue
        first = clauses(sentence.text)[0][1]
        if named_in(thing, first) and not _OFF.search(first) and sentence.start + len(first) <= span[0]:
            clause = next((t for at, t in parts_of(words) if at <= span[0] < at + len(t)), "")
            return head_of(clause).pronoun in ("it", "that") and not named_in(thing, clause)
    return False


def _shifts(text: str) -> bool:
    """Whether the caller goes on to something else than what was named before ("And is the date in your calendar?")."""
    found = _SHIFTS.search(text)
    if found is None or _POINTS_BACK.search(text) or not stems(text) - GENERIC:
        return False
    return head_of(text[found.start(1) :]).kind == "named"


def _sentence(question: Question, by: Speaker, span: tuple[int, int]) -> str:
    return " ".join(
        one.text for one in sentences(utterance_of(question, by)) if one.start < span[1] and span[0] < one.end
    )


def _aside(text: str, mine: frozenset[str], theirs: Sequence[frozenset[str]]) -> bool:
    """Whether another thing is what a clause is about, and this one only its place ("wood is brought to pitch 30")."""
    words = words_of(text)
    places = [place for place, word in enumerate(words) if forms_said(word) & mine]
    other = [place for place, word in enumerate(words) if any(forms_said(word) & held for held in theirs)]
    return bool(places) and bool(other) and other[0] < places[0] and words[places[0] - 1] in _PLACING


def _is_whole(thing: str, names: Sequence[str]) -> bool:
    """Whether a name stands for several things at once, and no other name of the call does.

    "cakes" beside "plum cake"; "the twins"; the order or bill itself.
    """
    wholes = [name for name in names if set(content_stems(name)) & _WHOLES] or list(filter(is_plural, names))
    return [name.casefold() for name in wholes] == [thing.casefold()]


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
    key = stems(thing) - GENERIC
    for side, text in _backwards(graph, question, by, span):
        said = forms_said(text)
        if any(said & words for words in others) or named_in(thing, text) == "other":
            return False
        if SELF_NAMED.search(thing) and _SELF_SAID[side].search(text):
            return True
        if said & key:
            return not SELF_NAMED.search(thing)
        if _TOGETHER.search(text):
            return _is_whole(thing, names)
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
    key = stems(thing) - GENERIC
    if told is None or not key:
        return True
    before = (slot.turn for other in graph.states if other is not state for slot in other.slots if slot.name == STATUS)
    first = max((turn for turn in before if turn < told.turn), default=-1) + 1
    said = [stems(f"{question.text} {question.answer or ''}") for question in graph.questions]
    rarest = min(sorted(key), key=lambda word: sum(word in words for words in said) or len(said) + 1)
    led = (graph.question(turn) for turn in range(first, told.turn + 1))
    return any(q is not None and rarest in stems(f"{q.text} {q.answer or ''}") for q in led)


def _names(graph: Graph) -> list[str]:
    return [state.name for state in graph.states if state.merged is None and state.name]


def _words(graph: Graph, thing: str, names: Sequence[str], flows: Flows) -> tuple[frozenset[str], list[frozenset[str]]]:
    """The stems that tell a thing from every other, and those of each other thing that tell it from this one."""
    key = thing.casefold()
    told: dict[str, set[str]] = {name.casefold(): set(stems(name)) for name in (thing, *names)}
    for state in graph.states:
        if state.merged is None and state.name:
            told.setdefault(state.name.casefold(), set()).update(_told(state))
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


def _backwards(graph: Graph, question: Question, by: Speaker, span: tuple[int, int]) -> Iterator[tuple[Speaker, str]]:
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
