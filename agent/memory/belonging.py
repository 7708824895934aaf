"""Whether a value was said about one thing and not about another: the nearest words that tell things apart decide."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from agent.memory.about import About, backwards
from agent.memory.competing import has_another_value, is_of_itself, is_of_what_follows, points_at
from agent.memory.confirmed import may_undo
from agent.memory.corrected import without_exception
from agent.memory.flows import Flows
from agent.memory.mentions import DETERMINERS, head_of, is_foreign, named_in, parts_of
from agent.memory.naming import (
    GENERIC,
    SELF_NAMED,
    beside,
    forms_said,
    in_passing,
    named_by_now,
    named_first,
    numbers_another,
    people_since,
    said_for_you,
    somebody_else,
    stems,
    utterance_of,
    within_longer,
)
from agent.memory.nodes import STATUS, Graph, Question, Speaker, State
from agent.memory.sentences import clauses, sentences
from agent.memory.ties import is_paid_sum, is_person, is_plural, tied
from agent.memory.words import content_stems, words_of

_TOTAL = re.compile(
    r"\b(?:that (?:makes|comes to|leaves)|in total|in all|altogether|all together|the (?:new )?total)\b", re.IGNORECASE
)
_TOGETHER = re.compile(
    r"\b(?:all(?: of (?:it|them))?|both|everything|each|together|the (?:two|three|four|five|six|lot|whole (?:lot"
    r"|order|bill)))\b",
    re.IGNORECASE,
)
_SELF_SAID: Mapping[Speaker, re.Pattern[str]] = {
    "agent": re.compile(r"\b(?:you|yours)\b", re.IGNORECASE),
    "caller": re.compile(r"\b(?:mine|myself)\b", re.IGNORECASE),
}
_SHIFTS = re.compile(
    r"^(?:\w+[,.!]? )?(?:and|also|what about|how about)\b[^?]*?\b((?:the|my|our|your|another|a|an) \w+)[^?]*[?]",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(
    r"\b(?:it|its|it's|that|this|them|they|these|those|he|him|his|she|her|hers|there|same)\b", re.IGNORECASE
)
_PLACING = frozenset({"to", "at", "in", "on", "from", "with", "near", "beside", "of"})
_WHOLES = frozenset(content_stems("order bill invoice booking basket cart purchase receipt total account"))


def belongs(about: About) -> bool:
    """Whether words are about a thing.

    Their clause is asked first: a name at its head that is not the thing's rules it out. Then the ones before it, back
    to six utterances: the first that names some thing decides, and one that is about something that nobody has noted
    ends the search.
    """
    for rule in (_of_another, _by_place, _by_name, _by_person, _of_all):
        verdict = rule(about)
        if verdict is not None:
            return verdict
    called, others_called = about.called
    if about.held[1] and not called:
        return _named_alone(about, others_called)
    return _named_last(about)


def _of_another(about: About) -> bool | None:
    """False where the utterance ties the words to something else."""
    graph, words, span, thing = about.graph, about.words, about.span, about.thing
    for state in graph.states:
        if _nameless_act(state) and not _begun_with(graph, state, thing) and _holds(state, about):
            return False
    if not tied(words, span, thing, about.held[0], about.attribute, about.flows, about.bridges):
        return False
    if about.named_whole and named_in(thing, without_exception(about.clause)) != "whole":
        return False  # "without the piano the list is 32 cubic metres"
    if within_longer(thing, about.clause, about.every_name):
        return False
    if about.is_status:
        return None
    if has_another_value(words, span, thing) or is_of_what_follows(words, span, thing):
        return False
    if is_of_itself(words, span, thing, about.attribute) or _just_ended(words, span, thing, about.flows):
        return False
    return None


def _by_place(about: About) -> bool | None:
    """What a name right beside a value tells, and whether the thing had been named at all."""
    if not about.is_status and (
        beside(about.words, about.span, about.thing) or points_at(about.words, about.span, about.thing)
    ):
        return True
    numbered = not about.is_status and numbers_another(
        about.graph, about.words, about.span, about.thing, about.every_name
    )
    if numbered or not named_by_now(about.graph, about.question, about.by, about.span[1], about.thing):
        return False
    return True if about.is_status and is_paid_sum(about.thing, about.clause) else None


def _by_name(about: About) -> bool | None:
    """What the names in the clause itself tell."""
    thing, clause = about.thing, about.clause
    if about.named_whole:
        alone = not words_of(thing)[1:] and is_foreign(clause)
        return True if alone or named_first(clause, thing, about.every_name) else None
    others = (name for name in about.every_name if name.casefold() != thing.casefold())
    return False if is_foreign(about.words) and any(named_in(name, clause) == "whole" for name in others) else None


def _by_person(about: About) -> bool | None:
    """What "yours", "he" or "she" at the head of the clause tells."""
    graph, question, thing = about.graph, about.question, about.thing
    if not about.named_whole and not is_person(thing) and somebody_else(graph, question, about.by, about.clause):
        return False
    pronoun = head_of(about.clause).pronoun
    if about.by == "agent" and pronoun == "yours" and said_for_you(graph, question, thing):
        return True
    if pronoun in ("he", "she") and is_person(thing):
        people = [name for name in about.every_name if is_person(name)]
        return people == [thing] and not people_since(graph, question, thing)
    return None


def _of_all(about: About) -> bool | None:
    """What "that makes" and "both" tell: of the whole, whatever was named last."""
    several = len(about.every_name) > 1 or sum(state.merged is None for state in about.graph.states) > 1
    if not about.named_whole and several and _TOTAL.search(about.clause):
        return _is_whole(about.thing, about.every_name)
    sentence = _sentence(about.question, about.by, about.span)
    if _TOGETHER.search(about.clause) and about.called[0] & forms_said(sentence):
        return True  # "pitch 9 for you and pitch 10 for Nils, both from Monday"
    return None


def _named_last(about: About) -> bool:
    """Whether the nearest clause that names some thing, from the words' own backwards, names this one."""
    thing, every_name = about.thing, about.every_name
    own_words = frozenset[str]() if about.is_status else forms_said(about.words[about.span[0] : about.span[1]])
    turned, last = 0, about.by
    for place, (side, text) in enumerate(backwards(about.graph, about.question, about.by, about.span)):
        turned, last = turned + (side != last), side
        if turned > 1 and is_foreign(about.words):
            return False  # heads of clauses are English: in other words a thing is named here or just before
        told = named_in(thing, text)
        if told == "other" and place:
            return False
        if told == "whole" and place and named_first(text, thing, every_name):
            return side == "caller" or not in_passing(text, thing)
        verdict = _told_apart(about, text, frozenset() if place else own_words)
        if verdict is not None:
            return verdict
        if told:
            return True
        if side == "caller" and _shifts(text):
            return False
        verdict = _of_self_or_all(about, side, text)
        if verdict is not None:
            return verdict
        if place and about.leads_off(side, text, here=not turned):
            return False
    return len(every_name) == 1 and not about.held[1]


def _told_apart(about: About, text: str, own_words: frozenset[str]) -> bool | None:
    """Whether a clause holds more words of this thing than of any other; None when it holds none of either.

    Names tell more than the values held so far, for which words of the value itself (`own_words`) do not count.
    """
    said = forms_said(text)
    for mine, theirs in (about.called, about.held):
        told = said - own_words if theirs is about.held[1] else said
        hits, other_hits = len(told & mine), max((len(told & words) for words in theirs), default=0)
        if hits or other_hits:
            return hits > 0 and hits >= other_hits and not _aside(text, mine, theirs)
    return None


def _of_self_or_all(about: About, side: Speaker, text: str) -> bool | None:
    """What "you" or "both" in a clause tells when it names no thing."""
    if _SELF_SAID[side].search(text):
        to_self = [name for name in about.every_name if SELF_NAMED.search(name)]
        if to_self:
            return to_self == [about.thing]
    if _TOGETHER.search(text) and len(about.every_name) > 1:
        return _is_whole(about.thing, about.every_name)
    return None


_OFF = re.compile(r"\b(?:off|from|on|for) (?:(?:the|your|his|her|their) )?[A-Z]")


def _just_ended(words: str, span: tuple[int, int], thing: str, flows: Flows) -> bool:
    """Whether "it" after "the cake is cancelled, then it's $440" is what is left, and not the thing that was ended."""
    for sentence in () if is_plural(thing) else sentences(words):
        if may_undo(sentence, flows.acts) != "ended" or sentence.start > span[0]:
            continue
        first = clauses(sentence.text)[0][1]
        if named_in(thing, first) and not _OFF.search(first) and sentence.start + len(first) <= span[0]:
            clause = next((t for at, t in parts_of(words) if at <= span[0] < at + len(t)), "")
            return head_of(clause).pronoun in ("it", "that") and not named_in(thing, clause)
    return False


def _shifts(text: str) -> bool:
    """Whether the caller goes on to something else than what was named before ("And is the date in your calendar?")."""
    found = _SHIFTS.search(text)
    if found is None or _POINTS_BACK.search(text) or not stems(text) - GENERIC:
        return False
    return head_of(text[found.start(1) :]).kind == "named"


def _sentence(question: Question, by: Speaker, span: tuple[int, int]) -> str:
    return " ".join(
        one.text for one in sentences(utterance_of(question, by)) if one.start < span[1] and span[0] < one.end
    )


def _aside(text: str, mine: frozenset[str], theirs: Sequence[frozenset[str]]) -> bool:
    """Whether another thing is what a clause is about, and this one only its place ("wood is brought to pitch 30")."""
    words = words_of(text)
    places = [place for place, word in enumerate(words) if forms_said(word) & mine]
    other = [place for place, word in enumerate(words) if any(forms_said(word) & held for held in theirs)]
    if not places or not other or other[0] > places[0]:
        return False
    before = places[0] - 2 if words[places[0] - 1] in DETERMINERS else places[0] - 1
    return words[max(0, before)] in _PLACING


def _is_whole(thing: str, names: Sequence[str]) -> bool:
    """Whether a name stands for several things at once, and no other name of the call does.

    "cakes" beside "plum cake"; "the twins"; the order or bill itself.
    """
    wholes = [name for name in names if set(content_stems(name)) & _WHOLES] or list(filter(is_plural, names))
    return [name.casefold() for name in wholes] == [thing.casefold()]


def _named_alone(about: About, others: Sequence[frozenset[str]]) -> bool:
    """Whether a thing whose every word is in another's name too ("room" beside "room 5") is the one named last."""
    thing = about.thing
    key = stems(thing) - GENERIC
    for side, text in backwards(about.graph, about.question, about.by, about.span):
        said = forms_said(text)
        if any(said & words for words in others) or named_in(thing, text) == "other":
            return False
        if SELF_NAMED.search(thing) and _SELF_SAID[side].search(text):
            return True
        if said & key:
            return not SELF_NAMED.search(thing)
        if _TOGETHER.search(text):
            return _is_whole(thing, about.every_name)
    return False


def _nameless_act(state: State) -> bool:
    return not state.name and state.merged is None and state.slot(STATUS) is not None


def _holds(state: State, about: About) -> bool:
    """Whether the words stand in the act that a nameless thing is told by."""
    told = state.slot(STATUS)
    if about.by != "agent" or told is None or told.turn != about.question.id or told.value not in about.words:
        return False
    start = about.words.index(told.value)
    return start <= about.span[0] and about.span[1] <= start + len(told.value)


def _begun_with(graph: Graph, state: State, thing: str) -> bool:
    """Whether a name's rarest word was said in the turns that led to an act, back to the act before it."""
    told = state.slot(STATUS)
    key = stems(thing) - GENERIC
    if told is None or not key:
        return True
    before = (slot.turn for other in graph.states if other is not state for slot in other.slots if slot.name == STATUS)
    first = max((turn for turn in before if turn < told.turn), default=-1) + 1
    said = [stems(f"{question.text} {question.answer or ''}") for question in graph.questions]
    rarest = min(sorted(key), key=lambda word: sum(word in words for words in said) or len(said) + 1)
    led = (graph.question(turn) for turn in range(first, told.turn + 1))
    return any(q is not None and rarest in stems(f"{q.text} {q.answer or ''}") for q in led)
