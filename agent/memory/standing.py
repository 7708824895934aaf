"""Whether the words of an agent say how a thing stands: a plain statement that nothing around it turns round."""

from __future__ import annotations

import re

from agent.memory.claims import Reason
from agent.memory.confirmed import act_in
from agent.memory.flows import Flows
from agent.memory.heads import plainly_said
from agent.memory.main_clause import is_main_clause
from agent.memory.mentions import is_foreign, named_in
from agent.memory.nodes import Question, Speaker
from agent.memory.said import clause_of, scope_of, within
from agent.memory.sentences import (
    SpokenSentence,
    asks,
    bad_news,
    clauses,
    denies,
    offers,
    plain_words,
    promises,
    sentences,
    supposes,
    taken,
    timed,
)
from agent.memory.statements import framed, turned_round

_NO_COST = re.compile(r"\bcosts? (?:you )?nothing\b|\b(?:no|without) (?:charge|fee|cost)s?\b", re.IGNORECASE)
_ANSWERED = re.compile(r"^\s*(?:no|nope|not quite|not yet)\b\s*(?:[,:]\s*|$)", re.IGNORECASE)
_SUBJECT = re.compile(
    r"^(?:the|an?|your|our|my|his|her|their|its?|this|that|these|those|both|all|i|we|you|he|she|they|there|room"
    r"|[A-Z]\w+"
    r"|\w+(?: \w+)? (?:is|are|has|have|was|were))\b"
    r"|^(?:i|we|you|he|she|it|they|that|there)'",
    re.IGNORECASE,
)
_OTHER_SUBJECT = re.compile(r"^(?:there|i|we|the|your|you|an?|nothing|nobody|no one)\b", re.IGNORECASE)


def status_problem(
    question: Question, flows: Flows, by: Speaker, words: str, span: tuple[int, int], thing: str
) -> Reason | None:
    """Why the words at `span` say of no thing how it stands, or None when they do."""
    if by != "agent":
        return "unconfirmed"
    value = words[span[0] : span[1]]
    for sentence in within(words, span):
        text = sentence.text
        if question.interrupted and not sentence.ended:
            return "unconfirmed"
        if asks(text):
            return "question"
        told = sentences(words)
        if turned_round(told, told.index(sentence)):
            return "unconfirmed"
        scope = _without_past_time(scope_of(sentence, span), value)
        if supposes(scope) or (timed(scope.replace(value, " ")) and not (denies(value) and _UNTIL.search(scope))):
            return "condition"
        if _TAKES_BACK.match(words[span[1] : sentence.end]):
            return "refused"
        if taken(text) and not taken(value):
            return "denied"
        clause = clause_of(sentence, span)
        outside = clause.replace(value, " ") if value in clause else text.replace(value, " ")
        if (
            denies(_ANSWERED.sub("", outside))
            or (_denied_elsewhere(sentence, span) and not denies(value))
            or _cut_denial(sentence, span)
        ):
            return "denied"
        if bad_news(_REGRETS.sub("", text.replace(value, " "))) and not denies(value):
            return "denied"
        theme = _without_theme(sentence, span, thing)
        if not _states(theme, thing, tuple(flows.acts), foreign=is_foreign(words), denied=denies(value)):
            return "unconfirmed"
        if (promises(_under_way(clause, value)) and not _cannot(value)) or (
            offers(clause) and not denies(value) and act_in(sentence, flows.acts) is None
        ):
            return "unconfirmed"
    return None


_TAKES_BACK = re.compile(
    r"\s*[,–—-]+\s*(?:(?:no|nope|wait|sorry|oops|er|um|hang on|hold on)\b[\s,.…–-]+)+\w"
    r"|\s*[,–—-]+\s*(?:i mean|i meant|rather|scratch that|correction)\b",
    re.IGNORECASE,
)


_REGRETS = re.compile(
    r",? (?:(?:i'm|i am|we're) )?(?:so |very )?(?:afraid|sorry)\W*$", re.IGNORECASE
)  # "… is still there, I'm afraid."


def _states(
    theme: tuple[str, int, int], thing: str, participles: tuple[str, ...], *, foreign: bool, denied: bool
) -> bool:
    """Whether words of a sentence are a statement by the grammar of acts, or a whole main clause."""
    if plainly_said(*theme) and (foreign or framed(*theme, participles, denied=denied)):
        return True
    return not foreign and is_main_clause(*theme, thing, participles)


def _without_past_time(scope: str, value: str) -> str:
    """What can make a statement conditional, without a past time: "… were paid when you ordered"."""
    place = scope.find(value)
    found = _WHEN_PAST.search(scope, max(0, place))
    return scope[: found.start()] + scope[found.end() :] if place >= 0 and found and _WERE.search(value) else scope


_WHEN_PAST = re.compile(
    r"\bwhen (?:i|you|we|he|she|they|it|(?:the|your|his|her) \w+) (?:\w{2,}ed|came|went|left|got|took|put|sent|brought"
    r"|made|did|gave|bought|paid|had|was|were|rang|wrote)\b",
    re.IGNORECASE,
)
_WERE = re.compile(r"\b(?:was|were)\b", re.IGNORECASE)


def _under_way(clause: str, value: str) -> str:
    """A clause without "is being" where its quoted words have that: what is under way, they say themselves."""
    return clause.replace(value, _BEING.sub(" ", value)) if _BEING.search(value) else clause


_BEING = re.compile(r"\b(?:is|are)(?: still| already| now| just)? being\b", re.IGNORECASE)


def _cannot(value: str) -> bool:
    """Whether a value says that something cannot be: that is how it stands, and nothing to come."""
    return denies(value) and not promises(_CANNOT.sub(" ", value))


_CANNOT = re.compile(r"\b(?:can(?:'t|not)|could(?:n't| not)|is(?:n't| not) able to)\b", re.IGNORECASE)


def _without_theme(sentence: SpokenSentence, span: tuple[int, int], thing: str) -> tuple[str, int, int]:
    """A sentence without "for the armchair" before its statement, where that names the thing itself, and the span."""
    start, end = max(0, span[0] - sentence.start), span[1] - sentence.start
    lasting = _TILL_THEN.match(sentence.text)
    if lasting is not None and start >= lasting.end():
        cut = lasting.end()
        return sentence.text[cut:], start - cut, end - cut
    found = _THEME.match(sentence.text)
    if found is None or named_in(thing, found[1]) != "whole":
        return sentence.text, start, end
    cut = found.end(1) + 1
    return sentence.text[cut:], max(0, start - cut), max(0, end - cut)


_TILL_THEN = re.compile(r"(?:till|until) then,? ", re.IGNORECASE)
_THEME = re.compile(
    r"^((?:for|as for|about|regarding) (?:the|your|his|her|their|our)(?: [\w'’-]+){1,3}?),? (?=i\b|we\b)", re.I
)
_UNTIL = re.compile(r"\b(?:until|till|before)\b", re.IGNORECASE)


def _cut_denial(sentence: SpokenSentence, span: tuple[int, int]) -> bool:
    """Whether the words of a sentence right before a value deny it ("I have not | booked it")."""
    before = _ANSWERED.sub("", plain_words(sentence.text[: max(0, span[0] - sentence.start)]))
    return any(denies(word) for word in before[-12:].split()[-2:])


def _denied_elsewhere(sentence: SpokenSentence, span: tuple[int, int]) -> bool:
    """Whether another clause of the sentence denies what a value states.

    A denial that begins an answer ("No, it is here"), or that has a subject of its own beside a value that has one too
    ("… is renewed, so there's nothing to pay"), is about something else.
    """
    start, end = max(0, span[0] - sentence.start), span[1] - sentence.start
    parts = clauses(sentence.text)
    own = [text for at, text in parts if at < end and start < at + len(text)]
    for at, text in parts:
        if at < end and start < at + len(text):
            continue
        rest = _NO_COST.sub(" ", _ANSWERED.sub("", text) if at == 0 else text)
        if not denies(rest):
            continue
        if not own or not _SUBJECT.search(plain_words(own[0])) or not _OTHER_SUBJECT.search(plain_words(rest)):
            return True
    return False
