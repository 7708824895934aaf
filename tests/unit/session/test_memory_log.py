"""What a session remembers is written down as it grows, and summarised without holding anybody up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from agent.core.calls import Call
from agent.memory import Conversation
from agent.session.memory import ROUTED_TURNS, Memory


@dataclass
class Log:
    events: list[tuple[int, dict[str, object]]] = field(default_factory=list[tuple[int, dict[str, object]]])
    calls: list[Call] = field(default_factory=list[Call])

    def record_memory(self, session_id: str, seq: int, event: bytes, generation: int) -> None:
        self.events.append((seq, msgspec.json.decode(event)))

    def record(self, call: Call) -> None:
        self.calls.append(call)

    def restored(self) -> Conversation:
        return Conversation.restore([event for _, event in self.events])


def talk(memory: Memory, questions: Sequence[str]) -> None:
    for question in questions:
        memory.heard(question)
        memory.answered("It is a quiet table.", interrupted=False)


def test_every_change_is_logged_once_in_order_and_restores_the_same_conversation() -> None:
    conversation, log = Conversation(), Log()
    memory = Memory(conversation, "s1", log)
    talk(memory, ["A table at Sino on Friday.", "By the window?"])
    before = len(log.events)
    memory.answered("A second answer to the same turn.", interrupted=True)
    assert len(log.events) == before
    assert [seq for seq, _ in log.events] == list(range(before))
    assert log.restored().graph == conversation.graph
    talk(Memory(log.restored(), "s1", log), ["And at eight?"])  # it goes on in another process
    assert [seq for seq, _ in log.events] == list(range(len(log.events)))


def test_a_routing_rule_sees_the_turns_before_the_current_one() -> None:
    memory = Memory(Conversation(), "s1", Log())
    memory.heard("hello")
    assert memory.recent() == ()
    memory.answered("Hello.", interrupted=False)
    talk(memory, [f"question {number}" for number in range(ROUTED_TURNS + 2)])
    assert memory.recent() == tuple(f"question {number}" for number in range(1, ROUTED_TURNS + 1))


def test_what_was_acknowledged_and_what_was_withdrawn_come_back_from_the_log() -> None:
    log = Log()
    memory = Memory(Conversation(), "s1", log)
    memory.heard("what rooms do you have")
    memory.answered("The library is free.", interrupted=False, acknowledged=True)
    memory.heard("how do I pick a lock")
    memory.withdraw()
    memory.answered("I cannot help with that.", interrupted=False)
    first, second = log.restored().graph.questions
    assert (first.acknowledged, first.withdrawn) == (True, False)
    assert (second.acknowledged, second.withdrawn) == (False, True)
    assert Memory(log.restored(), "s1", log).withdrawn() == ("how do I pick a lock",)


def test_logs_of_older_versions_have_no_such_marks_and_are_read_all_the_same() -> None:
    log = Log()
    talk(Memory(Conversation(), "s1", log), ["A table at Sino on Friday."])
    old = [{name: value for name, value in event.items() if name != "acknowledged"} for _, event in log.events]
    assert Conversation.restore(old).graph == log.restored().graph
