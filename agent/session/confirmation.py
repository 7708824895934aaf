"""A call of a tool that waits for the caller's yes. What counts as one is decided here, and not by a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
"""What may stand in a yes, beside pieces of the question. Any other word says something of its own."""
_BINDS: Final = frozenset("a an at by for from in into my no of on per than the to until with without".split())
"""A piece of the question does not end with these: "at" and "five" of "at four for five" are not "at five"."""
_ASKS: Final = re.compile(
    r"\b(?:is|was|shall|does|did|are|am|can|could|would|should|will) (?:it|that|this|there|i|we|you|they)\b"
)
"""Recognisers do not always write the question mark. `_QUESTIONS` are the marks of other scripts."""
_QUESTIONS: Final = frozenset("?？؟\u037e⁇⁈⁉‽﹖")


@dataclass(slots=True)
class PendingConfirmation:
    """What the caller was asked for, word for word. `heard`: the values in it were, before the caller answered."""

    tool: Tool
    arguments: Mapping[str, Any]
    heard: bool = False

    @property
    def question(self) -> str:
        return self.tool.read_back(self.arguments)

    def was_heard(self, reply: str) -> None:
        """So much of the reply was heard that asked. A last sentence without a value may be talked over."""
        self.heard = _plain(self.tool.read_back_values(self.arguments)) in _plain(reply)


def says_yes(text: str, question: str) -> bool:
    """Whether a caller says yes to a question, and neither asks nor adds anything. In doubt it is no yes.

    Beside words of assent it may repeat the question's own, in their order: "yes, at five" is none to "at four for
    five", and "yes, Saturday to Friday" none to "Friday to Saturday".
    """
    words, asked = _words(text), _words(question)
    if not agrees(text) or not _QUESTIONS.isdisjoint(text) or len(words) > MOST_WORDS or _ASKS.search(" ".join(words)):
        return False
    return any(_repeats(rest, asked) for rest in _between(words))


def _between(words: list[str]) -> Iterable[list[str]]:
    """What is left of an answer without words of assent at its ends, be it more or less of them."""
    first = next((at for at, word in enumerate(words) if word not in _SAID_WITH_YES), len(words))
    last = next((at for at in range(len(words), 0, -1) if words[at - 1] not in _SAID_WITH_YES), 0)
    if first >= last:
        yield []
        return
    yield from (words[begin:end] for begin in range(first + 1) for end in range(last, len(words) + 1))


def _repeats(words: list[str], asked: list[str]) -> bool:
    """Whether these are pieces of what was asked, in its order."""
    if not words:
        return True
    for length in range(len(words), 0, -1):
        piece, rest = words[:length], words[length:]
        if rest and piece[-1] in _BINDS:
            continue
        at = next((at for at in range(len(asked)) if asked[at : at + length] == piece), None)
        if at is not None and _repeats(rest, asked[at + length :]):
            return True
    return False


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.casefold().replace("’", "'"))


def _plain(text: str) -> str:
    return " ".join(text.split())
