"""The memory of one session: the conversation graph, written down as it grows, summarised off the critical path."""

from __future__ import annotations

from contextlib import aclosing
from typing import Final, Protocol

import msgspec

from agent.core.calls import CallRecorder, ProviderError
from agent.memory import Conversation, OutOfTurnError, SummaryRequest, context
from agent.memory.render import graph_view
from agent.providers.base import LanguageModel, Message, Prompt
from agent.session.events import MemoryUpdated

SUMMARY_RULES: Final = "You keep the notes of a telephone call. Write plain sentences, and copy exact values verbatim."
SUMMARY_TOKENS: Final = 250
ROUTED_TURNS: Final = 8  # turns before the current one that a routing rule may look at


class MemoryLog(Protocol):
    """Where the events of a conversation graph are kept."""

    def record_memory(self, session_id: str, seq: int, event: bytes) -> None:
        """Appends an event (JSON), numbered from 0 within its session; must not wait and must not raise."""
        ...


class Memory:
    """What a session remembers. Every change goes to the log at once."""

    def __init__(self, conversation: Conversation, session_id: str, log: MemoryLog) -> None:
        self._conversation = conversation
        self._session_id = session_id
        self._log = log
        self._stored = conversation.event_count

    def heard(self, text: str) -> None:
        """The caller said this: a new turn begins."""
        self._conversation.heard(text)
        self._store()

    def answered(self, text: str, *, interrupted: bool) -> None:
        """This much of the reply was heard; a second answer to the same turn changes nothing."""
        try:
            self._conversation.answered(text, interrupted=interrupted)
        except OutOfTurnError:
            return
        self._store()

    def recent(self) -> tuple[str, ...]:
        """What the caller said in the turns before the current one, oldest first."""
        questions = self._conversation.graph.questions
        return tuple(question.text for question in questions[-ROUTED_TURNS - 1 : -1])

    def prompt(self, system: str, utterance: str, budget_tokens: int, *, cache: bool) -> tuple[Prompt, dict[str, int]]:
        """The model call that answers the utterance, and the tokens of each of its parts."""
        made = context(self._conversation, system=system, utterance=utterance, budget_tokens=budget_tokens)
        messages = tuple(Message(message.role, message.text) for message in made.messages)
        return Prompt(made.system, made.memory, messages, cache=cache), dict(made.tokens)

    def view(self) -> MemoryUpdated:
        """Topics and states, for the client to draw."""
        return MemoryUpdated(graph_view(self._conversation))

    def summary_due(self) -> SummaryRequest | None:
        """The summary that the cheap model should write next."""
        return self._conversation.summary_due()

    async def summarise(self, request: SummaryRequest, model: LanguageModel, recorder: CallRecorder) -> None:
        """Has one topic summarised. When that fails the lexical summary stays; values that it lacks are appended."""
        prompt = Prompt(SUMMARY_RULES, "", (Message("user", request.prompt),), max_tokens=SUMMARY_TOKENS, cache=False)
        try:
            async with aclosing(model.reply(self._session_id, prompt, recorder)) as pieces:
                parts = [said.text async for said in pieces]
        except ProviderError:
            return
        self._conversation.summarised(request, "".join(parts))
        self._store()

    def _store(self) -> None:
        for event in self._conversation.events_since(self._stored):
            self._log.record_memory(self._session_id, self._stored, msgspec.json.encode(event))
            self._stored += 1
        self._conversation.forget_events(self._stored)
