"""What an utterance does to the states: which thing it is about, which values it sets, which transitions it fires.

These functions decide and change nothing; `graph.apply` carries the decisions out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from agent.memory.flows import GENERIC, Flow, Flows, Speaker, says
from agent.memory.index import Index
from agent.memory.nodes import Graph, Question, Slot, State, Transition
from agent.memory.references import Pointer, asks_for_another, corrects, pointer_in
from agent.memory.things import is_loose, named, pointed_at
from agent.memory.topics import TopicChoice
from agent.memory.values import Value, values_in

MAX_STATES = 300  # a call that opens more things keeps their values in the last one
MAX_LOOSE = 100  # of those, states of values that belong to nothing, so that small talk leaves room for things
MAX_SLOTS = 24  # current values of one thing; older ones count as replaced
MAX_REQUEST = 200  # characters of the caller's opening words that a state keeps
_FILLED_LATER = frozenset({"code", "phone", "address", "email", "price"})
_REQUEST_VERB = re.compile(
    r"\b(?:need|want|book|reserve|find|get|look(?:ing)? for|like|ordered|have a (?:problem|question)|can i"
    r"|could i|can you|what's on)\b",
    re.IGNORECASE,
)
_ABOUT_IT = re.compile(r"\b(?:it|its|that|this|(?<!is )(?<!are )there|they|them|their)\b[^?]*\?", re.IGNORECASE)
_NEED = re.compile(
    r"\b(?:i|we|(?:my|our) \w+(?: \w+)?)\s+(?:also |still |really )?"
    r"(?:need|want|have|has|had|lost|ordered|bought|would like|am waiting|are waiting|am looking|are looking)\b"
    r"|\b(?:my|our) \w+(?: \w+)? (?:is|are|was|were|isn't|won't|doesn't|didn't|keeps|makes|says|does|did)\b"
    r"|\b(?:i|we)'d like\b|\b(?:i'm|we're) (?:waiting|looking)\b|\bthere(?:'s| is)\b",
    re.IGNORECASE,
)
_ADDS = re.compile(r"^(?:oh,? )?(?:and|then|next|plus)\b(?: \S+){3}", re.IGNORECASE)
_REFUSAL = re.compile(r"^\s*(?:no|nope|not)\b", re.IGNORECASE)
_AGREEMENT = re.compile(
    r"^\s*(?:yes|yeah|yep|sure|ok|okay|correct|right|perfect|great|go ahead|that works|sounds good)\b", re.IGNORECASE
)
_CANCEL = ("cancel", "call it off")


@dataclass(frozen=True, slots=True)
class Aim:
    """What the caller's utterance is about: its topic, the state meant, and what it points at."""

    choice: TopicChoice
    state: int | None
    flow: str | None
    """The flow of the state to open; None when `state` exists already or there is none."""
    refers_to: tuple[int, ...] = ()
    focus: bool = True
    """Whether the state becomes the one in focus; loose values that belong to nothing do not."""


def aim(graph: Graph, index: Index, flows: Flows, choice: TopicChoice, text: str, values: list[Value]) -> Aim:
    """Finds the thing an utterance is about: one pointed at, one more of a kind, or the one under way."""
    topic = graph.topics[choice.topic] if choice.move != "new" else None
    pointer = pointer_in(text)
    if pointer is None and not asks_for_another(text):
        meant = named(graph, values)
        if meant is not None:
            pointer = Pointer("return")
    if pointer is not None and not (asks_for_another(text) and pointer.kind in ("mention", "return")):
        meant = pointed_at(graph, index, choice, pointer, text, values)
        if meant is not None:
            moved = meant.topic != choice.topic
            there = TopicChoice(
                "continue" if meant.topic == graph.current else "reopen", meant.topic, graph.topics[meant.topic].subject
            )
            return Aim(there if moved else choice, meant.id, None, (meant.id,))
    focus = None if topic is None or topic.focus is None else graph.states[topic.focus]
    flow = flows.flow_of(choice.subject)
    by_name = names_subject(flows, choice.subject, text)
    if focus is None:
        opens = bool(values) or by_name or (flow.keeps_request and _states_need(text))
    elif focus.flow != flow.name and by_name:
        opens = True
    else:
        told = graph.last is not None and "?" not in (graph.last.answer or "?")
        opens = _opens_another(focus, flows.flow(focus.flow), text, by_name, values, told)
    if opens and len(graph.states) >= MAX_STATES:
        return Aim(choice, len(graph.states) - 1, None, focus=False)
    if opens:
        return Aim(choice, len(graph.states), flow.name)
    if focus is not None and focus.state in flows.flow(focus.flow).final and values and not corrects(text):
        return _loose(graph, choice)
    return Aim(choice, None if focus is None else focus.id, None)


def _loose(graph: Graph, choice: TopicChoice) -> Aim:
    """Where values go that must not change a settled thing: a state of their own; after MAX_LOOSE, the newest."""
    loose = [state for state in graph.states if is_loose(state)]
    if len(loose) < MAX_LOOSE and len(graph.states) < MAX_STATES:
        return Aim(choice, len(graph.states), GENERIC, focus=False)
    return Aim(choice, loose[-1].id if loose else len(graph.states) - 1, None, focus=False)


def names_subject(flows: Flows, subject: str | None, text: str) -> bool:
    """Whether a text names a subject outright."""
    return subject is not None and any(noun and found == subject for _, found, noun in flows.found_in(text))


def _states_need(text: str) -> bool:
    """Whether a caller tells of something of theirs ("my parcel hasn't come"), which may have no value to hold."""
    return "?" not in text and _NEED.search(text) is not None


def _opens_another(focus: State, flow: Flow, text: str, named: bool, values: list[Value], told: bool) -> bool:
    if not focus.slots or corrects(text):
        return False
    if asks_for_another(text):
        return bool(values) or named or (flow.keeps_request and "?" not in text)
    held = {slot.name: slot.value.lower() for slot in focus.slots}
    contradicted = sum(held.get(value.name, value.text.lower()) != value.text.lower() for value in values)
    if contradicted > 1:
        return True  # several values at once that contradict what holds: this is about something else
    if focus.flow == GENERIC and told and any(slot.by == "agent" for slot in focus.slots):
        adds = "?" not in text and _ADDS.search(text) is not None
        if contradicted or adds:
            return True  # the agent had told how it stands and asked nothing
    if focus.state not in flow.final:
        return False
    asks = bool(values) and (named or _REQUEST_VERB.search(text) is not None)
    return asks or (flow.keeps_request and _states_need(text))


def answers_about(state: State, question: Question, named: bool, answer: str) -> bool:
    """Whether an answer is about the state in focus: the turn pointed at it, named it, or set something of it."""
    if named or state.id in question.refers_to or question.intent in ("agree", "correct", "cancel"):
        return True
    if _ABOUT_IT.search(question.text):
        return True
    told = answer.lower()
    return any(slot.turn == question.id or slot.value.lower() in told for slot in state.slots if len(slot.value) > 1)


def slots_for(state: State | None, values: list[Value], *, turn: int, by: Speaker, fill_only: bool) -> list[Slot]:
    """The slots that an utterance sets. With `fill_only` codes, prices and addresses are added, nothing is replaced."""
    held: dict[str, Slot] = {} if state is None else {slot.name: slot for slot in state.slots}
    slots: list[Slot] = []
    for value in values:
        name = _replaced_name(held, value) if by == "caller" else value.name
        if by == "agent" and name == "number":
            continue
        if fill_only and (name in held or value.kind not in _FILLED_LATER):
            continue
        if any(_says_again(value, slot) for slot in held.values()):
            continue
        slots.append(Slot(name, value.text, turn, by))
    return slots


def _says_again(value: Value, slot: Slot) -> bool:
    """Whether a value is one that a slot holds already, or a part of the name in it ("the Kyoto one")."""
    said, held = value.text.lower(), slot.value.lower()
    return said == held or (value.kind == "name" and slot.name == value.name and said.removeprefix("the ") in held)


def _replaced_name(held: dict[str, Slot], value: Value) -> str:
    """The slot a corrected value goes to: its own, else for a bare number the last count said, else an equal kind's."""
    if value.name in held:
        return value.name
    if value.name == "number":
        counts = [
            name
            for name, slot in held.items()
            if values_in(f"{slot.value} {name}") and values_in(f"{slot.value} {name}")[0].kind == "count"
        ]
        return counts[-1] if counts else value.name
    alike = [name for name in held if name.endswith(value.kind)]
    return alike[-1] if alike else value.name


def with_slots(state: State, slots: list[Slot], limit: int) -> State:
    """A state with new slots; a replaced value goes to `past`, of which the newest `limit` are kept."""
    current = {slot.name: slot for slot in state.slots}
    past = list(state.past)
    for slot in slots:
        replaced = current.pop(slot.name, None)
        if replaced is not None and replaced.value != slot.value:
            past.append(replaced)
        current[slot.name] = slot
    held = list(current.values())
    past += held[:-MAX_SLOTS]
    return replace(state, slots=tuple(held[-MAX_SLOTS:]), past=tuple(past[-limit:]))


def moved(state: State, to: str, cue: str, turn: int) -> State:
    """A state after one transition."""
    step = Transition(turn, state.state, to, cue)
    return replace(state, state=to, transitions=(*state.transitions, step))


def intent_of(text: str, pointed: bool) -> str:
    """What a turn does: one of the intents named at `Question.intent`."""
    if any(says(text, cue) for cue in _CANCEL):
        return "cancel"
    if corrects(text):
        return "correct"
    if pointed:
        return "return"
    if "?" in text:
        return "ask"
    if _REFUSAL.match(text):
        return "refuse"
    return "agree" if _AGREEMENT.match(text) else "tell"
