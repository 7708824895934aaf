"""The nodes of a call's graph, as frozen data. Edges are the ids that the nodes carry.

Topic.questions -> Question.id, Topic.states -> State.id, Question.topic and State.topic back to Topic.id;
Question.refers_to -> State.id.
Turns are counted from 0 within a call; a question's id is its turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

Move = Literal["new", "continue", "reopen"]
Speaker = Literal["caller", "agent"]
STATUS = "status"
"""The slot that holds the words in which the agent said how a thing stands."""
AGREED = "agreed to"
"""The slot that holds the agent's question to which the caller said yes before the act."""
OPEN, CONFIRMED, CHANGED, ENDED = "open", "confirmed", "changed", "ended"
"""What a thing's state can be: spoken of, confirmed by the agent, changed after that, ended."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the caller said in one turn and the part of the answer that they heard."""

    id: int
    topic: int
    text: str
    """The caller's words; empty for a greeting that the agent spoke first."""
    intent: str
    """What the turn does: `ask`, `tell`, `agree`, `refuse`, `correct`, `cancel`, `return` or `greet`."""
    answer: str | None = None
    """The answer as heard; None while there is none, empty when the caller cut in before the first word."""
    interrupted: bool = False
    acknowledged: bool = False
    """The caller said "uh-huh" or the like while the answer played; that is no turn."""
    withdrawn: bool = False
    """A model declined to answer: no model is shown the caller's words again."""
    refers_to: tuple[int, ...] = ()
    """States that the caller pointed at."""


@dataclass(frozen=True, slots=True)
class Said:
    """Whole sentences of one side in one turn, word for word."""

    turn: int
    by: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One value, verbatim, and the turn and side it came from."""

    name: str
    value: str
    turn: int
    by: Speaker
    replaced: int | None = None
    """The turn whose words replaced it; None while it holds."""
    said: tuple[Said, ...] = ()
    """The sentences that it stands in, with those that they lean on; empty where the value is a sentence itself."""
    before: int = 0
    """How many of these only say what the others point back to."""
    doubt: int | None = None
    """The turn in which it may have been changed, where that came before the fact."""
    settled: bool = True
    """Its sentence says how it is, and not how it would be or on what condition."""

    @property
    def words(self) -> str:
        """The sentence that it stands in; the value itself where that is one."""
        return self.said[-1].text if self.said else self.value

    @property
    def said_at(self) -> tuple[int, bool]:
        """Orders values by when they were said: within a turn the caller speaks first."""
        return self.turn, self.by == "agent"


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of a thing's state and the agent's words that caused it."""

    turn: int
    origin: str
    to: str
    cue: str


_set = object.__setattr__


def _words(slot: Slot) -> str:
    return " ".join(said.text for said in slot.said) if slot.said else slot.value


@dataclass(frozen=True, slots=True)
class State:
    """One thing under way (a booking, an order, a fault): where it stands and its exact values."""

    id: int
    topic: int
    opened: int
    name: str = ""
    """What it is called, in words that stand in everything that is quoted of it; empty when there are none."""
    label: str = ""
    """What the small model calls it: it finds the thing again, and is told to nobody."""
    state: str = OPEN
    """`open`, `confirmed`, `changed` or `ended`: from the agent's confirmed acts alone."""
    slots: tuple[Slot, ...] = ()
    """Values that hold now, in the order they came."""
    past: tuple[Slot, ...] = ()
    """Values that later ones replaced, oldest first."""
    transitions: tuple[Transition, ...] = ()
    doubts: tuple[int, ...] = ()
    """Turns that may have changed it, which no act has settled since."""
    unsure: int | None = None
    """While it has no name: the turn that gave another day, time or number, which may be meant for it."""
    merged: int | None = None
    """The state that tells the same by name; this one is not told any more."""
    # Every turn asks these of every thing of the call, so they are worked out once.
    live: bool = field(init=False, compare=False, repr=False)
    """Whether it still stands: neither ended nor told under another state."""
    touched: int = field(init=False, compare=False, repr=False)
    """The turn that last told something of it."""
    told: str = field(init=False, compare=False, repr=False)
    """All words that are held of it: its name and its current values."""

    def __post_init__(self) -> None:
        """Works out what follows from the slots."""
        _set(self, "live", self.state != ENDED and self.merged is None)
        _set(self, "touched", max((slot.turn for slot in self.slots), default=self.opened))
        _set(self, "told", " ".join([self.name, *(_words(slot) for slot in self.slots)]))

    def with_doubts(self, doubts: tuple[int, ...]) -> State:
        """The same thing with these doubts: one sentence can put all things in doubt, and `replace` takes thrice as
        long."""
        if doubts == self.doubts:
            return self
        copied = object.__new__(State)
        for name in State.__slots__:
            _set(copied, name, getattr(self, name))
        _set(copied, "doubts", doubts)
        return copied

    def slot(self, name: str) -> Slot | None:
        """The newest current slot of a name, or None."""
        return next((slot for slot in reversed(self.slots) if slot.name == name), None)

    def value(self, name: str) -> str | None:
        """The current value of a slot, or None."""
        slot = self.slot(name)
        return None if slot is None else slot.value

    @property
    def doubt(self) -> int | None:
        """The turn from which on it is in doubt, or None."""
        if self.doubts:
            return self.doubts[0]
        return None if self.label or self.name else self.unsure


@dataclass(frozen=True, slots=True)
class Topic:
    """Questions on one subject, with a summary; only the current topic is open, and any other can be re-opened."""

    id: int
    subject: str | None
    """A subject of `flows.toml`, else words of the caller's that set it apart; None while there are none."""
    opened: int
    open: bool = True
    reopened: tuple[int, ...] = ()
    """The turns that came back to this topic."""
    questions: tuple[int, ...] = ()
    states: tuple[int, ...] = ()
    focus: int | None = None
    """The state that was dealt with last in this topic."""
    gist: tuple[str, ...] = ()
    """One line per folded question, newest last."""


MOST_KEPT: Final = 10
KEPT_LENGTH: Final = 200  # characters


@dataclass(frozen=True, slots=True)
class Kept:
    """A note of the agent's own, with the turn in which it took it: its words, and nobody has checked them."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Graph:
    """A whole call: every node, the turn count, and which topic and state are current."""

    questions: tuple[Question, ...] = ()
    """Unfolded questions in order of speaking."""
    topics: tuple[Topic, ...] = ()
    states: tuple[State, ...] = ()
    current: int | None = None
    """The open topic."""
    turns: int = 0
    folded: int = 0
    """How many of the oldest questions were folded into their topics."""
    noted: int = -1
    """The last turn that the model's notes cover."""
    kept: tuple[Kept, ...] = ()
    """What the agent wrote down for itself, the newest `MOST_KEPT`."""

    @property
    def last(self) -> Question | None:
        """The newest question, or None before the first."""
        return self.questions[-1] if self.questions else None

    @property
    def topic(self) -> Topic | None:
        """The current topic, or None before the first turn."""
        return None if self.current is None else self.topics[self.current]

    @property
    def state(self) -> State | None:
        """The state in focus in the current topic, or None."""
        topic = self.topic
        return None if topic is None or topic.focus is None else self.states[topic.focus]

    def question(self, turn: int) -> Question | None:
        """The question of a turn, or None when it is folded or does not exist yet."""
        place = turn - self.folded
        return self.questions[place] if 0 <= place < len(self.questions) else None

    def states_of(self, topic: Topic) -> Iterator[State]:
        """A topic's states in the order they were opened."""
        return (self.states[number] for number in topic.states)
