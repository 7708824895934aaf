"""How a graph grows: `apply(graph, event)` carries out one event, and the same events always give the same graph.

Events hold decisions, not only words, so a graph restored by a newer version with other tracking rules is still the
graph the call had. Their shape is in events.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from agent.memory.events import Event, check
from agent.memory.nodes import AGREED, MOST_KEPT, STATUS, Graph, Kept, Question, Said, Slot, State, Topic, Transition

MAX_SLOTS = 24  # current values of one thing; older ones make room for them
MAX_PAST = 200  # replaced values a thing keeps
MAX_DOUBTS = 8
SETTLED_REACH = 3  # turns that "it stays as it is" settles
MAX_TRANSITIONS = 60
MAX_GIST_LINES = 40


def apply(graph: Graph, event: Event) -> Graph:
    """The graph after one event. Raises BadEventError for an event that does not follow from this graph."""
    check(event, graph)
    return _STEPS[event["kind"]](graph, event)


def _heard(graph: Graph, event: Event) -> Graph:
    turn, number = graph.turns, event["topic"]
    question = Question(turn, number, event["text"], event["intent"], refers_to=tuple(event["refers_to"]))
    topics = [replace(topic, open=False) if topic.open and topic.id != number else topic for topic in graph.topics]
    if event["move"] == "new":
        topics.append(Topic(number, event["subject"], turn))
    topic = topics[number]
    reopened = (*topic.reopened, turn) if event["move"] == "reopen" else topic.reopened
    topics[number] = replace(
        topic, subject=event["subject"], open=True, reopened=reopened, questions=(*topic.questions, turn)
    )
    graph = replace(graph, questions=(*graph.questions, question), topics=tuple(topics), current=number, turns=turn + 1)
    return _unsure(_doubted(graph, event["doubts"], turn), event["unsure"], turn)


def _kept(graph: Graph, event: Event) -> Graph:
    note = Kept(event["turn"], event["text"])
    others = tuple(one for one in graph.kept if one.text != note.text)
    return replace(graph, kept=(*others, note)[-MOST_KEPT:])


def _withdrawn(graph: Graph, event: Event) -> Graph:
    questions = [replace(one, withdrawn=one.withdrawn or one.id == event["turn"]) for one in graph.questions]
    return replace(graph, questions=tuple(questions))


def _answered(graph: Graph, event: Event) -> Graph:
    if event["turn"] == 0 and not graph.questions:  # the agent spoke first
        topic = Topic(0, None, 0, questions=(0,))
        graph = replace(graph, questions=(Question(0, 0, "", "greet"),), topics=(topic,), current=0, turns=1)
    question = graph.questions[-1]
    question = replace(
        question,
        answer=event["text"],
        interrupted=bool(event["interrupted"]),
        acknowledged=bool(event.get("acknowledged")),
    )
    graph = replace(graph, questions=(*graph.questions[:-1], question))
    graph = _unsure(_doubted(graph, event["doubts"], question.id), event["unsure"], question.id)
    if event["settled"]:  # "it stays as it is"
        since = question.id - SETTLED_REACH
        states = [
            s.with_doubts(tuple(doubt for doubt in s.doubts if doubt < since)) if s.doubts else s for s in graph.states
        ]
        graph = replace(graph, states=tuple(states))
    for act in event["acts"]:
        graph = _acted(graph, act, question.id)
    return graph


def _acted(graph: Graph, act: Event, turn: int) -> Graph:
    """Carries out one confirmed act of the agent: it opens a thing, or says how one stands now."""
    graph = _with_state(graph, act["state"], turn)
    state = graph.states[act["state"]]
    told = [Slot(STATUS, act["text"], turn, "agent")]
    if act["agreed"]:
        told.append(Slot(AGREED, act["agreed"], turn - 1, "agent"))
    state = with_slots(state, told, {STATUS, AGREED, *act["replaces"]}, turn)
    state = replace(_moved(state, act["kind"], act["text"], turn), unsure=None)
    states = list(graph.states)
    states[state.id] = state
    settled = set(act["settles"])
    states = [
        other.with_doubts(tuple(doubt for doubt in other.doubts if doubt not in settled))
        if settled and other.doubts
        else other
        for other in states
    ]
    return _focus(replace(graph, states=tuple(states)), state)


def _noted(graph: Graph, event: Event) -> Graph:
    """Takes in the facts that passed the checks."""
    for fact in event["facts"]:
        graph = _with_state(graph, fact["state"], fact["turn"])
        states = list(graph.states)
        state = states[fact["state"]]
        said = tuple(Said(piece["turn"], piece["by"], piece["text"]) for piece in fact.get("said", ()))
        slot = Slot(
            fact["attribute"],
            fact["value"],
            fact["turn"],
            fact["by"],
            said=said,
            before=fact.get("before", 0),
            doubt=fact.get("since"),
            settled=fact.get("settled", True),
        )
        named = replace(state, name=fact["name"], label=fact.get("label", fact["name"]))
        gone = {(one["name"], one["value"], one["turn"], one["by"]) for one in fact.get("gone", ())}
        state = with_slots(named, [slot], () if "gone" in fact else fact["replaces"], fact["turn"], gone)
        if slot.name == STATUS:
            state = _settled(state, slot.turn)
            state = _moved(state, fact["kind"], slot.value, slot.turn) if fact["kind"] else state
        elif fact["absorbs"] >= 0:  # the value is what the act of that turn changed: nothing else is in doubt by it
            state = replace(state, doubts=tuple(doubt for doubt in state.doubts if doubt != slot.turn))
        if fact.get("doubt", -1) >= 0:  # what was said of several together may no longer hold of all
            state = replace(state, doubts=(*state.doubts, fact["doubt"])[-MAX_DOUBTS:])
        states[state.id] = state
        if fact["absorbs"] >= 0:
            states[fact["absorbs"]] = replace(states[fact["absorbs"]], merged=state.id)
        graph = replace(graph, states=tuple(states))
    return replace(graph, noted=max(graph.noted, event["turn"]))


def _settled(state: State, turn: int) -> State:
    """A thing whose status was told in a turn: what put it in doubt up to then still is one of what was said before."""
    settled = [doubt for doubt in state.doubts if doubt <= turn]
    settled += [] if state.unsure is None or state.unsure > turn else [state.unsure]
    if not settled:
        return state
    slots = tuple(
        replace(slot, doubt=next((doubt for doubt in settled if doubt > slot.turn), None))
        if slot.doubt is None and slot.turn < turn
        else slot
        for slot in state.slots
    )
    unsure = None if state.unsure in settled else state.unsure
    return replace(state, doubts=tuple(doubt for doubt in state.doubts if doubt > turn), unsure=unsure, slots=slots)


def _with_state(graph: Graph, number: int, turn: int) -> Graph:
    """The graph with a state of that number, opened in the topic of the turn when it is the next one."""
    if number < len(graph.states):
        return graph
    question = graph.question(turn)
    topic = question.topic if question is not None else graph.current or 0
    topics = list(graph.topics)
    topics[topic] = replace(topics[topic], states=(*topics[topic].states, number))
    return replace(graph, topics=tuple(topics), states=(*graph.states, State(number, topic, turn)))


def _focus(graph: Graph, state: State) -> Graph:
    topics = list(graph.topics)
    topics[state.topic] = replace(topics[state.topic], focus=state.id)
    return replace(graph, topics=tuple(topics))


def with_slots(
    state: State,
    told: Sequence[Slot],
    replaces: Collection[str],
    turn: int,
    values: Collection[tuple[str, str, int, str]] = (),
) -> State:
    """A state with new values; those they replace stay in `past`, marked with the turn that replaced them.

    What is replaced is all of some names, or single `values`: (name, value, turn, side).
    """
    same = {(slot.name, slot.turn, slot.by, slot.value.casefold()) for slot in told}
    gone = [
        slot for slot in state.slots if slot.name in replaces or (slot.name, slot.value, slot.turn, slot.by) in values
    ]
    held = [
        slot
        for slot in state.slots
        if slot not in gone and (slot.name, slot.turn, slot.by, slot.value.casefold()) not in same
    ]
    said_again = {(slot.name, slot.value, slot.turn) for slot in told}
    refined = {(slot.name, slot.turn) for slot in told if slot.name == STATUS}
    past = [
        *state.past,
        *(
            replace(slot, replaced=turn)
            for slot in gone
            if slot.name != AGREED
            and (slot.name, slot.value, slot.turn) not in said_again
            and (slot.name, slot.turn) not in refined
        ),
    ]
    held += told
    past += held[:-MAX_SLOTS]  # there are too many to tell; nothing replaced them
    return replace(state, slots=tuple(held[-MAX_SLOTS:]), past=tuple(past[-MAX_PAST:]))


def _moved(state: State, to: str, cue: str, turn: int) -> State:
    if state.state == to and state.transitions and state.transitions[-1].turn == turn:
        return state
    step = Transition(turn, state.state, to, cue)
    return replace(state, state=to, transitions=(*state.transitions, step)[-MAX_TRANSITIONS:])


def _doubted(graph: Graph, numbers: Collection[int], turn: int) -> Graph:
    if not numbers:
        return graph
    states = [
        state.with_doubts((*state.doubts, turn)[-MAX_DOUBTS:])
        if state.id in numbers and turn not in state.doubts
        else state
        for state in graph.states
    ]
    return replace(graph, states=tuple(states))


def _unsure(graph: Graph, numbers: Collection[int], turn: int) -> Graph:
    if not numbers:
        return graph
    states = [replace(state, unsure=turn) if state.id in numbers else state for state in graph.states]
    return replace(graph, states=tuple(states))


def _folded(graph: Graph, event: Event) -> Graph:
    """Takes the oldest questions out and leaves one line of each in its topic; states keep their values untouched."""
    upto = event["before"]
    going = [question for question in graph.questions if question.id < upto]
    topics = list(graph.topics)
    for topic in graph.topics:
        lines = tuple(_gist(question) for question in going if question.topic == topic.id)
        if lines:
            gist = (*topic.gist, *lines)[-MAX_GIST_LINES:]
            topics[topic.id] = replace(
                topic, gist=gist, questions=tuple(turn for turn in topic.questions if turn >= upto)
            )
    return replace(
        graph, questions=graph.questions[len(going) :], topics=tuple(topics), folded=graph.folded + len(going)
    )


def _gist(question: Question) -> str:
    return f"[turn {question.id + 1}] {_clip(question.text, 60)} / {_clip(question.answer or '', 60)}"


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


_STEPS: Final[Mapping[str, Callable[[Graph, Event], Graph]]] = {
    "heard": _heard,
    "answered": _answered,
    "noted": _noted,
    "kept": _kept,
    "withdrawn": _withdrawn,
    "folded": _folded,
}
