"""Whether the words of a turn bear out a value: stated and not asked, supposed, denied, only offered or refused."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

from agent.memory.claims import Reason
from agent.memory.grounding import dictates, is_echo, is_piece, taken_back
from agent.memory.mentions import is_foreign
from agent.memory.nodes import Graph, Question, Speaker
from agent.memory.sentences import (
    SpokenSentence,
    agrees,
    asks,
    clauses,
    denies,
    is_choice,
    offers,
    plain_words,
    refuses,
    sentences,
    taken,
)
from agent.memory.values import values_in
from agent.memory.words import content_stems

_NO_NOUN = re.compile(r"^\s*(?:no|not|without)\s+(?:the\s+|a\s+|any\s+)?\w+\s*[.!]?$", re.IGNORECASE)
_UNKNOWN = re.compile(
    r"\b(?:I|we) (?:don't|do not|didn't|did not) (?:know|recogni[sz]e|understand|mind)\b", re.IGNORECASE
)
_ID_DIGITS = 5  # a value with so many digits is an identifier
_KEEPS_ID = frozenset({"code", "phone", "email"})
_IS_VALUE = re.compile(r"^(?!(?:it|that|this|there|they|those|these)\b)\S.*?\b(?:is|are|costs?)\s+$", re.IGNORECASE)
_PRICED = re.compile(r"\b(?:how much|what|cost\w*|price\w*|charge\w*|fee|pay|owe|left|balance)\b", re.IGNORECASE)
_SIDE_OFFER = re.compile(r"\b(?:can|could|would|also|by the way|extra|more)\b", re.IGNORECASE)
_HAS_ONE = re.compile(
    r"\b(?:my|our) own\b|\b(?:already )?(?:have|got|bring|brought) (?:one|some|mine|ours)\b", re.IGNORECASE
)
_POINTS = re.compile(r"\b(?:it|that|this|one|them|those|these|then|so)\b", re.IGNORECASE)
_ANOTHER = re.compile(r"\b(?:an?|another|any|some)\b", re.IGNORECASE)
_OFFERED_KINDS = frozenset({"date", "time", "month"})


def within(words: str, span: tuple[int, int]) -> list[SpokenSentence]:
    return [sentence for sentence in sentences(words) if sentence.start < span[1] and span[0] < sentence.end]


def clause_of(sentence: SpokenSentence, span: tuple[int, int]) -> str:
    """The clauses of a sentence that a span touches."""
    touched = [
        text
        for start, text in clauses(sentence.text)
        if sentence.start + start < span[1] and span[0] < sentence.start + start + len(text)
    ]
    return " ".join(touched) or sentence.text


def value_problem(graph: Graph, question: Question, by: Speaker, words: str, span: tuple[int, int]) -> Reason | None:
    """Why a value at `span` of what `by` said of a thing does not hold, or None when it does."""
    value = words[span[0] : span[1]]
    if taken_back(graph, question, by, words, span):
        return "refused"
    if is_echo(graph, question, by, value):
        return "unconfirmed"
    if by == "caller" and is_piece(graph, question, value):
        return "unconfirmed"
    if by == "agent" and question.interrupted and span[1] >= len(words.rstrip()):
        return "not_said"  # the end of a value may have been cut off
    kinds = frozenset(found.kind for found in values_in(value))
    for sentence in within(words, span):
        if _denied(_without_exception(clause_of(sentence, span)), value) or taken(clause_of(sentence, span)):
            return "denied"
        if by == "caller":
            if asks(sentence.text):
                return "question"
            continue
        problem = _offer_problem(graph, question, sentence, value, kinds)
        if problem is not None:
            return problem
    return None


_OF_WITHOUT = re.compile(
    r"^(?:without|not counting|not including|leaving out|apart from) [^,]{1,40}?"
    r"(?:,|(?= (?:the|it|that|this|you|your|there)\b))",
    re.IGNORECASE,
)


def _without_exception(clause: str) -> str:
    """A clause without "without the piano" at its head: that denies nothing of what follows."""
    told = plain_words(clause).lstrip()
    found = _OF_WITHOUT.match(told)
    return clause if found is None else told[found.end() :]


def _denied(clause: str, value: str) -> bool:
    """Whether a clause denies a value; that somebody does not know it ("a charge I don't know") denies nothing."""
    before, found, after = clause.partition(value)
    return denies(before if found else clause) or (bool(found) and denies(_UNKNOWN.sub(" ", after)))


def _offer_problem(
    graph: Graph, question: Question, sentence: SpokenSentence, value: str, kinds: frozenset[str]
) -> Reason | None:
    """A value that the agent offers, or reads back with a question, counts when the caller's next words take it."""
    told = sentences(question.answer or "")
    asked = asks(sentence.text) or is_choice(sentence.text)
    choices = bool(kinds & _OFFERED_KINDS) and _lets_choose(sentence.text, kinds)
    before, found, _ = sentence.text.partition(value)
    if found and not asked and not kinds & _OFFERED_KINDS and _IS_VALUE.search(plain_words(before)):
        return None  # "a zip is $35": so it is, whatever is asked next and answered
    reply = graph.question(question.id + 1)
    if reply is not None and is_foreign(sentence.text) and _refused_abroad(value, reply.text, graph, question):
        return "refused"
    if reply is not None and _turned_down(sentence, value, reply.text):
        return "refused"
    unasked = "price" in kinds and offers(sentence.text) and not _PRICED.search(question.text)
    has_one = reply is not None and bool(_HAS_ONE.search(reply.text))
    if not asked and unasked and (has_one or _SIDE_OFFER.search(sentence.text)):
        return _unasked(sentence, value, reply)
    other = not (told and asks(told[-1].text)) or _asks_for_other(told[-1].text, _clause_with(sentence, value))
    if not asked and not choices and other:
        return None
    if reply is None:
        return "question" if asked or kinds & _OFFERED_KINDS else None
    agreed = _agreed(reply.text, value)
    if agreed is not None:
        return agreed or None
    if choices:
        return "refused"
    if refuses(reply.text):
        names_another = dictates(reply.text) or any(
            _identifies(found.text, {found.kind}) for found in values_in(reply.text)
        )
        partly = denies(reply.text) and len(content_stems(reply.text)) > 1 and _identifies(value, kinds)
        if asked and partly and not names_another and not _mentions(reply.text, value):
            return None  # "no, not the red one": the number that was read back stands
        return "refused" if asked or kinds & (_OFFERED_KINDS | {"price", "count"}) else None
    return "question" if asked else None


_NOES = re.compile(
    r"^\W*(?:no|nein|nee|nej|non|não|nem|ne|nie|hayır|нет|ні|όχι|לא|لا|नहीं|いや|いいえ|不|아니)(?:\W|$)|ちょっと",
    re.IGNORECASE,
)


def _refused_abroad(value: str, reply: str, graph: Graph, question: Question) -> bool:
    """Whether what was named in another language was refused, or another number of it was taken, and it never"
    " came back."""
    digits, units = set(re.findall(r"\d+", value)), set(_UNIT.findall(value))
    if not digits:
        return False
    answers = (graph.question(number) for number in range(question.id + 1, graph.turns))
    if any(digits <= set(re.findall(r"\d+", later.answer or "")) for later in answers if later is not None):
        return False
    chosen = {number for number, unit in re.findall(r"(\d+)\s?([^\W\d_])", reply) if unit in units}
    return _NOES.search(reply) is not None or bool(chosen and not chosen & digits)


_UNIT = re.compile(r"\d\s?([^\W\d_])")


def _turned_down(sentence: SpokenSentence, value: str, reply: str) -> bool:
    """Whether the caller's next words refuse what a value was said of, by its name ("the balcony's too high")."""
    told = _clause_with(sentence, value)
    return any(refuses(text) and not asks(reply) and _mentions(text, told) for _, text in clauses(reply))


def _unasked(sentence: SpokenSentence, value: str, reply: Question | None) -> Reason | None:
    """A price of what nobody asked about is an offer: it counts when the caller agrees or names what it is for."""
    if reply is None:
        return "refused"
    first = sentences(reply.text)[:1]
    if first and agrees(first[0].text):
        return None
    taking = " ".join(text for _, text in clauses(reply.text) if not (denies(text) or _HAS_ONE.search(text)))
    told = _clause_with(sentence, value)
    told = told if content_stems(told.replace(value, " ")) else sentence.text
    return None if _mentions(taking, told) else "refused"


def _lets_choose(sentence: str, kinds: frozenset[str]) -> bool:
    """Whether a sentence offers what there is to choose from: by its words, or by a value on each side of "or"."""
    before, found, after = sentence.partition(" or ")
    apart = found and all(kinds & {value.kind for value in values_in(part)} for part in (before, after))
    return bool(apart) or offers(_OR.sub(", ", sentence))


_OR = re.compile(r",? or ", re.IGNORECASE)


def _clause_with(sentence: SpokenSentence, value: str) -> str:
    return next((text for _, text in clauses(sentence.text) if value in text), sentence.text)


def _asks_for_other(ending: str, told: str) -> bool:
    """Whether the question at the end of an answer brings up something new ("would you like a session?"), with no
    word of what was told.
    """
    if _POINTS.search(ending):
        return False
    stems = set(content_stems(ending))
    return bool(_ANOTHER.search(ending)) or (len(stems) > 1 and not stems & set(content_stems(told)))


def _agreed(reply: str, value: str) -> Reason | Literal[""] | None:
    """ "" when the caller's next words take an offer, why not when they take it but for this value, else None."""
    first = sentences(reply)[:1]
    if first and agrees(first[0].text):
        rest = reply[first[0].end :]
        return "refused" if denies(rest) and _mentions(rest, value) else ""
    parts = clauses(first[0].text) if first else ()
    if len(parts) > 1 and agrees(parts[0][1]) and not any(refuses(_NO_NOUN.sub(" ", text)) for _, text in parts[1:]):
        return "refused" if _mentions(" ".join(text for _, text in parts[1:] if denies(text)), value) else ""
    return None  # "yes, cut and colour, no perm" takes it all the same


def _identifies(value: str, kinds: Collection[str]) -> bool:
    return bool(_KEEPS_ID & set(kinds)) or sum(char.isdigit() for char in value) >= _ID_DIGITS


def identifies(value: str) -> bool:
    """Whether a value is a number or a name of something, and neither a day, an amount nor a price."""
    return _identifies(value, {found.kind for found in values_in(value)})


def _mentions(text: str, value: str) -> bool:
    return bool(set(content_stems(text)) & set(content_stems(value)))
