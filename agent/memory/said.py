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
    asks_by_mark,
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
from agent.memory.verbatim import find_verbatim
from agent.memory.words import content_stems

_NO_NOUN = re.compile(r"^\s*(?:no|not|without)\s+(?:the\s+|a\s+|any\s+)?\w+\s*[.!]?$", re.IGNORECASE)
_DENIES_NOTHING = re.compile(  # "a charge I don't know", "$296 without fitting"
    r"\b(?:(?:I|we) (?:don't|do not|didn't|did not) (?:know|recogni[sz]e|understand|mind)|without)\b", re.IGNORECASE
)
_ID_DIGITS = 5  # a value with so many digits is an identifier
_KEEPS_ID = frozenset({"code", "phone", "email"})
_GLAD = re.compile(
    r"^(?:(?:oh|ah|um|uh|well)[\s,.!]+)*(?:very (?:good|well|nice)|super"
    r"|brilliant|wonderful|excellent|marvellous|splendid|terrific|fantastic|ideal"
    r"|smashing|all ?right|cool|nice|go for it|count me in|(?:that )?suits (?:me|us)"
    r"|(?:that|it)(?:'d| would) be (?:great|good|fine|lovely|perfect)|that(?:'ll| will) do"
    r"|(?:i|we)'ll (?:take|have|go (?:for|with)) (?:it|that|this|them|the)|let's go (?:for|with))"
    r"\s*(?:[,.!…]|$|yes\b|please\b|thank)",
    re.IGNORECASE,
)
_SUITS = re.compile(
    r"^(?:(?:oh|ah|um|uh|well)[\s,.!]+)*([\w:']+(?: [\w:']+){0,3}?)(?:'ll| will| would be| is|'s| suits?) "
    r"(?:do|fine|good|great|perfect|me|us)\b",
    re.IGNORECASE,
)
_RESERVES = re.compile(
    r"\b(?:if|but|though|except|for some|else(?:where)?|earlier|later|think|ask|just|only|leave it"
    r"|not (?:today|now|yet|sure)|no(?! (?:problem|worries)))\b",
    re.IGNORECASE,
)
_FEW = 3  # words of a reply that is nothing but glad
_IS_VALUE = re.compile(r"^(?!(?:it|that|this|there|they|those|these)\b)\S.*?\b(?:is|are|costs?)\s+$", re.IGNORECASE)
_PRICED = re.compile(r"\b(?:how much|what|cost\w*|price\w*|charge\w*|fee|pay|owe|left|balance)\b", re.IGNORECASE)
_SIDE_OFFER = re.compile(r"\b(?:can|could|would|also|by the way|extra|more)\b", re.IGNORECASE)
_HAS_ONE = re.compile(
    r"\b(?:my|our) own\b|\b(?:already )?(?:have|got|bring|brought) (?:one|some|mine|ours)\b", re.IGNORECASE
)
_POINTS = re.compile(r"\b(?:it|that|this|them|those|these|then|so)\b|(?<!another )\bone\b(?=\W*$)", re.IGNORECASE)
_OPEN_QUESTION = re.compile(r"\b(?:who|whom|whose|what|where|when|why|how (?:many|much|long|old|tall|big|far))\b", re.I)
_OPENS_QUESTION = re.compile(
    r"^\W{0,4}(?:(?:and|so|then|now)\b[\s,]*)?(?:who|whom|whose|what(?! (?:if|about))|where|when(?![^?]*,)|why"
    r"|how (?:many|much|long|old|tall|big|far))\b",
    re.IGNORECASE,
)
_AND_NEW = re.compile(r"and\b", re.IGNORECASE)
_READS_BACK = frozenset(content_stems("right correct current still okay fine good so work suit agree sound"))
_CHOOSES = re.compile(
    r"\b(?:what about|how about|which|prefer|rather|like|suits?|works?|sounds?|think|say|best|better)\b", re.IGNORECASE
)
_ANOTHER = re.compile(r"\b(?:an?|another|any|some)\b", re.IGNORECASE)
_OFFERED_KINDS = frozenset({"date", "time", "month"})


def within(words: str, span: tuple[int, int]) -> list[SpokenSentence]:
    return [sentence for sentence in sentences(words) if sentence.start < span[1] and span[0] < sentence.end]


def _around(sentence: SpokenSentence, span: tuple[int, int]) -> tuple[str, str, str]:
    """The clauses of a sentence that a span touches: before it, in it and behind it."""
    start, end = max(0, span[0] - sentence.start), min(len(sentence.text), span[1] - sentence.start)
    touched = [(at, at + len(text)) for at, text in clauses(sentence.text) if at < end and start < at + len(text)]
    first, last = (touched[0][0], touched[-1][1]) if touched else (0, len(sentence.text))
    return sentence.text[min(first, start) : start], sentence.text[start:end], sentence.text[end : max(last, end)]


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
        before, own, after = _around(sentence, span)
        if _denied(before, own, after) or taken(before + own + after):
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


def _denied(before: str, value: str, after: str) -> bool:
    """Whether what stands beside a value in its clause denies it. A value that has its own "not" is told with it."""
    if denies(value):
        return False
    return denies(_without_exception(before)) or denies(_DENIES_NOTHING.sub(" ", after))


def _offer_problem(
    graph: Graph, question: Question, sentence: SpokenSentence, value: str, kinds: frozenset[str]
) -> Reason | None:
    """A value that the agent offers, or reads back with a question, counts when the caller's next words take it."""
    told = sentences(question.answer or "")
    asked = asks_by_mark(sentence.text) or is_choice(sentence.text)
    before, found, _ = sentence.text.partition(value)
    choices = bool(kinds & _OFFERED_KINDS) and _lets_choose(sentence.text, before + found or sentence.text, kinds)
    if found and not asked and not kinds & _OFFERED_KINDS and _IS_VALUE.search(plain_words(before)):
        return None  # "a zip is $35": so it is, whatever is asked next and answered
    reply = graph.question(question.id + 1)
    if reply is not None and is_foreign(sentence.text) and _refused_abroad(value, reply.text, graph, question):
        return "refused"
    open_to_refusal = asked or choices or "price" in kinds or offers(sentence.text)
    if reply is not None and open_to_refusal and _turned_down(sentence, value, reply.text):
        return "refused"
    unasked = "price" in kinds and offers(sentence.text) and not _PRICED.search(question.text)
    has_one = reply is not None and bool(_HAS_ONE.search(reply.text))
    if not asked and unasked and (has_one or _SIDE_OFFER.search(sentence.text)):
        return _unasked(sentence, value, reply)
    other = not (told and asks_by_mark(told[-1].text)) or _asks_for_other(
        told[-1].text, _clause_with(sentence, value), sentence.end < told[-1].start - 2
    )
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
    return not asks(reply) and any(
        refuses(text) and not _IF.match(plain_words(text)) and _mentions(text, told)
        for one in sentences(reply)
        for _, text in clauses(one.text)
    )


_IF = re.compile(r"(?:if|unless)\b", re.IGNORECASE)


def _unasked(sentence: SpokenSentence, value: str, reply: Question | None) -> Reason | None:
    """A price of what nobody asked about is an offer: it counts when the caller agrees or names what it is for."""
    if reply is None:
        return "refused"
    first = sentences(reply.text)[:1]
    glad = (
        first
        and len(first[0].text.split()) <= _FEW
        and _takes_up(first[0].text, value)
        and not _RESERVES.search(reply.text)
    )
    if glad or (first and agrees(first[0].text)):
        return None
    taking = " ".join(text for _, text in clauses(reply.text) if not (denies(text) or _HAS_ONE.search(text)))
    told = _clause_with(sentence, value)
    told = told if content_stems(told.replace(value, " ")) else sentence.text
    return None if _mentions(taking, told) else "refused"


def _lets_choose(sentence: str, upto: str, kinds: frozenset[str]) -> bool:
    """Whether a sentence offers what there is to choose from: by its words up to a value, or by a value of its kind on
    each side of "or".
    """
    before, found, after = sentence.partition(" or ")
    apart = found and all(kinds & {value.kind for value in values_in(part)} for part in (before, after))
    return bool(apart) or offers(_OR.sub(", ", upto))


_OR = re.compile(r",? or ", re.IGNORECASE)


def _clause_with(sentence: SpokenSentence, value: str) -> str:
    return next((text for _, text in clauses(sentence.text) if value in text), sentence.text)


def _asks_for_other(ending: str, told: str, between: bool) -> bool:
    """Whether the question at the end of an answer brings up something new ("would you like a session?"), with no
    word of what was told. `between`: another sentence stands between the two, and "it" points to that.
    """
    new = set(content_stems(ending)) - _READS_BACK
    if (between or _AND_NEW.match(ending)) and new and not new & set(content_stems(told)):
        return True
    if _OPENS_QUESTION.match(ending) and not _CHOOSES.search(ending):
        return True  # "Where do I leave them?": it wants neither a yes nor a no
    if _POINTS.search(ending):
        return False
    if _OPEN_QUESTION.search(ending) and not _CHOOSES.search(ending):
        return True
    stems = set(content_stems(ending))
    return bool(_ANOTHER.search(ending)) or bool(stems and not stems & set(content_stems(told)))


def _agreed(reply: str, value: str) -> Reason | Literal[""] | None:
    """ "" when the caller's next words take an offer, why not when they take it but for this value, else None."""
    first = sentences(reply)[:1]
    if first and (agrees(first[0].text) or _takes_up(first[0].text, value)):
        rest = reply[first[0].end :]
        return "refused" if denies(rest) and _mentions(rest, value) else ""
    parts = clauses(first[0].text) if first else ()
    if len(parts) > 1 and agrees(parts[0][1]) and not any(refuses(_NO_NOUN.sub(" ", text)) for _, text in parts[1:]):
        return "refused" if _mentions(" ".join(text for _, text in parts[1:] if denies(text)), value) else ""
    if len(parts) > 1 and find_verbatim(parts[0][1], value) is not None and agrees(parts[1][1]):
        return ""  # "Tuesday at 10:20, that's perfect."
    return None  # "yes, cut and colour, no perm" takes it all the same


def accepted(graph: Graph, question: Question, value: str) -> bool:
    """Whether the caller's next words take what the agent offered in a turn, with a value of it."""
    reply = graph.question(question.id + 1)
    return reply is not None and _agreed(reply.text, value) == "" and not _RESERVES.search(reply.text)


def _takes_up(sentence: str, value: str) -> bool:
    """Whether the caller takes an offer in other words than "yes": "super", or "Tuesday would be fine" of a Tuesday."""
    if refuses(sentence) or _RESERVES.search(sentence):
        return False
    if _GLAD.match(sentence):
        return True
    named = _SUITS.match(sentence)
    return named is not None and find_verbatim(value, named[1]) is not None


def _identifies(value: str, kinds: Collection[str]) -> bool:
    return bool(_KEEPS_ID & set(kinds)) or sum(char.isdigit() for char in value) >= _ID_DIGITS


def identifies(value: str) -> bool:
    """Whether a value is a number or a name of something, and neither a day, an amount nor a price."""
    return _identifies(value, {found.kind for found in values_in(value)})


def _mentions(text: str, value: str) -> bool:
    return bool(set(content_stems(text)) & set(content_stems(value)))
