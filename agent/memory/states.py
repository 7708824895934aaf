"""What an utterance does to the states: which thing it is about, which values it sets, which transitions it fires.

These functions decide and change nothing; `graph.apply` carries the decisions out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from agent.memory.flows import GENERIC, Flow, Flows, Speaker, says
from agent.memory.nodes import Graph, Question, Slot, State, Topic, Transition
from agent.memory.references import Pointer, asks_for_another, corrects, matching, pointer_in, resolve
from agent.memory.topics import Choice
from agent.memory.values import Value, values_in

MAX_STATES = 300  # a call that opens more things keeps their values in the last one
MAX_LOOSE = 100  # of those, states of values that belong to nothing, so that small talk leaves room for things
MAX_SLOTS = 24  # current values of one thing; older ones count as replaced
MAX_REQUEST = 200  # characters of the caller's opening words that a state keeps
REQUEST = "request"
_FILLED_LATER = frozenset({"code", "phone", "address", "email", "price"})
_REQUEST_VERB = re.compile(
    r"\b(?:need|want|book|reserve|find|get|look(?:ing)? for|like|ordered|have a (?:problem|question)|can i"
    r"|could i|can you|what's on)\b",
    re.IGNORECASE,
)
_ABOUT_IT = re.compile(r"\b(?:it|its|that|this|there|they|them|their)\b[^?]*\?", re.IGNORECASE)
_REFUSAL = re.compile(r"^\s*(?:no|nope|not)\b", re.IGNORECASE)
_AGREEMENT = re.compile(
    r"^\s*(?:yes|yeah|yep|sure|ok|okay|correct|right|perfect|great|go ahead|that works|sounds good)\b", re.IGNORECASE
)
_CANCEL = ("cancel", "call it off")


@dataclass(frozen=True, slots=True)
class Aim:
    """What the caller's utterance is about: its topic, the state meant, and what it points at."""

    choice: Choice
    state: int | None
    flow: str | None
    """The flow of the state to open; None when `state` exists already or there is none."""
    refers_to: tuple[int, ...] = ()
    focus: bool = True
    """Whether the state becomes the one in focus; loose values that belong to nothing do not."""


def aim(graph: Graph, flows: Flows, choice: Choice, text: str, values: list[Value]) -> Aim:
    """Finds the thing an utterance is about: one pointed at, one more of a kind, or the one under way."""
    topic = graph.topics[choice.topic] if choice.move != "new" else None
    pointer = pointer_in(text)
    if pointer is None and not asks_for_another(text):
        meant = _named(graph, values)
        if meant is not None:
            pointer = Pointer("return")
    if pointer is not None and not (asks_for_another(text) and pointer.kind in ("mention", "return")):
        meant = _pointed_at(graph, topic, pointer, values)
        if meant is not None:
            moved = meant.topic != choice.topic
            there = Choice(
                "continue" if meant.topic == graph.current else "reopen", meant.topic, graph.topics[meant.topic].subject
            )
            return Aim(there if moved else choice, meant.id, None, (meant.id,))
    focus = None if topic is None or topic.focus is None else graph.states[topic.focus]
    flow = flows.flow_of(choice.subject)
    named = names_subject(flows, choice.subject, text)
    if focus is None:
        opens = bool(values) or named
    elif focus.flow != flow.name and named:
        opens = True
    else:
        opens = _opens_another(focus, flows.flow(focus.flow), text, named, values)
    if opens and len(graph.states) >= MAX_STATES:
        return Aim(choice, len(graph.states) - 1, None, focus=False)
    if opens:
        return Aim(choice, len(graph.states), flow.name)
    if focus is not None and focus.state in flows.flow(focus.flow).final and values and not corrects(text):
        return _loose(graph, choice)
    return Aim(choice, None if focus is None else focus.id, None)


def _loose(graph: Graph, choice: Choice) -> Aim:
    """Where values go that must not change a settled thing: a state of their own; after MAX_LOOSE, the newest."""
    loose = [state for state in graph.states if state.flow == GENERIC and graph.topics[state.topic].focus != state.id]
    if len(loose) < MAX_LOOSE and len(graph.states) < MAX_STATES:
        return Aim(choice, len(graph.states), GENERIC, focus=False)
    return Aim(choice, loose[-1].id if loose else len(graph.states) - 1, None, focus=False)


def _pointed_at(graph: Graph, topic: Topic | None, pointer: Pointer, values: list[Value]) -> State | None:
    here = (
        []
        if topic is None
        else [state for state in graph.states_of(topic) if state.flow != "generic" or len(topic.states) == 1]
    )
    focus = None if topic is None else topic.focus
    if pointer.kind in ("ordinal", "earlier", "other", "last") and len(here) < 2:
        wider = _latest_with_several(graph)
        here, focus = (here, focus) if wider is None else wider
    if pointer.kind in ("mention", "return") and values and not matching(here, values):
        everywhere = matching(graph.states, values)
        if len(everywhere) == 1 and any(value.kind == "name" for value in values):
            return everywhere[0]
        if pointer.kind == "mention":
            return None
    found = resolve(pointer, here, focus, values)
    return None if pointer.kind == "mention" and not matching(here, values) else found


def _named(graph: Graph, values: list[Value]) -> State | None:
    """The one state out of focus that carries all the names said, when no other carries any."""
    names = [value for value in values if value.kind == "name"]
    found = matching(graph.states, names)
    if not names or len(names) < len(values) or len(found) != 1 or found[0] is graph.state:
        return None
    return found[0]


def _latest_with_several(graph: Graph) -> tuple[list[State], int | None] | None:
    topics = [topic for topic in graph.topics if sum(state.flow != "generic" for state in graph.states_of(topic)) > 1]
    if not topics:
        return None
    latest = max(topics, key=lambda topic: topic.questions[-1] if topic.questions else 0)
    return [state for state in graph.states_of(latest) if state.flow != "generic"], latest.focus


def names_subject(flows: Flows, subject: str | None, text: str) -> bool:
    """Whether a text names a subject outright."""
    return subject is not None and any(noun and found == subject for _, found, noun in flows.found_in(text))


def _opens_another(focus: State, flow: Flow, text: str, named: bool, values: list[Value]) -> bool:
    if not focus.slots or corrects(text):
        return False
    if asks_for_another(text):
        return bool(values) or named
    held = {slot.name: slot.value.lower() for slot in focus.slots}
    if sum(held.get(value.name, value.text.lower()) != value.text.lower() for value in values) > 1:
        return True  # several values at once that contradict what holds: this is about something else
    return focus.state in flow.final and bool(values) and (named or _REQUEST_VERB.search(text) is not None)


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
        if any(slot.value.lower() == value.text.lower() for slot in held.values()):
            continue
        slots.append(Slot(name, value.text, turn, by))
    return slots


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
