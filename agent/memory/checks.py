"""What the small model wrote down only points at words of the call: what it points at is told, and nothing of its own.

Each claim names a thing, an attribute, a value and where it was said. The value must stand verbatim in the words of
that turn and side, and the sentence must state it (no question, condition, refused or unanswered offer); a status must
be the agent's; and nothing may replace what was said later. What fails is dropped and counted by reason: the
transcript still has it. What passes is told by its whole sentences (excerpt.py), so that a value which the model gives
to the wrong thing is not told of that thing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from agent.memory.claims import Claim, Reason
from agent.memory.confirmed import act_in
from agent.memory.doubts import back_at, undone_at
from agent.memory.excerpt import excerpt, is_cut_off, words_by
from agent.memory.flows import Flows
from agent.memory.graph import apply
from agent.memory.grounding import COUNTED, HOURS, broken_up_at, contradicted, holds_for_caller
from agent.memory.nodes import AGREED, ENDED, STATUS, Graph, Question, Said, Slot, State
from agent.memory.said import accepted, identifies, value_problem, within
from agent.memory.sentences import sentences
from agent.memory.shapes import others_of_shape
from agent.memory.standing import is_own_offer, is_unsettled, status_problem
from agent.memory.values import values_in
from agent.memory.verbatim import every_verbatim, find_verbatim
from agent.memory.words import MARKS, content_stems, plain

MAX_CLAIMS = 24  # of one answer of the model
MAX_THINGS = 60  # that the model's notes may tell apart
_SETS = frozenset({"date", "time", "month"})
_MOVABLE = frozenset({"date", "time", "month", "count", "address", "price"})
MAX_VALUE, MAX_NAME, MAX_ATTRIBUTE = 160, 60, 30  # characters
MAX_PLACES = 8  # of a value in one turn that are looked at: the last ones


_ATTRIBUTE = re.compile(rf"[^\W\d_][\w{MARKS}'-]*(?: [\w{MARKS}'-]+){{0,4}}")
_STATUS_NAMES = frozenset({"status", "state", "outcome", "result", "situation", "progress"})
_SAME = {
    **dict.fromkeys(("day", "when", "weekday", "appointment date"), "date"),
    **dict.fromkeys(("hour", "start time", "appointment time"), "time"),
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
    for claim in ordered:
        fact = _check(graph, flows, claim)
        if isinstance(fact, str):
            dropped[fact] += 1
            continue
        facts.append(fact)
        graph = apply(graph, {"kind": "noted", "turn": graph.noted, "facts": [fact]})
    return facts, dropped


def _check(graph: Graph, flows: Flows, claim: Claim) -> dict[str, Any] | Reason:
    label, attribute = plain(claim.thing), _canonical(claim.attribute)
    if not _well_formed(label, attribute, claim.value):
        return "malformed"
    question = graph.question(claim.turn)
    if question is None or claim.turn >= graph.turns:
        return "unknown_turn"
    if question.withdrawn and claim.by == "caller":
        return "not_said"  # to nobody any more
    words = words_by(question, claim.by)
    spans = every_verbatim(words, claim.value)
    if not spans:
        return "not_said"
    problem: Reason | None = None
    for span in reversed(spans[-MAX_PLACES:]):  # said twice in one turn, a value holds where it is stated
        problem = _problem(graph, claim, question, words, span)
        if problem is None:
            said = excerpt(graph, question, claim.by, span)
            return _placed(graph, flows, claim, label, attribute, (words, span), said)
    return problem or "not_said"


def _problem(graph: Graph, claim: Claim, question: Question, words: str, span: tuple[int, int]) -> Reason | None:
    """Why the words at one place do not bear out a claim, or None when they do."""
    if _canonical(claim.attribute) == STATUS:
        mixed_up = contradicted(graph, question, claim.by)
        return "refused" if mixed_up else status_problem(question, claim.by, words, span)
    return value_problem(graph, question, claim.by, words, span)


def _placed(
    graph: Graph,
    flows: Flows,
    claim: Claim,
    label: str,
    attribute: str,
    place: tuple[str, tuple[int, int]],
    said: tuple[Said, ...],
) -> dict[str, Any] | Reason:
    """The fact in its place in the graph, or why it may not take it."""
    words, (start, end) = place
    value = words[start:end]
    known, act = thing_labelled(graph, label), _act_of(graph, claim, value)
    if act is not None and attribute == STATUS and (known is None or known is act):
        return _labelled(act, label) or "stale"
    quoted = _words(said) + (f" {act.value(STATUS) or ''}" if act is not None else "")
    name = label if find_verbatim(quoted, label) is not None else ""  # a name that its words do not have is not told
    merges = act is not None and known is not None and act is not known and bool(name and known.name)
    meant = known if known is not None and (act is None or merges) else act
    settled = attribute == STATUS or _settled(graph, claim, place)
    slot = Slot(attribute, value, claim.turn, claim.by, said=said, settled=settled)
    kind = _kind(flows, value, graph, claim) if attribute == STATUS else ""
    replaces: tuple[Slot, ...] = ()
    if meant is None:
        if sum(1 for state in graph.states if state.label) >= MAX_THINGS:
            return "too_many"
        number = len(graph.states)
    else:
        if _stale(meant, slot):
            return "stale"
        if (
            attribute == STATUS
            and meant.state == ENDED
            and kind != ENDED
            and not _asked_again(graph, meant, claim.turn)
        ):
            return "ended"
        number = meant.id
        name = meant.name and name if meant.label and meant is known else meant.name or ("" if meant.label else name)
        if not _of_another(graph, meant, slot):
            replaces = _replaced(graph, meant, slot, _canonical(claim.supersedes) if claim.supersedes else "")
    return {
        "state": number,
        "name": name,
        "label": label if meant is None or not meant.label else meant.label,
        "attribute": attribute,
        "value": value,
        "turn": claim.turn,
        "by": claim.by,
        "said": [{"turn": piece.turn, "by": piece.by, "text": piece.text} for piece in said],
        "before": len(said) - 1,
        "settled": settled,
        "kind": kind,
        "replaces": list(dict.fromkeys(held.name for held in replaces)),
        "gone": [{"name": held.name, "value": held.value, "turn": held.turn, "by": held.by} for held in replaces],
        "absorbs": act.id if act is not None and act is not meant and attribute == STATUS else -1,
        "doubt": broken_up_at(graph, flows, claim.turn, value) if attribute == STATUS else -1,
        "since": _since(graph, flows, claim, attribute, value, value if label in value else said[-1].text),
    }


def _since(graph: Graph, flows: Flows, claim: Claim, attribute: str, value: str, sentence: str) -> int | None:
    """The turn in which a status, a day or an hour that a claim quotes may have been changed since, or None."""
    back = (back_at(graph, claim.turn, told) for told in (value, sentence) if claim.by == "agent")
    if (at := next((turn for turn in back if turn is not None), None)) is not None:
        return at
    if attribute != STATUS and not (_SETS & {found.kind for found in values_in(value)} or HOURS.search(value)):
        return None
    return undone_at(graph, flows, claim.turn, sentence)


def _labelled(act: State, label: str) -> dict[str, Any] | None:
    """The fact that gives the thing of an act its label: its words are told already. None where they are past."""
    told = act.slot(STATUS)
    if told is None:
        return None
    named = act.name or (label if find_verbatim(told.value, label) is not None and not act.label else "")
    return {
        "state": act.id,
        "name": named,
        "label": act.label or label,
        "attribute": STATUS,
        "value": told.value,
        "turn": told.turn,
        "by": told.by,
        "kind": "",
        "replaces": [],
        "absorbs": -1,
    }


def _settled(graph: Graph, claim: Claim, place: tuple[str, tuple[int, int]]) -> bool:
    """Whether a value is so: on no condition, no wish of the caller's alone, and not at an end that was cut off, but
    for an identifier, which is the same whatever would have followed.
    """
    question = graph.question(claim.turn)
    if question is None:
        return False
    words, span = place
    if is_unsettled(words, span):
        return claim.by == "agent" and is_own_offer(words, span) and accepted(graph, question, claim.value)
    if any(is_cut_off(question, claim.by, sentence) for sentence in within(words, span)):
        return identifies(words[span[0] : span[1]])
    return claim.by == "agent" or holds_for_caller(graph, question, words, span)


def _words(said: Sequence[Said]) -> str:
    return " ".join(piece.text for piece in said)


def _canonical(attribute: str) -> str:
    words = " ".join(plain(attribute).lower().replace("_", " ").split())
    return STATUS if words in _STATUS_NAMES else _SAME.get(words, words)


def _well_formed(label: str, attribute: str, value: str) -> bool:
    if not label or len(label) > MAX_NAME or not value.strip() or len(value) > MAX_VALUE:
        return False
    return len(attribute) <= MAX_ATTRIBUTE and bool(_ATTRIBUTE.fullmatch(attribute)) and attribute != AGREED


def thing_labelled(graph: Graph, label: str) -> State | None:
    """The thing that the small model calls so, words that tell nothing apart ("the booking of") left aside."""
    wanted = _key(label)
    return next(
        (state for state in graph.states if state.merged is None and state.label and _key(state.label) == wanted),
        None,
    )


def _key(label: str) -> frozenset[str]:
    key = frozenset(content_stems(label)) - _EMPTY_NAMES
    return key or frozenset(content_stems(label)) or frozenset({label.casefold()})


_EMPTY_NAMES = frozenset(content_stems("appointment booking reservation session visit slot"))


def _act_of(graph: Graph, claim: Claim, value: str) -> State | None:
    """The thing whose act is the sentence that a claim quotes from."""
    if claim.by != "agent":
        return None
    for state in graph.states:
        if state.merged is not None:
            continue
        for told in (*state.slots, *state.past):
            if told.name == STATUS and not told.said and told.turn == claim.turn and find_verbatim(told.value, value):
                return state
    return None


def _kind(flows: Flows, value: str, graph: Graph, claim: Claim) -> str:
    """What a status does to its thing: the act of its sentence, else nothing."""
    question = graph.question(claim.turn)
    for sentence in sentences((question.answer or "") if question else ""):
        if find_verbatim(sentence.text, value) is not None:
            act = act_in(sentence, flows.acts)
            return "" if act is None else act.kind
    return ""


def _stale(state: State, slot: Slot) -> bool:
    """Whether what would replace a value was said later, or the sentence that it stands in was replaced as a whole."""
    gone = any(
        told.replaced is not None and told.turn == slot.turn and find_verbatim(told.value, slot.value) is not None
        for told in state.past
    )
    if gone:
        return slot.name == STATUS or bool({found.kind for found in values_in(slot.value)} & _MOVABLE)
    return any(_takes_place(held, slot, state.label) for held in state.slots if held.turn > slot.turn)


def _of_another(graph: Graph, state: State, slot: Slot) -> bool:
    """Whether the sentence of a value names another thing, and not the one that it is claimed of: it cannot take the
    place of what that one has.
    """
    own, stems = _key(state.label), frozenset(content_stems(slot.words))
    if not state.label or own <= stems:
        return False
    others = (_key(other.label) for other in graph.states if other.merged is None and other.label)
    return any(own - key and key - own and key - own <= stems and not (own - key) & stems for key in others)


def _says_again(answer: str, agents: str, callers: str) -> bool:
    """Whether the agent stays with its own number where the caller has another one."""
    own, other = (set(map(str.casefold, COUNTED.findall(value))) for value in (agents, callers))
    said = set(map(str.casefold, COUNTED.findall(answer)))
    return bool(own) and own <= said and not other & said


def _replaced(graph: Graph, state: State, slot: Slot, supersedes: str) -> tuple[Slot, ...]:
    """The values of a thing that a new one takes the place of: they were said in an earlier turn."""
    earlier = [held for held in state.slots if held.turn < slot.turn and slot.settled >= held.settled]
    if slot.by == "caller":
        answer = graph.question(slot.turn)
        told = (answer.answer or "") if answer is not None else ""
        earlier = [held for held in earlier if not (held.by == "agent" and _says_again(told, held.value, slot.value))]
    return tuple(
        held
        for held in earlier
        if _takes_place(slot, held, state.label)
        or (held.name == supersedes and STATUS not in (held.name, slot.name) and _alike(slot.value, held.value))
    )


def _alike(later: str, earlier: str) -> bool:
    """Whether one value can stand in the place of another: both are of one kind or shape, or neither has any."""
    kinds, others = ({found.kind for found in values_in(value)} for value in (later, earlier))
    return bool(kinds & others) or bool(others_of_shape(earlier, later)) or not (kinds or others)


def _takes_place(later: Slot, earlier: Slot, label: str) -> bool:
    """Whether a value takes the place of an earlier one of the same thing and attribute: it is of the same kind, or
    both sentences have the thing's name in them.
    """
    if later.name != earlier.name:
        return False
    named = bool(label) and all(find_verbatim(slot.words, label) is not None for slot in (later, earlier))
    if later.name == STATUS:
        return named
    found, before = values_in(later.value), values_in(earlier.value)
    kinds = {value.kind for value in found} & {value.kind for value in before}
    if kinds:  # or it is said again
        return not all(find_verbatim(later.value, value.text) for value in before if value.kind in kinds)
    return bool(others_of_shape(earlier.value, later.value)) or (named and later.by == "agent")


def _asked_again(graph: Graph, state: State, turn: int) -> bool:
    """Whether the caller asked for anything since a thing was ended, up to a turn."""
    ended = next((step.turn for step in reversed(state.transitions) if step.to == ENDED), state.opened)
    asked = (graph.question(number) for number in range(ended + 1, turn + 1))
    key = _key(state.label) if state.label else frozenset[str]()
    return any(
        question is not None
        and _REQUEST.search(question.text)
        and (not key or key & set(content_stems(question.text)) or len(content_stems(question.text)) <= 3)
        for question in asked
    )
