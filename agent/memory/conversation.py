"""`Conversation`: the one object a session holds. It decides events, applies them, and keeps the log of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.memory import summary
from agent.memory.events import Event
from agent.memory.flows import GENERIC, Flows, load_flows
from agent.memory.graph import apply
from agent.memory.index import Index
from agent.memory.nodes import REQUEST, Graph, Move, Slot
from agent.memory.states import MAX_REQUEST, aim, answers_about, intent_of, names_subject, slots_for
from agent.memory.topics import choose_topic
from agent.memory.values import values_in, without_repairs
from agent.memory.words import plain

MAX_TEXT = 4_000  # characters of one utterance or answer that memory keeps
MAX_QUESTIONS = 800  # unfolded questions; one more folds the oldest down to FOLD_TO
FOLD_TO = 600


class OutOfTurnError(RuntimeError):
    """An answer came although no question waits for one."""


@dataclass(frozen=True, slots=True)
class Update:
    """What one utterance did to the graph."""

    turn: int
    topic: int
    move: Move
    intent: str
    state: int | None
    refers_to: tuple[int, ...]


class Conversation:
    """The memory of one call. Not thread-safe; every method takes well under two milliseconds on long calls."""

    def __init__(self, flows: Flows | None = None) -> None:
        self.flows = load_flows() if flows is None else flows
        self.graph = Graph()
        self.index = Index()
        self._events: list[Event] = []
        self._dropped = 0

    @classmethod
    def restore(cls, events: Iterable[Event], flows: Flows | None = None) -> Conversation:
        """The conversation that a full event log describes. Raises BadEventError when the log does not fit together."""
        conversation = cls(flows)
        for event in events:
            conversation._do(event)
        return conversation

    def heard(self, text: str) -> Update:
        """Takes in the caller's utterance of a new turn, as recognised."""
        text = plain(text)[:MAX_TEXT]
        graph = self.graph
        asked = (graph.last.answer or "") if graph.last else ""
        values = values_in(text, asked=asked)
        choice = choose_topic(graph, self.index, self.flows, text, values)
        about = aim(graph, self.index, self.flows, choice, text, values)
        state = None if about.state is None or about.flow is not None else graph.states[about.state]
        flow = self.flows.flow(about.flow or (state.flow if state else GENERIC))
        step = flow.next(state.state if state else flow.start, "caller", text)
        slots = [] if about.state is None else slots_for(state, values, turn=graph.turns, by="caller", fill_only=False)
        if about.flow is not None and about.focus and flow.keeps_request:
            slots.insert(0, Slot(REQUEST, without_repairs(text)[:MAX_REQUEST], graph.turns, "caller"))
        intent = intent_of(text, bool(about.refers_to))
        event: dict[str, Any] = {
            "kind": "heard",
            "turn": graph.turns,
            "text": text,
            "topic": about.choice.topic,
            "move": about.choice.move,
            "subject": about.choice.subject,
            "intent": intent,
            "refers_to": list(about.refers_to),
            "state": about.state,
            "flow": about.flow,
            "focus": about.focus,
            "slots": [[slot.name, slot.value, slot.by] for slot in slots],
            "transitions": [list(step)] if step and about.state is not None else [],
        }
        self._do(event)
        if len(self.graph.questions) > MAX_QUESTIONS:
            self._do({"kind": "folded", "before": self.graph.turns - FOLD_TO})
        turn = self.graph.turns - 1
        return Update(turn, about.choice.topic, about.choice.move, intent, about.state, about.refers_to)

    def answered(self, text_heard: str, *, interrupted: bool) -> None:
        """Takes in the part of the answer that the caller heard. Before the first turn it is the agent's greeting.

        Raises OutOfTurnError when the newest question has its answer already.
        """
        text = plain(text_heard)[:MAX_TEXT]
        last = self.graph.last
        if last is not None and last.answer is not None:
            raise OutOfTurnError(f"turn {last.id} was answered already")
        state = self.graph.state
        slots: list[Slot] = []
        if state is not None and last is not None:
            named = names_subject(self.flows, self.graph.topics[state.topic].subject, f"{last.text} {text}")
            settled = state.state in self.flows.flow(state.flow).final
            if answers_about(state, last, named, text):
                slots = slots_for(state, values_in(text), turn=last.id, by="agent", fill_only=settled)
        step = None if state is None else self.flows.flow(state.flow).next(state.state, "agent", text)
        self._do(
            {
                "kind": "answered",
                "turn": last.id if last else 0,
                "text": text,
                "interrupted": interrupted,
                "state": None if state is None else state.id,
                "slots": [[slot.name, slot.value, slot.by] for slot in slots],
                "transitions": [list(step)] if step else [],
            }
        )

    def summary_due(self) -> summary.SummaryRequest | None:
        """The summary the cheap model should write next, or None."""
        return summary.summary_due(self.graph)

    def summarised(self, request: summary.SummaryRequest, text: str) -> tuple[str, ...]:
        """Takes in a model's summary. Returns the values it lacked, which were appended so that none is lost."""
        values = tuple(
            dict.fromkeys((*request.values, *summary.exact_values(self.graph, self.graph.topics[request.topic])))
        )
        patched, missing = summary.with_values(plain(text), values)
        self._do({"kind": "summarised", "topic": request.topic, "text": patched, "turn": request.upto})
        return missing

    @property
    def event_count(self) -> int:
        """How many events there have been: the `n` from which the next `events_since` goes on."""
        return self._dropped + len(self._events)

    def events_since(self, n: int) -> list[Event]:
        """Events number `n` and later, in order. Raises IndexError for events that `forget_events` dropped."""
        if n < self._dropped:
            raise IndexError(f"events before {self._dropped} were dropped after they were stored")
        return self._events[n - self._dropped :]

    def forget_events(self, before: int) -> None:
        """Drops events that are stored elsewhere, so that a long call holds no second copy of itself."""
        going = max(0, min(before, self.event_count) - self._dropped)
        del self._events[:going]
        self._dropped += going

    def restart_log(self) -> None:
        """Starts an empty event log of its own, for a copy of this conversation that goes its own way."""
        self._dropped, self._events = self.event_count, []

    def _do(self, event: Mapping[str, Any]) -> None:
        self.graph = apply(self.graph, event, self.flows)
        self._events.append(event)
        if event["kind"] in ("heard", "answered"):
            self.index.put(self.graph.questions[-1])
            self._describe(event)
        elif event["kind"] == "folded":
            self.index.drop_before(self.graph.folded)

    def _describe(self, event: Mapping[str, Any]) -> None:
        """Adds the words of a turn that told something of a thing to those that the thing is known by."""
        if event["state"] is not None and (event["slots"] or event["transitions"] or event.get("flow") is not None):
            question = self.graph.questions[-1]
            self.index.describe(event["state"], f"{question.text} {question.answer or ''}")
