"""Whether the words of a turn bear out a value: stated and not asked, supposed, denied, only offered or refused."""

from __future__ import annotations

import re
from collections.abc import Collection

from agent.memory.claims import Reason
from agent.memory.flows import Flows
from agent.memory.nodes import Graph, Question, Speaker
from agent.memory.sentences import (
    SpokenSentence,
    act_in,
    agrees,
    asks,
    bad_news,
    clauses,
    denies,
    offers,
    promises,
    refuses,
    sentences,
    supposes,
    taken,
    timed,
)
from agent.memory.values import values_in, without_repairs
from agent.memory.verbatim import find_verbatim
from agent.memory.words import content_stems, words_of

_NUMERIC = frozenset(
    {"price", "amount", "total", "balance", "deposit", "phone", "number", "code", "reference", "quantity", "time"}
)
_NUMBERS = frozenset(
    "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen twenty thirty"
    " forty fifty sixty seventy eighty ninety hundred thousand half quarter noon midday midnight a an both double pair"
    " dozen".split()
)
_UNKNOWN = re.compile(
    r"\b(?:I|we) (?:don't|do not|didn't|did not) (?:know|recogni[sz]e|understand|mind)\b", re.IGNORECASE
)
_ID_DIGITS = 5  # a value with so many digits is an identifier
_KEEPS_ID = frozenset({"code", "phone", "email"})
_OFFERED_KINDS = frozenset({"date", "time", "month"})


def _within(words: str, span: tuple[int, int]) -> list[SpokenSentence]:
    return [sentence for sentence in sentences(words) if sentence.start < span[1] and span[0] < sentence.end]


def _clause(sentence: SpokenSentence, span: tuple[int, int]) -> str:
    """The clauses of a sentence that a span touches."""
    touched = [
        text
        for start, text in clauses(sentence.text)
        if sentence.start + start < span[1] and span[0] < sentence.start + start + len(text)
    ]
    return " ".join(touched) or sentence.text


def status_problem(question: Question, flows: Flows, by: Speaker, words: str, span: tuple[int, int]) -> Reason | None:
    """Why the words at `span` say of no thing how it stands, or None when they do."""
    if by != "agent":
        return "unconfirmed"
    value = words[span[0] : span[1]]
    for sentence in _within(words, span):
        text = sentence.text
        if question.interrupted and not sentence.ended:
            return "unconfirmed"
        if asks(text):
            return "question"
        if supposes(text) or timed(text.replace(value, " ")):
            return "condition"
        if taken(text) and not taken(value):
            return "denied"
        clause = _clause(sentence, span)
        outside = clause.replace(value, " ") if value in clause else text.replace(value, " ")
        if (
            denies(outside)
            or (denies(text.replace(value, " ")) and not denies(value))
            or _cut_denial(words[sentence.start : span[0]])
        ):
            return "denied"
        if bad_news(text.replace(value, " ")) and not denies(value):
            return "denied"
        if promises(clause) or (offers(text) and act_in(sentence, flows.acts) is None):
            return "unconfirmed"
    return None


def _cut_denial(before: str) -> bool:
    """Whether the words of a sentence right before a value deny it ("I have not | booked it")."""
    return any(denies(word) for word in before[-12:].split()[-2:])


def value_problem(graph: Graph, question: Question, by: Speaker, words: str, span: tuple[int, int]) -> Reason | None:
    """Why a value at `span` of what `by` said does not hold, or None when it does."""
    value = words[span[0] : span[1]]
    if by == "caller" and find_verbatim(without_repairs(words), value) is None:
        return "refused"
    if by == "agent" and question.interrupted and span[1] >= len(words.rstrip()):
        return "not_said"  # the end of a value may have been cut off
    kinds = frozenset(found.kind for found in values_in(value))
    for sentence in _within(words, span):
        if supposes(sentence.text):
            return "condition"
        if _denied(_clause(sentence, span), value) or taken(sentence.text):
            return "denied"
        if by == "caller":
            if asks(sentence.text):
                return "question"
            continue
        problem = _offer_problem(graph, question, sentence, value, kinds)
        if problem is not None:
            return problem
    return None


def _denied(clause: str, value: str) -> bool:
    """Whether a clause denies a value; that somebody does not know it ("a charge I don't know") denies nothing."""
    before, found, after = clause.partition(value)
    return denies(before if found else clause) or (bool(found) and denies(_UNKNOWN.sub(" ", after)))


def _offer_problem(
    graph: Graph, question: Question, sentence: SpokenSentence, value: str, kinds: frozenset[str]
) -> Reason | None:
    """A value that the agent offers, or reads back with a question, counts when the caller's next words take it."""
    told = sentences(question.answer or "")
    asked = asks(sentence.text)
    choices = bool(kinds & _OFFERED_KINDS) and offers(sentence.text)
    if not asked and not choices and not (told and asks(told[-1].text)):
        return None
    reply = graph.question(question.id + 1)
    if reply is None:
        return "question" if asked or kinds & _OFFERED_KINDS else None
    first = sentences(reply.text)[:1]
    if first and agrees(first[0].text):
        rest = reply.text[first[0].end :]
        return "refused" if denies(rest) and _mentions(rest, value) else None
    if choices:
        return "refused"
    if refuses(reply.text):
        names_another = any(_identifies(found.text, {found.kind}) for found in values_in(reply.text))
        partly = denies(reply.text) and len(content_stems(reply.text)) > 1 and _identifies(value, kinds)
        if asked and partly and not names_another and not _mentions(reply.text, value):
            return None  # "no, not the red one": the number that was read back stands
        return "refused" if asked or kinds & (_OFFERED_KINDS | {"price", "count"}) else None
    return "question" if asked else None


def _identifies(value: str, kinds: Collection[str]) -> bool:
    return bool(_KEEPS_ID & set(kinds)) or sum(char.isdigit() for char in value) >= _ID_DIGITS


def _mentions(text: str, value: str) -> bool:
    return bool(set(content_stems(text)) & set(content_stems(value)))


def fits(attribute: str, value: str) -> bool:
    """Whether a value has the form that its attribute's name promises."""
    last = attribute.rsplit(" ", 1)[-1]
    if last in _NUMERIC and value.isascii():
        return any(char.isdigit() for char in value) or bool(set(words_of(value)) & _NUMBERS)
    if last == "email":
        return "@" in value or " at " in value
    if last == "date" and value.isascii():
        return bool({found.kind for found in values_in(value)} & {"date", "month", "time"}) or any(
            map(str.isdigit, value)
        )
    return True
