"""What a model has declined to answer is taken out of what models are shown, or they decline every turn after.

Anthropic's documentation asks for it: after `stop_reason: refusal` the refused turn is removed before the next request.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from agent.core.calls import Call, StopReason
from agent.memory.words import plain
from agent.providers.base import Message, Prompt

MOST: Final = 50  # of one session; the oldest is shown again
INSTEAD: Final = "[withdrawn]"
_TELLING: Final = 40  # characters by which a shortened copy of an utterance is known


def declined(calls: list[Call]) -> bool:
    """Whether a model declined to answer this turn, whatever another one said to it."""
    return any(call.stopped is StopReason.REFUSAL for call in calls)


class Withdrawn:
    """The utterances of one session that no model is shown any more. Memory keeps them for a session that goes on."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts: deque[str] = deque(texts, maxlen=MOST)

    def add(self, text: str) -> None:
        """Takes an utterance out of every prompt from now on."""
        if text := plain(text):
            self._texts.append(text)

    def clean(self, prompt: Prompt) -> Prompt:
        """The prompt without what was withdrawn: its exchanges, and the lines of the notes that quote it.

        What the caller says now stays whatever it is.
        """
        if not self._texts:
            return prompt
        *past, last = prompt.messages
        kept: list[Message] = []
        for message in past:
            if message.role == "assistant" and not kept:
                continue
            if message.role == "assistant" and kept[-1].role == "assistant":
                continue  # the answer to what was withdrawn
            if message.role == "user" and message.text in self._texts:
                continue
            kept.append(replace(message, text=self._without(message.text)) if message.role == "user" else message)
        last = replace(last, text=self._without(last.text, all_but_end=True))
        return replace(prompt, memory=self._notes(prompt.memory), messages=(*kept, last))

    def _without(self, text: str, *, all_but_end: bool = False) -> str:
        """The text with what was withdrawn replaced; `all_but_end` leaves its last line, which is said now."""
        head, line, end = text.rpartition("\n") if all_but_end else (text, "", "")
        for withdrawn in self._texts:
            head = head.replace(withdrawn, INSTEAD)
        return f"{head}{line}{end}"

    def _notes(self, memory: str) -> str:
        marks = [text[:_TELLING] for text in self._texts]
        return "\n".join(line for line in memory.split("\n") if not any(mark in line for mark in marks))
