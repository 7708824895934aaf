"""`Conversation`: the one object a session holds. It decides events, applies them, and keeps the log of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.memory.acts import Deed, deeds_in
from agent.memory.checks import checked
from agent.memory.claims import Claim, Reason
from agent.memory.doubts import (
    doubted_by_agent,
    doubted_by_caller,
    doubted_by_undoing,
    doubted_by_values,
    leaves_all,
    refers_to,
    without_what_stays,
)
from agent.memory.events import Event
from agent.memory.flows import Flows, load_flows
from agent.memory.graph import apply
from agent.memory.index import Index
from agent.memory.nodes import KEPT_LENGTH, Graph, Move
from agent.memory.notes import DUE_TURNS, MAX_TOLD, NOTES_TOKENS, NotesRequest, notes_due, render_notes
from agent.memory.references import intent_of
from agent.memory.topics import choose_topic
from agent.memory.words import plain

MAX_TEXT = 4_000  # characters of one utterance or answer that memory keeps
MAX_QUESTIONS = 800  # unfolded questions; one more folds the oldest down to FOLD_TO
FOLD_TO = 600
DESCRIBING_TURNS = 3  # turns up to an act whose words its thing is known by


class OutOfTurnError(RuntimeError):
    """An answer came although no question waits for one."""


@dataclass(frozen=True, slots=True)
class Update:
    """What one utterance did to the graph."""

    turn: int
    topic: int
    move: Move
    intent: str
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
        choice = choose_topic(graph, self.index, self.flows, text)
        pointed = refers_to(graph, self.index, text)
        intent = intent_of(text)
        self._do(
            {
                "kind": "heard",
                "turn": graph.turns,
                "text": text,
                "topic": choice.topic,
                "move": choice.move,
                "subject": choice.subject,
                "intent": intent,
                "refers_to": list(pointed),
                "doubts": list(doubted_by_caller(graph, self.index, text)),
                "unsure": list(doubted_by_values(graph, text)),
            }
        )
        if len(self.graph.questions) > MAX_QUESTIONS:
            self._do({"kind": "folded", "before": self.graph.turns - FOLD_TO})
        return Update(self.graph.turns - 1, choice.topic, choice.move, intent, pointed)

    def keep(self, text: str) -> None:
        """The agent writes something down for itself, in the turn that runs."""
        self._do({"kind": "kept", "turn": max(0, self.graph.turns - 1), "text": plain(text)[:KEPT_LENGTH]})

    def withdraw(self) -> None:
        """No model is shown what the caller said last again: one has declined to answer it."""
        if self.graph.last is not None:
            self._do({"kind": "withdrawn", "turn": self.graph.last.id})

    def answered(self, text_heard: str, *, interrupted: bool, acknowledged: bool = False) -> None:
        """Takes in the part of the answer that the caller heard. Before the first turn it is the agent's greeting.

        `acknowledged`: the caller said "uh-huh" or the like along the way. Raises OutOfTurnError when the newest
        question has its answer already.
        """
        text = plain(text_heard)[:MAX_TEXT]
        last = self.graph.last
        if last is not None and last.answer is not None:
            raise OutOfTurnError(f"turn {last.id} was answered already")
        deeds: list[Deed] = []
        if last is not None:
            deeds = deeds_in(self.graph, self.index, self.flows, last, text, interrupted=interrupted)
        known = len(self.graph.states)  # what this answer opens is as it says
        doubts = {number for deed in deeds for number in deed.doubts if number < known}
        doubts.update(doubted_by_agent(self.graph, text, deeds))
        doubts.update(doubted_by_undoing(self.graph, self.flows, text, deeds))
        unsure: tuple[int, ...] = ()
        if not text.rstrip().endswith("?"):
            told = " ".join(deed.text for deed in deeds)
            unsure = doubted_by_values(self.graph, without_what_stays(text), told)
        self._do(
            {
                "kind": "answered",
                "turn": last.id if last else 0,
                "text": text,
                "interrupted": interrupted,
                "acknowledged": acknowledged,
                "acts": [
                    {
                        "state": deed.state,
                        "kind": deed.kind,
                        "text": deed.text,
                        "agreed": deed.agreed,
                        "replaces": list(deed.replaces),
                        "settles": list(deed.settles),
                    }
                    for deed in deeds
                ],
                "doubts": sorted(doubts),
                "unsure": list(unsure),
                "settled": leaves_all(text) and not any(deed.doubts for deed in deeds),
            }
        )

    def notes(
        self,
        utterance: str = "",
        most_tokens: int = NOTES_TOKENS,
        *,
        shown: Collection[int] = (),
        most_things: int = MAX_TOLD,
    ) -> str:
        """The notes on the call as the answering model would read them; empty when there is nothing to tell.

        `shown` are the turns that it reads in full beside them: what these say of a thing that never changed is not
        told again. At most `most_things` things are told of.
        """
        return render_notes(self.graph, self.index, utterance, most_tokens, shown=shown, most_things=most_things)

    def notes_due(self, at_least: int = DUE_TURNS) -> NotesRequest | None:
        """The notes the small model should write next, or None while fewer than `at_least` turns are new."""
        return notes_due(self.graph, at_least=at_least)

    def noted(self, request: NotesRequest, claims: Sequence[Claim]) -> Counter[Reason]:
        """Takes in what the small model wrote; returns how many claims the checks dropped, by reason."""
        facts, dropped = checked(self.graph, self.flows, [claim for claim in claims if claim.turn <= request.upto])
        dropped["unknown_turn"] += sum(claim.turn > request.upto for claim in claims)
        self._do({"kind": "noted", "turn": request.upto, "facts": facts})
        return +dropped

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
        self.graph = apply(self.graph, event)
        self._events.append(event)
        if event["kind"] in ("heard", "answered"):
            self.index.put(self.graph.questions[-1])
            for act in event.get("acts", ()):
                for question in self.graph.questions[-DESCRIBING_TURNS:]:
                    self.index.describe(act["state"], f"{question.text} {question.answer or ''}")
        elif event["kind"] == "noted":
            for fact in event["facts"]:
                words = " ".join(piece["text"] for piece in fact.get("said", ())) or fact["value"]
                self.index.describe(fact["state"], f"{fact.get('label', fact['name'])} {words}")
        elif event["kind"] == "folded":
            self.index.drop_before(self.graph.folded)
