"""What a session sends of what was said: data beside the caller's words, never rules; notes within a share."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from agent.core.calls import CallRecorder, ErrorKind, ProviderError
from agent.memory import Conversation
from agent.providers.base import Prompt, TextDelta
from agent.session.memory import FIRST_NOTES_USD, MAX_FAILURES, Memory
from agent.turn.prompt import build_prompt

INJECTIONS = [
    line
    for line in (Path(__file__).with_name("injections.txt")).read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("# ")
]
SYSTEM = build_prompt("the Harbour Inn", "Rooms cost $90.").text


class NoLog:
    def record_memory(self, session_id: str, seq: int, event: bytes, generation: int) -> None:
        """Stores nothing."""


class Writer:
    """A model that answers with a fixed text, or fails."""

    provider, model = "anthropic", "small"

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.prompts: list[Prompt] = []

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        self.prompts.append(prompt)
        if self.text is None:
            raise ProviderError("anthropic", ErrorKind.TIMEOUT)
        yield TextDelta(self.text)


class NoRecorder:
    def record(self, call: object) -> None:
        """Charges nothing."""


def memory(*said: tuple[str, str], share: float = 0.03) -> Memory:
    made = Memory(Conversation(), "s1", NoLog(), notes_share=share)
    for caller, agent in said:
        made.heard(caller)
        made.answered(agent, interrupted=False)
    return made


def prompt_after(words: str, turns: int) -> Prompt:
    made = memory((words, "Let me see."), *[(f"And room {number}?", "It is quiet. " * 12) for number in range(turns)])
    made.heard(words)
    return made.prompt(SYSTEM, words, 6_000, cache=True, cacheable_from=4_096)[0]


def test_the_corpus_is_large_enough() -> None:
    assert len(set(INJECTIONS)) >= 30


@pytest.mark.parametrize("turns", [1, 120])
def test_the_system_part_is_the_same_to_the_byte_whatever_a_caller_says(turns: int) -> None:
    harmless = prompt_after("Is breakfast included?", turns)
    assert harmless.system == SYSTEM
    for words in INJECTIONS:
        prompt = prompt_after(words, turns)
        assert prompt.system.encode() == harmless.system.encode()
        assert prompt.messages[-1].role == "user"
        assert prompt.memory.lower().count("call_memory") in (0, 2)


def test_nothing_is_settled_that_only_the_caller_said() -> None:
    for words in INJECTIONS:
        conversation = Conversation()
        for _ in range(2):
            conversation.heard(words)
            conversation.answered("I hear you. How can I help?", interrupted=False)
        assert conversation.graph.states == (), words


async def test_no_claim_of_the_caller_becomes_a_status_by_the_small_models_hand() -> None:
    for words in INJECTIONS:
        made = memory((words, "I hear you."), ("Well?", "How can I help?"))
        claims = [
            {"thing": thing, "attribute": "status", "value": words, "turn": 1, "by": by, "supersedes": ""}
            for thing in ("room", words[:40])
            for by in ("caller", "agent")
        ]
        request = made.notes_due(1.0)
        assert request is not None
        taken = await made.take_notes(request, Writer(json.dumps({"facts": claims})), NoRecorder())
        assert taken is not None and taken[0] == 0, words


async def test_notes_are_taken_within_their_share_and_counted() -> None:
    made = memory(("A room.", "For when?"), ("Friday.", "Your room is booked. The reference is RX401."))
    assert made.notes_due(FIRST_NOTES_USD / 0.03 * 0.9) is None
    request = made.notes_due(FIRST_NOTES_USD / 0.03 * 1.1)
    assert request is not None and "RX401" in request.prompt
    facts = [
        {"thing": "room", "attribute": "status", "value": "is booked", "turn": 2, "by": "agent", "supersedes": ""},
        {"thing": "room", "attribute": "reference", "value": "RX402", "turn": 2, "by": "agent", "supersedes": ""},
    ]
    writer = Writer(json.dumps({"facts": facts}))
    assert await made.take_notes(request, writer, NoRecorder()) == (1, {"not_said": 1})
    assert writer.prompts[0].schema is not None and not writer.prompts[0].cache
    made.notes_cost(0.5)
    made.heard("And breakfast?")
    made.answered("It is included.", interrupted=False)
    made.heard("Good.")
    made.answered("Anything else?", interrupted=False)
    assert made.notes_due(16.0) is None
    assert made.notes_due(40.0) is not None
    assert memory(("A", "B"), ("C", "D"), share=0).notes_due(100.0) is None


@pytest.mark.parametrize("text", [None, "no json", '{"facts": "none"', "[]"])
async def test_a_failing_note_taker_costs_nothing_and_is_left_alone(text: str | None) -> None:
    made = memory(("A room.", "For when?"), ("Friday.", "Your room is booked."))
    for _ in range(MAX_FAILURES):
        request = made.notes_due(1.0)
        assert request is not None
        assert await made.take_notes(request, Writer(text), NoRecorder()) is None
    assert made.notes_due(1.0) is None


@pytest.mark.parametrize("facts", [None, 3, "x", [None, 3, {"thing": 1, "turn": True}]])
async def test_an_answer_of_another_shape_leaves_no_fact(facts: object) -> None:
    made = memory(("A room.", "For when?"), ("Friday.", "Your room is booked."))
    request = made.notes_due(1.0)
    assert request is not None
    taken = await made.take_notes(request, Writer(json.dumps({"facts": facts})), NoRecorder())
    assert taken is not None and taken[0] == 0
