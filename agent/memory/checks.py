"""What the small model wrote down is believed only as far as the words of the call bear it out.

Each claim names a thing, an attribute, a value and where it was said. The value must stand verbatim in the words of
that turn and side; the sentence must state it (no question, condition, denial, refused or unanswered offer); a status
must be the agent's; the words around must be about that thing and not about another; and nothing may replace what was
said later. What fails is dropped and counted by reason: the transcript still has it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from agent.memory.about import About
from agent.memory.acts import contradicted
from agent.memory.belonging import belongs
from agent.memory.claims import Claim, Reason
from agent.memory.confirmed import act_in
from agent.memory.flows import Flows
from agent.memory.graph import apply
from agent.memory.grounding import broken_up_at, changed_since, replaced_since
from agent.memory.naming import behind_of
from agent.memory.nodes import AGREED, CHANGED, ENDED, OPEN, STATUS, Graph, Question, Slot, State
from agent.memory.said import fits, value_problem
from agent.memory.sentences import (
    SpokenSentence,
    denies,
    sentences,
)
from agent.memory.standing import status_problem
from agent.memory.statements import opening_of
from agent.memory.values import values_in
from agent.memory.verbatim import every_verbatim, find_verbatim
from agent.memory.words import MARKS, content_stems, plain, words_of

MAX_CLAIMS = 24  # of one answer of the model
MAX_THINGS = 60  # that the model's notes may name
MAX_VALUE, MAX_NAME, MAX_ATTRIBUTE = 160, 60, 30  # characters


_ATTRIBUTE = re.compile(rf"[^\W\d_][\w{MARKS}'-]*(?: [\w{MARKS}'-]+){{0,2}}")
_CODE = re.compile(r"(?=.*\d)(?=.*[A-Z])[A-Z0-9]+(?:[ -][A-Z0-9]+)*")
_STATUS_NAMES = frozenset({"status", "state", "outcome", "result", "situation", "progress"})
_SAME = {
    **dict.fromkeys(("day", "when", "weekday", "appointment date"), "date"),
    **dict.fromkeys(("hour", "start", "start time", "appointment time"), "time"),
    **dict.fromkeys(("cost", "fee", "price total"), "price"),
    **dict.fromkeys(("reference number", "ref", "booking reference", "reference code"), "reference"),
    **dict.fromkeys(("count", "how many", "number of items"), "quantity"),
    **dict.fromkeys(("phone number", "telephone", "callback number"), "phone"),
}
_REQUEST = re.compile(
    r"\b(?:book|make|order|reserve|again|new|want|need|like|please|can (?:you|i|we)|could (?:you|i|we)|after all|undo"
    r"|put (?:it|that) back|re\w+ate|keep|yes|yeah|sure|ok(?:ay)?|go ahead)\b",
    re.IGNORECASE,
)


def checked(graph: Graph, flows: Flows, claims: Sequence[Claim]) -> tuple[list[dict[str, Any]], Counter[Reason]]:
    """The facts of a `noted` event that hold against the call, and how many claims were dropped for each reason."""
    facts: list[dict[str, Any]] = []
    dropped: Counter[Reason] = Counter()
    ordered = sorted(claims[:MAX_CLAIMS], key=lambda claim: (claim.turn, claim.by == "agent"))
    if len(claims) > MAX_CLAIMS:
        dropped["too_many"] += len(claims) - MAX_CLAIMS
    names = tuple(dict.fromkeys(plain(claim.thing) for claim in ordered))
    for claim in ordered:
        fact = _check(graph, flows, claim, names)
        if isinstance(fact, str):
            dropped[fact] += 1
            continue
        facts.append(fact)
        graph = apply(graph, {"kind": "noted", "turn": graph.noted, "facts": [fact]})
    return facts, dropped


def _check(graph: Graph, flows: Flows, claim: Claim, names: Sequence[str]) -> dict[str, Any] | Reason:
    thing, attribute = plain(claim.thing), _canonical(claim.attribute)
    if not _well_formed(thing, attribute, claim.value, flows):
        return "malformed"
    question = graph.question(claim.turn)
    if question is None or claim.turn >= graph.turns:
        return "unknown_turn"
    words = question.text if claim.by == "caller" else question.answer or ""
    spans = every_verbatim(words, claim.value)
    if not spans:
        return "not_said"
    if not _name_said(graph, thing):
        return "name_not_said"
    problem: Reason | None = None
    for span in reversed(spans):  # said twice in one turn, a value holds where it is said of the thing
        problem = _problem(graph, flows, claim, question, words, span, names)
        if problem is None:
            return _placed(graph, flows, claim, thing, attribute, words[span[0] : span[1]], names)
    return problem or "not_said"


def _problem(
    graph: Graph,
    flows: Flows,
    claim: Claim,
    question: Question,
    words: str,
    span: tuple[int, int],
    names: Sequence[str],
) -> Reason | None:
    """Why the words at one place do not bear out a claim, or None when they do."""
    thing, attribute, value = plain(claim.thing), _canonical(claim.attribute), words[span[0] : span[1]]
    if attribute == STATUS:
        problem = status_problem(question, flows, claim.by, words, span, thing)
    else:
        problem = value_problem(graph, question, claim.by, words, span, thing)
        if problem is None and _CODE.fullmatch(thing) and _CODE.fullmatch(value.strip()) and thing != value:
            return "other_thing"  # one plate is no other's plate
        if problem is None and not fits(attribute, value):
            return "wrong_kind"
        if problem is None and replaced_since(graph, flows, claim.turn, thing, value):
            return "stale"
        if problem is None and claim.by == "caller" and changed_since(graph, flows, claim.turn, thing, value):
            return "stale"
    if problem is not None:
        return problem
    about = About(graph, flows, question, claim.by, span, thing, names, attribute)
    return None if belongs(about) else "other_thing"


def _placed(
    graph: Graph, flows: Flows, claim: Claim, thing: str, attribute: str, value: str, names: Sequence[str]
) -> dict[str, Any] | Reason:
    """The fact in its place in the graph, or why it may not take it."""
    state = thing_named(graph, thing, flows)
    act = _act_of(graph, claim, value)
    if act is not None and attribute != STATUS and not _about(graph, flows, act, thing, names):
        act = None
    kind = _kind(flows, value, graph, claim) if attribute == STATUS else ""
    slot = Slot(attribute, value, claim.turn, claim.by)
    if state is None and act is None:
        if sum(1 for known in graph.states if known.name) >= MAX_THINGS:
            return "too_many"
        number, replaces, absorbs = len(graph.states), (), -1
    else:
        meant = cast("State", state or act)
        if _stale(meant, slot, plain(claim.supersedes).lower()):
            return (_retold(meant, thing) if state is None and attribute == STATUS else None) or "stale"
        told = meant.slot(STATUS)
        if attribute == STATUS and told is not None and told.turn == claim.turn and find_verbatim(told.value, value):
            kind = kind or (meant.state if meant.state != OPEN else "")  # it quotes the act that said so
        if (
            attribute == STATUS
            and meant.state == ENDED
            and kind != ENDED
            and not _asked_again(graph, meant, claim.turn)
        ):
            return "ended"
        number = meant.id
        replaces = _replaced(meant, slot, _canonical(claim.supersedes) if claim.supersedes else "", kind)
        explained = attribute == STATUS or _explains(graph, meant, act, slot)
        absorbs = act.id if act is not None and act is not meant and explained else -1
    return {
        "state": number,
        "name": thing if state is None or not state.name else state.name,
        "attribute": attribute,
        "value": value,
        "turn": claim.turn,
        "by": claim.by,
        "kind": kind,
        "replaces": list(replaces),
        "absorbs": absorbs,
        "doubt": broken_up_at(graph, flows, claim.turn, value) if attribute == STATUS else -1,
    }


def _canonical(attribute: str) -> str:
    words = " ".join(plain(attribute).lower().replace("_", " ").split())
    return STATUS if words in _STATUS_NAMES else _SAME.get(words, words)


def _well_formed(thing: str, attribute: str, value: str, flows: Flows) -> bool:
    if not thing or len(thing) > MAX_NAME or not value.strip() or len(value) > MAX_VALUE:
        return False
    if len(attribute) > MAX_ATTRIBUTE or not _ATTRIBUTE.fullmatch(attribute):
        return False
    said = {*words_of(thing), *words_of(attribute)}
    return attribute != AGREED and not said & flows.acts.keys()


def _name_said(graph: Graph, name: str) -> bool:
    """Whether every word of a thing's name was said in the call, in some form (a greeting's words count as said)."""
    wanted = set(content_stems(name)) or {name.casefold()}
    for question in reversed(graph.questions):
        told = f"{question.text} {question.answer or ''}"
        wanted -= set(content_stems(told))
        wanted = {word for word in wanted if word[: max(4, len(word) - 2)] not in told.casefold()}
        if not wanted:
            return True
    return False


def thing_named(graph: Graph, name: str, flows: Flows) -> State | None:
    """The thing of a name, words that tell nothing apart ("the booking of") left aside."""
    wanted = _name_key(name)
    return next(
        (state for state in graph.states if state.merged is None and state.name and _name_key(state.name) == wanted),
        None,
    )


def _name_key(name: str) -> frozenset[str]:
    key = frozenset(content_stems(name)) - _EMPTY_NAMES
    return key or frozenset(content_stems(name)) or frozenset({name.casefold()})


_EMPTY_NAMES = frozenset(content_stems("appointment booking reservation session visit slot"))


def _act_of(graph: Graph, claim: Claim, value: str) -> State | None:
    """The nameless thing whose act is the sentence that a claim quotes from."""
    if claim.by != "agent":
        return None
    for state in graph.states:
        if state.name or state.merged is not None:
            continue
        for told in (*state.slots, *state.past):
            if told.name == STATUS and told.turn == claim.turn and find_verbatim(told.value, value) is not None:
                return state
    return None


def _about(graph: Graph, flows: Flows, act: State, thing: str, names: Sequence[str]) -> bool:
    """Whether a nameless act is the thing's, and not of something it only names beside it ("the key of locker 7")."""
    told = act.slot(STATUS) or next((slot for slot in act.past if slot.name == STATUS), None)
    question = graph.question(told.turn) if told is not None else None
    if told is None or question is None or told.value not in (question.answer or ""):
        return True
    start = (question.answer or "").index(told.value)
    first = sentences(told.value)[0]
    if behind_of(first.text, thing):
        return False
    begins = start + opening_of(first.text)
    return belongs(About(graph, flows, question, "agent", (begins, start + first.end), thing, names, STATUS))


def _explains(graph: Graph, meant: State, act: State | None, slot: Slot) -> bool:
    """Whether a value says what a change of its turn has changed of a thing ("I've corrected it to Garza")."""
    told = meant.slot(STATUS)
    asked = graph.question(slot.turn)
    if act is None or act.state != CHANGED or told is None or asked is None or asked.intent == "cancel":
        return False
    return bool(meant.name) and not _contradicted_kinds(told.value, slot.value)


def _retold(state: State, thing: str) -> dict[str, Any] | None:
    """The fact that gives a thing its name when a claim quotes an act that a later one has replaced."""
    told = state.slot(STATUS)
    if state.name or told is None:
        return None
    return {
        "state": state.id,
        "name": thing,
        "attribute": STATUS,
        "value": told.value,
        "turn": told.turn,
        "by": told.by,
        "kind": state.state if state.state != OPEN else "",
        "replaces": [STATUS],
        "absorbs": -1,
    }


def _kind(flows: Flows, value: str, graph: Graph, claim: Claim) -> str:
    """What a status does to its thing: the act of its sentence, else nothing."""
    question = graph.question(claim.turn)
    for sentence in sentences((question.answer or "") if question else ""):
        if find_verbatim(sentence.text, value) is not None:
            act = act_in(SpokenSentence(value, 0, ended=True), flows.acts) or act_in(sentence, flows.acts)
            return "" if act is None or denies(value) else act.kind
    return ""


def _stale(state: State, slot: Slot, supersedes: str) -> bool:
    """Whether something later stands where a value would go."""
    held = [state.slot(slot.name), state.slot(_canonical(supersedes)) if supersedes else None]
    if any(known is not None and known.said_at > slot.said_at for known in held):
        return True
    told = state.slot(STATUS)
    if slot.name == STATUS or told is None or told.said_at <= slot.said_at:
        return any(
            gone.name == slot.name and gone.value.casefold() == slot.value.casefold() and gone.said_at >= slot.said_at
            for gone in state.past
        )
    return bool(_contradicted_kinds(told.value, slot.value)) or any(
        gone.name == slot.name and (gone.replaced or 0) > slot.turn for gone in state.past
    )


def _contradicted_kinds(told: str, value: str) -> set[str]:
    if value.casefold() in told.casefold():
        return set()
    return (
        {found.kind for found in values_in(told)}
        & {found.kind for found in values_in(value)}
        & {"date", "time", "month", "count", "price"}
    )


def _replaced(state: State, slot: Slot, supersedes: str, kind: str) -> tuple[str, ...]:
    names = [slot.name] if state.slot(slot.name) is not None else []
    if supersedes and supersedes != STATUS and state.slot(supersedes) is not None:
        names.append(supersedes)
    if slot.name == STATUS:
        names += [AGREED] if state.slot(AGREED) is not None else []
        names += contradicted(state, slot.value, kind)
    return tuple(dict.fromkeys(names))


def _asked_again(graph: Graph, state: State, turn: int) -> bool:
    """Whether the caller asked for anything since a thing was ended, up to a turn."""
    ended = next((step.turn for step in reversed(state.transitions) if step.to == ENDED), state.opened)
    asked = (graph.question(number) for number in range(ended + 1, turn + 1))
    key = _name_key(state.name) if state.name else frozenset[str]()
    return any(
        question is not None
        and _REQUEST.search(question.text)
        and (not key or key & set(content_stems(question.text)) or len(content_stems(question.text)) <= 3)
        for question in asked
    )
