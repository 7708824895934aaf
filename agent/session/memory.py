"""The memory of one session: the conversation graph, written down as it grows; a small model takes notes off the
path.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, Final, Protocol

import msgspec

from agent.core.calls import CallRecorder, ProviderError
from agent.memory import Conversation, NotesRequest, OutOfTurnError, context
from agent.memory.claims import claims_of
from agent.memory.context import RECALL_TOKENS
from agent.memory.kept import kept_section
from agent.memory.notes import NOTES_RULES, NOTES_SCHEMA
from agent.memory.render import graph_view
from agent.memory.words import tokens_of
from agent.providers.base import LanguageModel, Message, Prompt
from agent.session.events import MemoryUpdated

NOTES_TOKENS: Final = 700  # of one answer of the small model
FIRST_NOTES_USD: Final = 0.0003  # what the first notes are taken to cost; from then on what the last ones did
MAX_FAILURES: Final = 3
NOTES_SHARE: Final = 0.03
"""What notes may cost at most, as a share of what the session has cost; 0 takes none."""
ROUTED_TURNS: Final = 8  # turns before the current one that a routing rule may look at


class MemoryLog(Protocol):
    """Where the events of a conversation graph are kept."""

    def record_memory(self, session_id: str, seq: int, event: bytes, generation: int) -> None:
        """Appends an event (JSON), numbered from 0 within its session; must not wait and must not raise.

        `generation` is that of the session's owner, as in `SessionInfo`.
        """
        ...


class Memory:
    """What a session remembers. Every change goes to the log at once."""

    def __init__(
        self,
        conversation: Conversation,
        session_id: str,
        log: MemoryLog,
        *,
        notes_share: float = NOTES_SHARE,
        generation: int = 1,
    ) -> None:
        self._conversation = conversation
        self._session_id = session_id
        self._generation = generation
        self._log = log
        self._stored = conversation.event_count
        self._notes_share = notes_share
        self._notes_usd, self._last_notes_usd = 0.0, FIRST_NOTES_USD
        self._failed = 0

    def heard(self, text: str) -> None:
        """The caller said this: a new turn begins."""
        self._conversation.heard(text)
        self._store()

    def answered(self, text: str, *, interrupted: bool, acknowledged: bool = False) -> None:
        """This much of the reply was heard; a second answer to the same turn changes nothing.

        `acknowledged`: the caller said "uh-huh" or the like meanwhile.
        """
        try:
            self._conversation.answered(text, interrupted=interrupted, acknowledged=acknowledged)
        except OutOfTurnError:
            return
        self._store()

    def keep(self, text: str) -> None:
        """The agent writes something down for itself."""
        self._conversation.keep(text)
        self._store()

    def withdraw(self) -> None:
        """A model has declined to answer what the caller said last: no model is shown it again."""
        self._conversation.withdraw()
        self._store()

    def withdrawn(self) -> tuple[str, ...]:
        """What no model is shown again, oldest first."""
        return tuple(question.text for question in self._conversation.graph.questions if question.withdrawn)

    def recent(self, *, heard: bool = True) -> tuple[str, ...]:
        """What the caller said in the turns before the current one, oldest first. `heard`: it holds the current one."""
        questions = self._conversation.graph.questions
        past = questions[:-1] if heard else questions
        return tuple(question.text for question in past[-ROUTED_TURNS:])

    def prompt(
        self, system: str, utterance: str, budget_tokens: int, *, cache: bool, cacheable_from: int
    ) -> tuple[Prompt, dict[str, int]]:
        """The model call that answers the utterance, and the tokens of each of its parts.

        `cacheable_from` is the shortest prefix in tokens that the cache of the model takes.
        """
        kept = kept_section(self._conversation.graph)
        made = context(
            self._conversation,
            system=system,
            utterance=utterance,
            budget_tokens=budget_tokens - tokens_of(kept),
            recall_tokens=RECALL_TOKENS,
            cache_from_tokens=cacheable_from if cache else None,
        )
        messages = tuple(Message(message.role, message.text) for message in made.messages)
        memory = "\n\n".join(part for part in (made.memory, kept) if part)
        return Prompt(made.system, memory, messages, cache=cache), dict(made.tokens)

    def view(self) -> MemoryUpdated:
        """Topics and states, for the client to draw."""
        return MemoryUpdated(graph_view(self._conversation))

    def notes_due(self, session_usd: float) -> NotesRequest | None:
        """The notes that the small model should write next, or None: nothing is new, or their share is used up.

        After `MAX_FAILURES` failures in a row none are taken any more in this session.
        """
        if self._failed >= MAX_FAILURES or self._notes_usd + self._last_notes_usd > self._notes_share * session_usd:
            return None
        return self._conversation.notes_due()

    def notes_cost(self, usd: float) -> None:
        """Notes have cost this much."""
        self._notes_usd += usd
        self._last_notes_usd = usd or self._last_notes_usd

    async def take_notes(
        self, request: NotesRequest, model: LanguageModel, recorder: CallRecorder
    ) -> tuple[int, dict[str, int]] | None:
        """Has the new turns noted. Returns how many facts were kept and how many dropped by reason.

        When it fails (None) nothing is lost: the lexical part goes on by itself, and the turns are asked about again.
        """
        messages = (Message("user", request.prompt),)
        prompt = Prompt(NOTES_RULES, "", messages, max_tokens=NOTES_TOKENS, cache=False, schema=NOTES_SCHEMA)
        try:
            async with aclosing(model.reply(self._session_id, prompt, recorder)) as pieces:
                parts = [said.text async for said in pieces]
            answer = msgspec.json.decode("".join(parts), type=dict[str, Any])
        except (ProviderError, msgspec.MsgspecError):
            self._failed += 1
            return None
        self._failed = 0
        claims = claims_of(answer)
        dropped = self._conversation.noted(request, claims)
        self._store()
        return len(claims) - dropped.total(), {str(reason): count for reason, count in dropped.items()}

    def _store(self) -> None:
        for event in self._conversation.events_since(self._stored):
            self._log.record_memory(self._session_id, self._stored, msgspec.json.encode(event), self._generation)
            self._stored += 1
        self._conversation.forget_events(self._stored)
