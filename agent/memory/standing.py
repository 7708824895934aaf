"""Whether the words of an agent say how a thing stands: their sentence is neither asked, supposed nor still to come."""

from __future__ import annotations

import re

from agent.memory.claims import Reason
from agent.memory.nodes import Question, Speaker
from agent.memory.said import clause_of, scope_of, within
from agent.memory.sentences import asks, denies, is_choice, plain_words, promises, sentences, supposes
from agent.memory.statements import turned_round

_TAKES_BACK = re.compile(
    r"\s*[,–—-]+\s*(?:(?:no|nope|wait|sorry|oops|er|um|hang on|hold on)\b[\s,.…–-]+)+\w"
    r"|\s*[,–—-]+\s*(?:i mean|i meant|rather|scratch that|correction)\b",
    re.IGNORECASE,
)
_CANNOT = re.compile(r"\b(?:can(?:'t|not)|could(?:n't| not)|is(?:n't| not) able to|won't)\b", re.IGNORECASE)
_ANSWERED = re.compile(r"^\s*(?:no|nope|not quite|not yet)\b\s*(?:[,:]\s*|$)", re.IGNORECASE)


def status_problem(question: Question, by: Speaker, words: str, span: tuple[int, int]) -> Reason | None:
    """Why the words at `span` say of nothing how it stands, or None when they do."""
    if by != "agent":
        return "unconfirmed"
    value = words[span[0] : span[1]]
    for sentence in within(words, span):
        if question.interrupted and not sentence.ended:
            return "unconfirmed"
        if asks(sentence.text):
            return "question"
        told = sentences(words)
        if turned_round(told, told.index(sentence)):
            return "unconfirmed"
        if supposes(scope_of(sentence, span)):
            return "condition"
        if _TAKES_BACK.match(words[span[1] : sentence.end]):
            return "refused"
        clause = clause_of(sentence, span)
        if denies(_ANSWERED.sub("", plain_words(clause))) and not denies(value):
            return "denied"
        if is_choice(sentence.text) or promises(_CANNOT.sub(" ", clause)):
            return "unconfirmed"
    return None
