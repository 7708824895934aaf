"""A call of a tool that waits for the caller's yes. What counts as one is decided here, and not by a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.memory.sentences import agrees
from agent.tools.tool import Tool

MOST_WORDS: Final = 10
_SAID_WITH_YES: Final = frozenset(
    "yes yeah yep yup yea sure correct exactly right ok okay go ahead please do it that that's thats this so "
    "is perfect great fine sounds good works for me absolutely certainly definitely of course thanks thank you "
    "i we oh ah um uh well very much all si sí claro por favor oui bien sûr d'accord merci ja jawohl genau "
    "gerne bitte danke richtig sim da".split()
)
"""What may stand in a yes, beside the words of the question. Any other word says something of its own."""


@dataclass(slots=True)
class PendingConfirmation:
    """What the caller was asked for, word for word. `heard`: the values in it were, before the caller answered."""

    tool: Tool
    arguments: Mapping[str, Any]
    question: str
    heard: bool = False

    def was_heard(self, reply: str) -> None:
        """So much of the reply was heard that asked. Its last sentence may be talked over: the values come before."""
        body = _body(_plain(self.question))
        self.heard = body in _plain(reply)


def says_yes(text: str, question: str) -> bool:
    """Whether a caller says yes to a question, and neither asks nor adds anything. In doubt it is no yes."""
    words = _words(text)
    known = _SAID_WITH_YES | set(_words(question))
    return agrees(text) and "?" not in text and len(words) <= MOST_WORDS and known.issuperset(words)


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.casefold().replace("’", "'"))


def _plain(text: str) -> str:
    return " ".join(text.split())


def _body(question: str) -> str:
    """The question without its last sentence, where that holds no value of its own; else all of it."""
    head, _, _ = question.rstrip().rpartition(". ")
    return head or question
