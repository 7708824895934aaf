"""Whether a value that the agent gave was what it used to be, or was put right by what the agent said later."""

from __future__ import annotations

import re

from agent.memory.mentions import named_in, rooted, vocabulary
from agent.memory.nodes import Graph, Question
from agent.memory.sentences import (
    SpokenSentence,
    agrees,
    asks,
    clauses,
    denies,
    offers,
    plain_words,
    sentences,
    supposes,
    taken,
)
from agent.memory.shapes import others_of_shape
from agent.memory.verbatim import find_verbatim
from agent.memory.words import STOP_WORDS, stem, words_of

_WAS = re.compile(  # "it was $48", "the last one was 7,933"; not "was paid on the 9th", which tells when
    r"\b(?:was|were|used to (?:be|cost|pay|have)|(?:had|'d) (?:been|had))\b"
    r"(?! (?:\w+ ){0,2}?(?:\w{2,}ed|\w+en|made|sent|paid|put|set|sold|bought|built|found|left|held|brought|caught"
    r"|done|born)\b)"
    r"[^,;]*$",
    re.IGNORECASE,
)
_CONCEDES = re.compile(
    r"\b(?:sorry|apolog\w+|my (?:mistake|bad|fault|error)|you're (?:\w+ )?right"
    r"|i (?:misread|misspoke|mixed|meant|was wrong)"
    r"|good (?:point|question|catch|thing you)|(?:the|an) (?:old|wrong|other|previous|last) (?:one|\w+)|that was)\b",
    re.IGNORECASE,
)
_OF_WITHOUT = re.compile(
    r"^(?:without|not counting|not including|leaving out|apart from) [^,]{1,40}?"
    r"(?:,|(?= (?:the|it|that|this|you|your|there)\b))",
    re.IGNORECASE,
)
_BETWEEN = frozenset(
    map(stem, "come cost weigh total measure make now new say read amount price number date time left today".split())
)
_CONCEDING = 2  # sentences at the head of an answer


def is_former(before: str) -> bool:
    """Whether the words before a value say that something was so: whether it still is, they do not say."""
    return _WAS.search(before.replace("’", "'")) is not None


def asks_of_past(text: str) -> bool:
    """Whether a caller speaks of what was, so that "it was $52" answers what is wanted."""
    return _PAST.search(text) is not None


_PAST = re.compile(
    r"\b(?:what|how \w+|when|where|which|who)\b[^?.!]*\b(?:was|were)\b|^\W*(?:was|were)\b", re.IGNORECASE
)


def was_once(after: str) -> bool:
    """Whether the words behind a value say that it was something: "the 3rd was the old date"."""
    return _WAS_IT.match(after) is not None


_WAS_IT = re.compile(r"\s+(?:was|were|used to be) (?:the|a|an|my|your|our|his|her|last|for)\b", re.IGNORECASE)


def without_exception(clause: str) -> str:
    """A clause without "without the piano" at its head: that denies nothing of what follows."""
    told = plain_words(clause).lstrip()
    found = _OF_WITHOUT.match(told)
    return clause if found is None else told[found.end() :]


def put_right(graph: Graph, question: Question, value: str) -> bool:
    """Whether the agent's next answer takes something back and does not say a value again.

    It counts when the answer gives another value of the same shape in a plain statement, or when the caller has spoken
    against what was said and the value has no shape that another could be known by.
    """
    after = graph.question(question.id + 1)
    if after is None or not after.answer or find_verbatim(after.answer, value) is not None:
        return False
    told = sentences(after.answer)
    head = " ".join(one.text for one in told[:_CONCEDING])
    if not (_CONCEDES.search(head.replace("’", "'")) or _SURPRISED.match(head)):
        return False
    if any(others_of_shape(value, one.text) for one in told if _plain(one.text)):
        return True
    objects = not asks(after.text) and not agrees(after.text) and not _PASSES.match(after.text)
    return objects and not any(map(str.isdigit, value)) and _plain(told[0].text + " " + head)


_SURPRISED = re.compile(r"\W*(?:oh|ah|oops|whoops|pardon|hm+)\b", re.IGNORECASE)
_PASSES = re.compile(r"\W*(?:can|could|and|what|thanks|thank|great|good|perfect|lovely|please|i'd|i would|let)\b", re.I)


def _plain(text: str) -> bool:
    rest = _CONCEDES.sub(" ", without_exception(text))
    return not (asks(text) or supposes(rest) or denies(_OPENS_NO.sub("", rest)) or offers(rest) or taken(rest))


_OPENS_NO = re.compile(r"^\W*(?:no|nope)\b[\s,.]+", re.IGNORECASE)


def restated_since(graph: Graph, question: Question, sentence: str, thing: str, value: str) -> bool:
    """Whether the agent has since said another value in the same place: of the same shape right behind the thing's
    name, or after the same words.
    """
    frame = _frame(sentence, thing, value)
    for number in range(question.id, graph.turns):
        later = graph.question(number)
        if later is None or not later.answer:
            continue
        for one in sentences(later.answer):
            if find_verbatim(one.text, value) is not None or not _plain(one.text):
                continue
            if number > question.id and frame and _names_another(one.text, frame):
                return True
            if not (number > question.id or _behind(later, one.start, sentence)):
                continue
            if not _NOW.search(one.text) and _has_another(one.text, thing, value):
                return True  # what a balance is "now" replaces what it was: that was right when it was said
            if number == question.id and _changes(later, sentence, one) and others_of_shape(value, one.text):
                return True
    return False


def _behind(question: Question, start: int, sentence: str) -> bool:
    answer = question.answer or ""
    return sentence in answer and start > answer.index(sentence)


_NOW = re.compile(r"\bnow\b", re.IGNORECASE)


def _changes(question: Question, sentence: str, until: SpokenSentence) -> bool:
    """Whether the agent says that something is changed, after one sentence of an answer and before another."""
    answer = question.answer or ""
    return _CHANGES.search(answer[answer.index(sentence) + len(sentence) : until.start]) is not None


_CHANGES = re.compile(
    r"\b(?:chang|correct|updat|swap|fix|put (?:that|it|this) (?:right|back)|old\b|wrong\b)", re.IGNORECASE
)


def _has_another(text: str, thing: str, value: str) -> bool:
    """Whether a clause gives a thing another value of the same shape, with nothing but a verb between the two."""
    for _, clause in clauses(without_exception(text)):
        if named_in(thing, clause) != "whole":
            continue
        words = words_of(clause)
        places = [place for place, word in enumerate(words) if rooted(word) in vocabulary(thing)]
        for other in others_of_shape(value, clause) if not _WAS.search(clause) else ():
            first = words_of(other)[:1]
            at = next((p for p, word in enumerate(words) if places and p > places[-1] and [word] == first), None)
            between = words[places[-1] + 1 : at] if places and at is not None else ["?"]
            if all(word in STOP_WORDS or stem(word) in _BETWEEN for word in between):
                return True
    return False


def _frame(sentence: str, thing: str, value: str) -> str:
    """The words of a sentence before a name, when they are the thing's and its verb: "your trainer is"."""
    place = find_verbatim(sentence, value) if value[:1].isupper() and not any(map(str.isdigit, value)) else None
    before = plain_words(sentence[: place[0]]).strip() if place is not None else ""
    return before.lower() if _IS.search(before) and named_in(thing, before) == "whole" else ""


_IS = re.compile(r"\b(?:is|are)$", re.IGNORECASE)


def _names_another(sentence: str, frame: str) -> bool:
    """Whether a sentence has the same words before another name."""
    told = plain_words(sentence)
    return told.lower().startswith(frame + " ") and told[len(frame) + 1 :][:1].isupper()
