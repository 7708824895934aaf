"""Whether the words of an agent say how a thing stands: their sentence is neither asked, supposed nor still to come."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.memory.claims import Reason
from agent.memory.nodes import Question, Speaker
from agent.memory.said import within
from agent.memory.sentences import (
    SpokenSentence,
    asks_by_mark,
    clauses,
    denies,
    depends,
    goes_back_on,
    is_choice,
    is_done,
    plain_words,
    promises,
    sentences,
)
from agent.memory.statements import turned_round
from agent.memory.values import values_in

_HANGS = re.compile(
    r"(?:(?:only|but|and|as) )?(?:if|unless|once|when|whenever|until|till|after|before|provided|providing|otherwise"
    r"|as (?:soon|long) as|in case|depending|subject)\b",
    re.IGNORECASE,
)
_MODALS = (
    r"(?:(?<=\bI )|(?<=\bwe ))can|could|would(?! (?:have|need) to\b)|(?<!you )(?-i:may)(?! \d)|might"
    r"|should|shall|perhaps|maybe|probably|possibly|(?<=\w)'d(?! (?:said|had|been|better|\w+ed|(?:have|need) to)\b)"
)
_POSSIBLE = re.compile(rf"\b(?:{_MODALS})\b", re.IGNORECASE)
_CONDITIONAL = re.compile(
    rf"\b(?:if|unless|provided|providing|in case|depending|depends|otherwise|whether|{_MODALS})\b", re.IGNORECASE
)
_SAYS_WHEN = re.compile(
    r"\b(?:if(?! (?:you|he|she|they|we)(?:'d| would)? (?:like|want|prefer|wish|care)\b)|unless|provided|providing"
    r"|in case|once|when|as soon as)\b|^should\b",
    re.IGNORECASE,
)
_WHETHER = re.compile(r"\bwhether\b", re.IGNORECASE)
_OWN_OFFER = re.compile(
    r"\b(?:I|[Ww]e)(?: can| could| would|'d)\b|(?: would|'d) (?:work|be|do|suit|cost|make|come to)\b"
    r"|(?i:\b(?:you|it|they) should (?:have|get|be|come|arrive|reach)\b)"
)
_PERHAPS = re.compile(r"\b(?:perhaps|maybe|probably|possibly|might)\b", re.IGNORECASE)
_YOU_CAN = re.compile(r"\byou can\b", re.IGNORECASE)
_CHOSEN = frozenset({"date", "time", "month"})
_ANSWERED = re.compile(r"^\s*(?:no|nope|not quite|not yet)\b\s*(?:[,:]\s*|$)", re.IGNORECASE)


def status_problem(question: Question, by: Speaker, words: str, span: tuple[int, int]) -> Reason | None:
    """Why the words at `span` say of nothing how it stands, or None when they do."""
    if by != "agent":
        return "unconfirmed"
    value = words[span[0] : span[1]]
    for sentence in within(words, span):
        if question.interrupted and not sentence.ended:
            return "unconfirmed"
        if asks_by_mark(sentence.text):
            return "question"
        if is_conditioned_after(sentences(words), sentence):
            return "condition"
        if goes_back_on(words[span[1] : sentence.end]):
            return "refused"
        scope = _scope(sentence, span)
        said_of = _without_estimate(scope, value)
        outside = scope.replace(value, " ", 1)
        if is_choice(sentence.text) or (_POSSIBLE.search(plain_words(said_of)) and not denies(value)):
            return "unconfirmed"
        if depends(outside) and not depends(value):
            return "condition"
        if denies(_ANSWERED.sub("", plain_words(outside))) and not denies(value):
            return "denied"
        if promises(scope.partition(value)[0]) and not promises(value):
            return "unconfirmed"
    return None


def _without_estimate(scope: str, value: str) -> str:
    """What is said to be done, without when it should have its effect, where both are quoted ("I've sent it, you should
    have it on Thursday").
    """
    for _, text in clauses(value)[1:]:
        scope = scope.replace(text, "") if _SHOULD.search(text) else scope
    return scope


_SHOULD = re.compile(r"^(?:and |so )*(?:you|it|they|that|he|she) should\b", re.IGNORECASE)


def is_unsettled(words: str, span: tuple[int, int]) -> bool:
    """Whether a value is one that would be or may be, or hangs on a choice.

    A sentence that has its condition in it ("If it rains, it's $350 more") is quoted with it, and is true as it is.
    """
    scopes = _scopes(words, span)
    value = words[span[0] : span[1]]
    if _WHETHER.search(value):  # "I'll ask whether there's room": it says itself what is open
        scopes = [_WHETHER.sub(" ", scope) for scope in scopes]
    scopes = [scope for scope in scopes if not is_done(scope)]
    may_choose = bool(_CHOSEN & {found.kind for found in values_in(value)})
    return any(
        (_CONDITIONAL.search(scope) is not None and _SAYS_WHEN.search(scope) is None)
        or (may_choose and _YOU_CAN.search(scope) is not None)
        for scope in scopes
    )


def is_own_offer(words: str, span: tuple[int, int]) -> bool:
    """Whether a value is one that the agent says it can or could do, or that would or should be."""
    if any(_PERHAPS.search(sentence.text) for sentence in within(words, span)):
        return False
    return any(_OWN_OFFER.search(scope) is not None for scope in _scopes(words, span))


def _scopes(words: str, span: tuple[int, int]) -> list[str]:
    return [plain_words(_scope(sentence, span)) for sentence in within(words, span)]


def is_conditioned_after(told: Sequence[SpokenSentence], sentence: SpokenSentence) -> bool:
    """Whether the next sentence is a piece that makes a statement conditional ("It is booked. If you pay today.")."""
    place = told.index(sentence) + 1
    return place < len(told) and turned_round(told[place - 1 :], 0)


def _scope(sentence: SpokenSentence, span: tuple[int, int]) -> str:
    """The clauses that a span touches, with those beside them that hang on a word like "if" or "until"."""
    parts = clauses(sentence.text)
    start, end = span[0] - sentence.start, span[1] - sentence.start
    own = [place for place, (at, text) in enumerate(parts) if at < end and start < at + len(text)]
    if not own:
        return sentence.text
    first, last = own[0], own[-1]
    while first and _HANGS.match(plain_words(parts[first - 1][1])):
        first -= 1
    while last + 1 < len(parts) and _HANGS.match(plain_words(parts[last + 1][1])):
        last += 1
    return " ".join(text for _, text in parts[first : last + 1])
