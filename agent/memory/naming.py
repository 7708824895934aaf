"""Where a thing is named in a call: by now, first in its clause, in passing, beside a number, as what a part is of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from agent.memory.heads import FINITE
from agent.memory.mentions import ATTRIBUTES, Head, behind, head_of, named_in, parts_of, root, rooted, vocabulary
from agent.memory.nodes import Graph, Question, Speaker
from agent.memory.sentences import sentences
from agent.memory.words import STOP_WORDS, content_stems, words_of
from agent.memory.words import stem as stem_of

_CODE = re.compile(r"\b[A-Za-z]{1,5}-?\d[\w-]*|\b\d+-\d[\w-]*")
SELF_NAMED = re.compile(r"^(?:your|my|own|the caller's|mine|yours)\b", re.IGNORECASE)


def bridges_to(graph: Graph, question: Question, thing: str, head: Head) -> bool:
    """Whether a name that the agent brings up may be a part of the thing ("the deposit"): not one the caller has said,
    unless right behind the thing ("my brakes checked"), and not beside the thing's own name, which would part the two.
    """
    past = [one for one in graph.questions if one.id <= question.id]
    if any(head.words <= behind(thing, text) for one in past for text in (one.text, one.answer or "")):
        return True
    if named_in(thing, question.answer or "") or not head.definite:
        return False
    heads = [head_of(text) for _, text in parts_of(question.answer or "")]
    if any(other.strong and other.words - head.words and head.words - other.words for other in heads):
        return False  # "the one store has three, the other none": none of them is the thing
    return not any(head.words & stems(one.text) for one in past)


def numbers_another(graph: Graph, words: str, span: tuple[int, int], thing: str, names: Sequence[str]) -> bool:
    """Whether a number stands right behind the name of another thing ("locker 117C")."""
    before = words_of(words[: span[0]])[-1:]
    value = words[span[0] : span[1]]
    if (
        not before
        or before[0] in STOP_WORDS
        or not any(map(str.isdigit, value))
        or root(stem_of(before[0])) in vocabulary(thing)
    ):
        return False
    if any(root(stem_of(before[0])) in vocabulary(name) for name in names):
        return True
    owned = re.compile(rf"\b(?:my|our|the|an?|your) {re.escape(before[0])}\b", re.IGNORECASE)
    return stem_of(before[0]) not in ATTRIBUTES and any(owned.search(one.text) for one in graph.questions)


def named_by_now(graph: Graph, question: Question, by: Speaker, upto: int, thing: str) -> bool:
    """Whether anybody had named a thing when the value was said: what comes up later was not meant."""
    if SELF_NAMED.search(thing) or not stems(thing):
        return True
    said = (f"{one.text} {one.answer or ''}" for one in graph.questions if one.id < question.id)
    told = question.answer or ""
    if by == "agent":
        begun = [one for one in sentences(told) if one.start < upto]
        after = next((one for one in sentences(told) if one.start >= upto), None)
        if begun and after is not None and not FINITE.search(begun[-1].text):
            begun.append(after)  # "40 Fern Street. The pickup is set …": an answer without a verb
        told = told[: max((one.end for one in begun), default=None)]
    here = f"{question.text} {told}"  # the agent may say back what the caller has not named yet
    return any(stems(thing) & stems(text) for text in (*said, here))


_OBLIQUE = frozenset({"with", "by", "near", "beside", "from", "at"})


def in_passing(clause: str, thing: str) -> bool:
    """Whether a clause names a thing only in passing ("you're booked with Fiona")."""
    words = words_of(clause)
    places = [place for place, word in enumerate(words) if rooted(word) in vocabulary(thing)]
    before = words[places[0] - 1] if places and places[0] else ""
    return before in _OBLIQUE or (before in ("the", "a", "our", "your") and words[max(0, places[0] - 2)] in _OBLIQUE)


def behind_of(clause: str, thing: str) -> bool:
    """Whether a clause is about something of a thing ("the key of the locker is blocked")."""
    words = words_of(clause)
    place = next((at for at, word in enumerate(words) if rooted(word) in vocabulary(thing)), 0)
    return "of" in words[max(0, place - 2) : place]


def named_first(clause: str, thing: str, names: Sequence[str]) -> bool:
    """Whether a clause names the thing before it names any other ("the key of locker 117C")."""
    words = [rooted(word) for word in words_of(clause)]
    mine = next((place for place, word in enumerate(words) if word in vocabulary(thing)), len(words))
    others = frozenset[str]().union(*(vocabulary(name) for name in names if name.casefold() != thing.casefold()))
    return not any(word in others - vocabulary(thing) for word in words[:mine]) and mine < len(words)


def utterance_of(question: Question, by: Speaker) -> str:
    return question.text if by == "caller" else question.answer or ""


@lru_cache(maxsize=2_000)
def stems(text: str) -> frozenset[str]:
    whole = _CODE.sub(lambda found: found.group().replace("-", ""), text)  # "LF-300" and "LF-301" share nothing
    return frozenset(root(stem) for stem in content_stems(whole) if len(stem) > 1 or stem.isdigit())


@lru_cache(maxsize=2_000)
def forms_said(text: str) -> frozenset[str]:
    """The stems of a text, and again those of words that are no participles."""
    return stems(text) | {f"={root(stem_of(word))}" for word in words_of(text) if not word.endswith("ed")}


GENERIC = stems(
    "appointment booking reservation order number reference code done yours mine please time day date"
    " free shall book send move add cost costs price pay owe fee charge new old first second one ones am pm"
    " month week year hour minute night person"
)


def said_for_you(graph: Graph, question: Question, thing: str) -> bool:
    """Whether the agent has said that a thing is the caller's: "pitch 9 for you"."""
    yours = re.compile(rf"\b{re.escape(thing)} (?:is )?(?:for you|yours)\b", re.IGNORECASE)
    return any(yours.search(one.answer or "") for one in graph.questions if one.id <= question.id)


def people_since(graph: Graph, question: Question, thing: str) -> bool:
    """Whether somebody else with a title ("Mr Roth") came up after a person was named."""
    for one in reversed([held for held in graph.questions if held.id <= question.id]):
        told = f"{one.text} {one.answer or ''}"
        if named_in(thing, told):
            return False
        if _TITLED.search(told):
            return True
    return False


def within_longer(thing: str, clause: str, names: Sequence[str]) -> bool:
    """Whether a clause names another thing whose longer name holds this one's ("replacement debit card")."""
    own = vocabulary(thing)
    longer = [name for name in names if vocabulary(name) > own and named_in(name, clause) == "whole"]
    return bool(longer) and len(re.findall(rf"\b{re.escape(thing)}\b", clause, re.IGNORECASE)) < 1 + len(longer)


def beside(words: str, span: tuple[int, int], thing: str) -> bool:
    """Whether a value is tied to a name without a word between them: "$12.50 in late fees", "a fee of $3"."""
    name = re.escape(thing)
    after = re.compile(rf"\s+(?:in|of|for) (?:(?:the|your|my|our|his|her|a|an) )?{name}\b", re.IGNORECASE)
    before = re.compile(rf"\b{name} of\s+$", re.IGNORECASE)
    return after.match(words, span[1]) is not None or before.search(words[: span[0]]) is not None


def somebody_else(graph: Graph, question: Question, by: Speaker, clause: str) -> bool:
    """Whether "she" may be somebody with a title whom the other side has just named ("Could Dr. Solberg come?")."""
    pronoun = head_of(clause).pronoun
    if pronoun not in ("he", "she"):
        return False
    before = graph.question(question.id - 1)
    heard = question.text if by == "agent" else (before.answer or "" if before is not None else "")
    return any(title in _SAID_AS[pronoun] for title in _TITLED.findall(heard))


_SAID_AS = {"he": ("Mr", "Dr"), "she": ("Mrs", "Ms", "Miss", "Dr")}
_TITLED = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Miss)\b")
