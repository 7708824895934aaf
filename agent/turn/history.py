"""What a session remembers, as the turn sees it, and the plainest thing that can do it: the last six turns in full."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

from agent.providers.base import Message

KEPT_TURNS: Final = 6
INTERRUPTED: Final = " [interrupted by the caller]"


@dataclass(frozen=True, slots=True)
class Context:
    """What a model call is given besides the stable system prompt. `tokens` tells the size of each part."""

    memory: str
    messages: tuple[Message, ...]
    tokens: dict[str, int]


class Conversation(Protocol):
    """What the turn needs of a memory."""

    def heard(self, text: str) -> None:
        """The caller said this: a new turn begins."""
        ...

    def answered(self, text: str, *, interrupted: bool) -> None:
        """This much of the reply was heard."""
        ...

    def recent(self, turns: int) -> tuple[str, ...]:
        """What the caller said in as many turns before the current one, oldest first."""
        ...

    def context(self, budget_tokens: int) -> Context:
        """The context of the call that answers the current utterance."""
        ...


class PlainHistory:
    """The last six turns in full, as heard; what was not heard was not said."""

    def __init__(self) -> None:
        self._turns: deque[list[str]] = deque(maxlen=KEPT_TURNS + 1)

    def heard(self, text: str) -> None:
        self._turns.append([text, ""])

    def answered(self, text: str, *, interrupted: bool) -> None:
        if self._turns:
            self._turns[-1][1] = text + (INTERRUPTED if interrupted and text else "")

    def recent(self, turns: int) -> tuple[str, ...]:
        return tuple(said for said, _ in list(self._turns)[-turns - 1 : -1])

    def context(self, budget_tokens: int) -> Context:
        messages: list[Message] = []
        for said, answer in self._turns:
            if messages and messages[-1].role == "user":  # an utterance that was never answered
                messages[-1] = Message("user", f"{messages[-1].text} {said}")
            else:
                messages.append(Message("user", said))
            if answer:
                messages.append(Message("assistant", answer))
        while len(messages) > 1 and sum(len(message.text) for message in messages) > budget_tokens * 4:
            del messages[:2]
        return Context("", tuple(messages), {"history": sum(len(message.text) + 3 for message in messages) // 4})
