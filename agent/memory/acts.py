"""The lexical part of the notes: which thing a confirmed act of the agent is about, and what puts a thing in doubt.

It works on the words alone, so it says little: that at a turn the agent said that something was done, in the agent's
own words. Where it cannot tell which thing an act changed, it says that the ones it may have been are in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from agent.memory.confirmed import Act, act_in
from agent.memory.features import EMPTY, FILLERS, kinds_said, stems_in, values_said
from agent.memory.flows import ActKind, Flows
from agent.memory.index import Index
from agent.memory.mentions import goes_on
from agent.memory.nodes import AGREED, CHANGED, STATUS, Graph, Question, State
from agent.memory.sentences import (
    agrees,
    asks,
    bad_news,
    denies,
    offers,
    promises,
    repairs,
    sentences,
    supposes,
)
from agent.memory.statements import turned_round
from agent.memory.values import Value, values_in
from agent.memory.words import stem

MAX_STATES = 300
NEAR_TURNS = 4  # a thing told of so few turns ago may be meant without being named
MAX_ACT = 320  # characters of one act with the statements that belong to it
MAX_AGREED = 240  # characters of the question that was agreed to
_TELLING = frozenset({"code", "phone", "price", "email", "address", "date", "time"})
_TELLING_APART = frozenset({"code", "phone", "email", "name", "from", "to", "in", "near"})


@dataclass(frozen=True, slots=True)
class Deed:
    """A confirmed act, the thing it is about and what it does to the others."""

    state: int
    kind: ActKind
    text: str
    agreed: str = ""
    replaces: tuple[str, ...] = ()
    settles: tuple[int, ...] = ()
    """The turns whose doubts it settles."""
    doubts: tuple[int, ...] = ()
    """Things that it may have changed as well."""


def deeds_in(
    graph: Graph, index: Index, flows: Flows, question: Question, answer: str, *, interrupted: bool
) -> list[Deed]:
    """The confirmed acts of an answer, in order."""
    found: list[Deed] = []
    before = graph.question(question.id - 1)
    asked = _asked(before) if before is not None and agrees(question.text) else ""
    states = list(graph.states)
    for act in acts_in(answer, flows, interrupted=interrupted):
        deed = _deed(states, act, asked, question.id, index, flows)
        if deed is None:
            continue
        found.append(deed)
        asked = ""
        if deed.state == len(states):  # the next act of the same answer sees this one
            states.append(State(deed.state, question.topic, question.id, state=deed.kind))
    return found


def acts_in(answer: str, flows: Flows, *, interrupted: bool) -> list[Act]:
    """Confirmed acts with the plain statements right after each that carry a value ("Your reference is …")."""
    told = list(sentences(answer))
    if interrupted and told and not told[-1].ended:
        told.pop()  # what would have followed could have turned it round
    found: list[Act] = []
    end = 0
    for place, sentence in enumerate(told):
        act = act_in(sentence, flows.acts)
        if act is not None and turned_round(told, place):
            act = None
        if act is not None and place and _only_points(act.text, flows) and told[place - 1].start >= end:
            before = told[place - 1]
            if _plain(before.text):  # "The report LF-300 is closed. I have cancelled it."
                act = Act(act.kind, answer[before.start : sentence.end], before.start)
        if act is not None:
            found.append(act)
            end = sentence.end
        elif (
            found
            and sentence.start - end <= 2
            and _adds(sentence.text, found[-1], answer, sentence.end)
            and not (place + 1 < len(told) and repairs(told[place + 1].text))
        ):
            last = found[-1]
            found[-1] = Act(last.kind, answer[last.start : sentence.end], last.start)
            end = sentence.end
        else:
            end = -MAX_ACT  # something else was said: later statements belong to nothing
    return [act for act in found if len(act.text) <= MAX_ACT]


def _plain(text: str) -> bool:
    return not (asks(text) or supposes(text) or denies(text) or bad_news(text) or promises(text) or offers(text))


def _only_points(text: str, flows: Flows) -> bool:
    """Whether an act says "it" or "that" and nothing of what that is."""
    verbs = {stem(word) for cue in flows.acts for word in cue.split()}
    return bool(POINTS.search(text)) and not values_in(text) and not stems_in(text) - EMPTY - FILLERS - verbs


def _adds(text: str, act: Act, answer: str, end: int) -> bool:
    if not _plain(text) or not goes_on(text, act.text):
        return False
    return end - act.start <= MAX_ACT and any(value.kind in _TELLING for value in values_in(text))


def _asked(before: Question) -> str:
    """The end of the agent's last answer when that was a question to say yes to, with the statement it asks about."""
    if before.interrupted or not before.answer:
        return ""
    told = list(sentences(before.answer))
    if not told or not asks(told[-1].text):
        return ""
    start = told[-2].start if len(told) > 1 else told[-1].start
    return before.answer[start:] if len(before.answer) - start <= MAX_AGREED else ""


def _deed(states: list[State], act: Act, asked: str, turn: int, index: Index, flows: Flows) -> Deed | None:
    text = f"{act.text} {asked}"
    state, doubtful = thing_of(states, act.kind, text, act.text, index, verbs_of(flows))
    pointed = act.kind != "confirmed" and POINTS.search(act.text) is not None
    if state is not None and not pointed and _of_another(states[state], act, index, flows):
        state, doubtful = None, () if act.kind == "confirmed" else (state,)
    if state is not None and act.kind == CHANGED and not (_MOVES.search(act.text) or _gives_other(states[state], text)):
        state, doubtful = None, (state,)  # "I have corrected it to Garza": the rest of it may well stand
    if state is None and len(states) >= MAX_STATES:
        return None
    if state is None:
        return Deed(len(states), act.kind, act.text, asked, doubts=doubtful)
    settles = tuple(doubt for doubt in states[state].doubts if doubt <= turn)
    replaces = contradicted(states[state], text, act.kind)
    return Deed(state, act.kind, act.text, asked, replaces, settles)


_RETOLD = frozenset({"date", "time", "month", "price"})
_RETOLD_NAMES = frozenset({"date", "time", "price", "amount", "total", "quantity"})


@lru_cache(maxsize=8)
def verbs_of(flows: Flows) -> frozenset[str]:
    """The stems of the declared words of acts."""
    return frozenset(stem(word) for cue in flows.acts for word in cue.split())


def _of_another(state: State, act: Act, index: Index, flows: Flows) -> bool:
    """Whether an act names something that was never said of a thing ("the reminder for Tuesday is cancelled")."""
    words = act.text.casefold()
    for value in values_in(act.text):
        words = words.replace(value.text.casefold(), " ")
    verbs = verbs_of(flows)
    named = {word for word in stems_in(words) - EMPTY - FILLERS - verbs if len(word) > 2}
    known = stems_in(state.told)
    return bool(named) and not any(word in known or state.id in index.things.get(word, ()) for word in named)


def contradicted(state: State, text: str, kind: str = "") -> tuple[str, ...]:
    """The slots of a thing that a new statement about it gives another value of.

    A change replaces whatever is of the same kind (another day, another time); any other statement only what is plainly
    the thing's own date, time, price or amount, since an opening time or a fee beside it may well go on.
    """
    said = _by_kind(text)
    found: list[str] = []
    for slot in state.slots:
        if slot.name in (STATUS, AGREED) or (kind != CHANGED and slot.name.split(" ")[-1] not in _RETOLD_NAMES):
            continue
        held = _by_kind(slot.value)
        if any(held[name] and said[name] and not held[name] & said[name] for name in _RETOLD):
            found.append(slot.name)
    return tuple(found)


def _by_kind(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {name: set() for name in _RETOLD}
    for value in values_in(text):
        if value.kind in found:
            found[value.kind].add(value.text.casefold())
    return found


def thing_of(
    states: list[State], kind: ActKind, text: str, act: str, index: Index, verbs: Collection[str] = ()
) -> tuple[int | None, tuple[int, ...]]:
    """The thing that an act is about (None: a new one), and the things that it may have changed instead."""
    live = [state for state in states if state.live]
    values, stems = values_in(text), stems_in(text)
    said = kinds_said(text)
    known = index.sharing(stems)
    scores = {state.id: _likeness(state, said, stems, kind) for state in live if state.id in known}
    likely = sorted((number for number, score in scores.items() if score > 0), key=lambda number: -scores[number])
    if kind == "confirmed":
        same = [number for number in likely if _repeats(states[number], values, stems)]
        return (same[0] if len(same) == 1 else None), ()
    certain = likely and (len(likely) == 1 or scores[likely[0]] > scores[likely[1]])
    if certain and (kind == CHANGED or _shares_value(states[likely[0]], text)):
        return likely[0], ()
    if likely:  # a word alone does not tell a thing from a part of it ("the plum cake is taken off")
        return None, tuple(number for number in likely if scores[number] == scores[likely[0]])
    points = bool(POINTS.search(act)) or not (values_in(act) or (stems_in(act) - EMPTY))
    if len(live) == 1 and points and goes_on(act, live[0].told):
        return live[0].id, ()
    if not points and stems_in(act) - EMPTY - FILLERS - frozenset(verbs):
        return None, ()  # it names another thing, and its own words are told
    near = max((state.touched for state in live), default=0) - NEAR_TURNS
    return None, tuple(state.id for state in live if state.touched >= near)


_MOVES = re.compile(
    r"\b(?:moved|rescheduled|postponed|shifted|(?:put|pushed) (?:\w+ )?back|brought (?:\w+ )?forward|replaced)\b",
    re.IGNORECASE,
)


def _gives_other(state: State, text: str) -> bool:
    """Whether a text gives another day, time or price than those that are held of a thing."""
    held, said = _by_kind(state.told), _by_kind(text)
    return any(held[name] and said[name] and not said[name] <= held[name] for name in _RETOLD)


POINTS = re.compile(
    r"\b(?:it|that|this|them|both|(?:your|the) (?:booking|appointment|order|reservation))\b", re.IGNORECASE
)


def _shares_value(state: State, text: str) -> bool:
    return bool(values_said(text) & values_said(state.told))


def _likeness(state: State, said: Mapping[str, frozenset[str]], stems: frozenset[str], kind: ActKind) -> float:
    """How well a thing fits the words of an act: shared values count twice a shared word; a contradiction rules out.

    `said` are the act's values by kind.
    """
    told = state.told
    common = stems & stems_in(told)
    if not common:
        return 0.0
    held = kinds_said(told)
    for name, theirs in said.items():
        mine = held.get(name)
        if not mine or not (name in _TELLING_APART or (name == "date" and kind != CHANGED)):
            continue
        if mine.isdisjoint(theirs) and not any(one in other or other in one for one in mine for other in theirs):
            return 0.0
    every = values_said(told)
    # A refund need not end a booking.
    shared = {value for name, values in said.items() if name != "price" for value in values if value in every}
    return 2.0 * len(shared) + len(common - EMPTY)


def _repeats(state: State, values: list[Value], stems: frozenset[str]) -> bool:
    """Whether a confirmation says again what a thing's status said: the same values, and a word or two in common."""
    held = values_said(state.told)
    told = {value.text.casefold() for value in values}
    return (
        bool(told)
        and bool(held)
        and (told <= held or held <= told)
        and len(told & held) >= 1
        and bool((stems - EMPTY) & stems_in(state.told))
    )
