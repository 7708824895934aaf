"""An answer as the caller heard it, with marks for what did not reach them, and what a turn takes when it is sent."""

from __future__ import annotations

from agent.memory.nodes import Question
from agent.memory.words import tokens_of

_INTERRUPTED = "[the caller interrupted here]"
_ACKNOWLEDGED = "[the caller acknowledged this while listening]"
_NOTHING_HEARD = "[the caller interrupted before hearing an answer]"


def answer_as_heard(question: Question) -> str:
    """The answer of a turn as a model is shown it; empty while there is none."""
    if question.answer is None:
        return ""
    if not question.interrupted:
        marker = f" {_ACKNOWLEDGED}" if question.acknowledged and question.answer else ""
        return f"{question.answer or '[no answer]'}{marker}"
    return f"{question.answer} {_INTERRUPTED}" if question.answer else _NOTHING_HEARD


def turn_tokens(question: Question) -> int:
    """The estimated tokens of a turn as it was heard."""
    return tokens_of(question.text) + tokens_of(answer_as_heard(question))
