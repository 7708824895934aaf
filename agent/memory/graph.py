"""How a graph grows: `apply(graph, event)` carries out one event, and the same events always give the same graph.

Events hold decisions, not only words, so a graph restored by a newer version with other tracking rules is still the
graph the call had. Their shape is in events.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.memory.events import Event, check
from agent.memory.flows import Flows
from agent.memory.nodes import Graph, Question, Slot, State, Topic
from agent.memory.states import moved, with_slots

MAX_PAST = 2_000  # replaced values a state keeps
MAX_TRANSITIONS = 60
MAX_GIST_LINES = 40


def apply(graph: Graph, event: Event, flows: Flows) -> Graph:
    """The graph after one event. Raises BadEventError for an event that does not follow from this graph."""
    check(event, graph)
    steps = {"heard": _heard, "answered": _answered, "summarised": _summarised, "folded": _folded}
    return steps[event["kind"]](graph, event, flows)


def _heard(graph: Graph, event: Event, flows: Flows) -> Graph:
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
    return _touch_state(graph, event, flows, turn)


def _answered(graph: Graph, event: Event, flows: Flows) -> Graph:
    if event["turn"] == 0 and not graph.questions:  # the agent spoke first
        topic = Topic(0, None, 0, questions=(0,))
        graph = replace(graph, questions=(Question(0, 0, "", "greet"),), topics=(topic,), current=0, turns=1)
    question = graph.questions[-1]
    question = replace(question, answer=event["text"], interrupted=bool(event["interrupted"]))
    graph = replace(graph, questions=(*graph.questions[:-1], question))
    return _touch_state(graph, event, flows, question.id)


def _touch_state(graph: Graph, event: Event, flows: Flows, turn: int) -> Graph:
    """Opens the event's state when it is new, sets its slots, fires its transitions and puts it in focus."""
    number = event["state"]
    if number is None or graph.current is None:
        return graph
    states, topics = list(graph.states), list(graph.topics)
    if event.get("flow") is not None:
        states.append(State(len(states), graph.current, event["flow"], flows.flow(event["flow"]).start, turn))
        topic = topics[graph.current]
        topics[graph.current] = replace(topic, states=(*topic.states, number))
    slots = [Slot(name, value, turn, by) for name, value, by in event["slots"]]
    state = with_slots(states[number], slots, MAX_PAST)
    for to, cue in event["transitions"]:
        state = moved(state, to, cue, turn)
    states[number] = replace(state, transitions=state.transitions[-MAX_TRANSITIONS:])
    if event.get("focus", True):
        topics[graph.current] = replace(topics[graph.current], focus=number)
    return replace(graph, states=tuple(states), topics=tuple(topics))


def _summarised(graph: Graph, event: Event, flows: Flows) -> Graph:
    topics = list(graph.topics)
    number = event["topic"]
    topics[number] = replace(topics[number], summary=event["text"], summary_turn=event["turn"])
    return replace(graph, topics=tuple(topics))


def _folded(graph: Graph, event: Event, flows: Flows) -> Graph:
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


def grow(events: Sequence[Event], flows: Flows, graph: Graph | None = None) -> Graph:
    """Applies events in order to a graph, an empty one unless given."""
    graph = Graph() if graph is None else graph
    for event in events:
        graph = apply(graph, event, flows)
    return graph
