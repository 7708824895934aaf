"""What puts a thing in doubt: a request to change it, a denial, another value, as long as no act has settled it.

A thing in doubt is not told as it stood: the notes say that it may have changed, and at which turn.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from agent.memory.acts import NEAR_TURNS, POINTS, Deed, verbs_of
from agent.memory.confirmed import may_undo
from agent.memory.features import EMPTY, FILLERS, stems_in, values_said
from agent.memory.flows import Flows
from agent.memory.grounding import TOGETHER
from agent.memory.index import Index
from agent.memory.nodes import STATUS, Graph
from agent.memory.references import asks_for_another
from agent.memory.sentences import (
    SpokenSentence,
    asks,
    bad_news,
    clauses,
    denies,
    depends,
    plain_words,
    promises,
    sentences,
    supposes,
)
from agent.memory.values import values_in
from agent.memory.words import words_of

_CHANGE = re.compile(  # "my move", "the return", "any change" are things
    r"(?<!\bthe )(?<!\bmy )(?<!\bour )(?<!\byour )(?<!\ba )(?<!\bany )(?<!\bdo we )(?<!\bdo i )\b"
    r"(?:cancel|cancell?ing|call(?:ing)? (?:it|that|this|them) off|change|move|reschedule|postpone|instead|stop|undo"
    r"|take (?:it|that|them) (?:back|off)|no longer|not any ?more"
    r"|(?:don't|doesn't) (?:need|want) (?:it|that|them|this|these|those|the|my|to|any ?more)"
    r"|(?:can't|cannot|won't) (?:make|do|come|be)|forget (?:it|about|the|my)|put (?:it|that|them) back|switch|swap"
    r"|leave (?:[a-z]+ ){0,3}out"
    r"|drop (?:it|that|the|my)|remove|return (?:it|them|that|this|one|some|the|my)|to return"
    r"|refund (?:it|me|us|them|that|this)|(?:want|get|like|need|have) (?:a|my|the|that) (?:refund|money back)"
    r"|make (?:it|that|them)|after all|rather (?:have|not|on|at)"
    r"|found (?:it|my|the|them)|(?:un|re)?block|give (?:it|them) back)\b",
    re.IGNORECASE,
)
_NO_CHANGE = re.compile(
    r"\b(?:stays?|remains?|unchanged|as (?:it|they) (?:is|are|was|were)|left? (?:it|them) (?:be|alone|as)|stands"
    r"|nothing(?:'s| has| is)? chang(?:e[sd]?|ing)|(?:hasn't|haven't|has not|not) changed|same as before"
    r"|still stand|keep(?:ing)? it)\b",
    re.IGNORECASE,
)
_ONLY_ASKS = re.compile(  # "When do I have to return it, and what does it cost?"
    r"^\W*(?:(?:so|and|okay|ok|right|then|remind me|tell me|well)[\s,:]+)*"
    r"(?:when|where|who|whom|which|what(?! (?:if|about))|how (?:much|many|long|late|early|far))\b"
    r"(?!.*\b(?:please|instead|rather|can|could|want|like|let's)\b).*\?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_PARTING = re.compile(r"\b(?:see you|(?:un)?till then|speak (?:to you )?(?:on|soon)|goodbye|bye)\b", re.IGNORECASE)
_SOFT_KINDS = frozenset({"date", "time", "count", "address"})
_ONE_MORE = re.compile(r"^(?:\w+[,.!] )*(?:and|also|then|next)\b", re.IGNORECASE)
_HOURS = frozenset("one two three four five six seven eight nine ten eleven twelve noon midnight".split())
_BRIEF = 6  # words of an utterance that may be nothing but another number


def doubted_by_caller(graph: Graph, index: Index, text: str) -> tuple[int, ...]:
    """The live things that the caller may be about to change.

    Those that share a word or value with the request; when the request names nothing ("cancel it", "make it seven"),
    all of them; when what it names was never said of any thing, those that were told of in the last turns.
    """
    live = [state for state in graph.states if state.live]
    words = text.replace("’", "'")
    if not live or not _CHANGE.search(words) or _ONLY_ASKS.match(words):
        return ()
    said = values_said(text)
    rest = _CHANGE.sub(" ", words)
    for value in said:
        rest = rest.casefold().replace(value, " ")
    named = stems_in(rest) - EMPTY - FILLERS
    described = index.described(text)
    alike = [
        state.id
        for state in live
        if named & stems_in(state.told)
        or said & values_said(state.told)
        or (named and described.get(state.id, 0.0) > 0.0)
    ]
    if alike:
        return tuple(alike)
    if named:
        return tuple(state.id for state in live if graph.turns - state.touched <= NEAR_TURNS)
    return tuple(state.id for state in live)


def doubted_by_agent(graph: Graph, answer: str, deeds: Iterable[Deed]) -> tuple[int, ...]:
    """The live things that an answer denies or regrets something of, without an act that would say what."""
    deeds = tuple(deeds)
    done = {deed.state for deed in deeds}
    found: Counter[int] = Counter()
    if any(deed.kind != "confirmed" for deed in deeds):  # one of "both" is changed
        together = (state for state in graph.states if state.live and TOGETHER.search(state.value(STATUS) or ""))
        found.update(state.id for state in together if state.id not in done)
    for sentence in sentences(answer):
        if asks(sentence.text) or not (denies(sentence.text) or bad_news(sentence.text)):
            continue
        stems = stems_in(sentence.text) - EMPTY
        values = values_said(sentence.text)
        for state in graph.states:
            told = state.told
            if state.live and state.id not in done and (values & values_said(told) or len(stems & stems_in(told)) > 1):
                found[state.id] += 1
    return tuple(found)


def doubted_by_undoing(graph: Graph, flows: Flows, answer: str, deeds: Iterable[Deed]) -> tuple[int, ...]:
    """The live things that an answer may say were changed or ended, in a form that is not read as an act.

    What is not understood asserts nothing, and it must not leave standing what it may have undone either.
    """
    deeds = tuple(deeds)
    done, known = {deed.state for deed in deeds}, " ".join(deed.text for deed in deeds)
    verbs = verbs_of(flows)
    found: set[int] = set()
    for sentence in sentences(answer):
        text = sentence.text
        if text in known or not may_undo(sentence, flows.acts) or depends(text) or promises(text):
            continue
        live = [state for state in graph.states if state.live and state.id not in done]
        stems, values = stems_in(text) - EMPTY - FILLERS - verbs, values_said(text)
        alike = [state.id for state in live if stems & stems_in(state.told) or values & values_said(state.told)]
        if alike or not stems or POINTS.search(text):
            found.update(alike or (state.id for state in live if graph.turns - state.touched <= NEAR_TURNS))
    return tuple(sorted(found))


def undone_at(graph: Graph, flows: Flows, turn: int, told: str) -> int | None:
    """The turn after `turn` in which the agent may have changed or ended what `told` tells, or None.

    The small model's facts come later than the words they stand in: this looks at what was said in between.
    """
    verbs = verbs_of(flows)
    stems, values = stems_in(told) - EMPTY - FILLERS - verbs, values_said(told)
    for number in range(turn + 1, graph.turns):
        question = graph.question(number)
        for sentence in sentences(question.answer or "") if question is not None else ():
            undoing = _undoing_in(sentence.text, flows)
            if any(stems & stems_in(part) or values & values_said(part) for part in undoing):
                return number
    return None


_LEFT_OUT = re.compile(  # "Okay, no naan."
    r"^\W{0,4}(?:(?:okay|ok|right|sure|fine|no|yes|and|then|so|well|oh|alright|as you like)\b[\s,.]+){0,4}"
    r"(?:no|without)\s+(?!(?:later|earlier|more|less|longer|sooner|fewer|\d))((?:\w+ ){0,2}\w+?)"
    r"(?: then| for you| either)?[.!…\s]*$",
    re.IGNORECASE,
)


def back_at(graph: Graph, turn: int, told: str) -> int | None:
    """The turn after `turn` in which the agent tells of what `told` left out ("no naan"), or None."""
    found = _LEFT_OUT.match(told)
    stems = stems_in(found[1]) - EMPTY - FILLERS if found is not None else frozenset[str]()
    if not stems:
        return None
    for number in range(turn + 1, graph.turns):
        question = graph.question(number)
        for sentence in sentences(question.answer or "") if question is not None else ():
            if stems <= stems_in(sentence.text) and not (denies(sentence.text) or asks(sentence.text)):
                return number
    return None


@lru_cache(maxsize=4_000)
def _undoing_in(text: str, flows: Flows) -> tuple[str, ...]:
    """The clauses of a sentence of the agent that may say that something was changed or ended."""
    parts = [SpokenSentence(part, at, ended=True) for at, part in clauses(plain_words(text))]
    undoing = tuple(part.text for part in parts if may_undo(part, flows.acts) and not promises(part.text))
    return undoing if undoing and not depends(text) else ()


def doubted_by_values(graph: Graph, text: str, told: str = "") -> tuple[int, ...]:
    """Nameless things told of a moment ago of which a text gives another day, time or number.

    Nobody may say "change" where a change is meant ("Thursday would suit me better"). `told` are words that belong to
    acts, and ask for nothing.
    """
    if asks_for_another(text) or _ONE_MORE.match(text):
        return ()
    near = [
        state
        for state in graph.states
        if state.live and not state.name and state.transitions and graph.turns - state.touched <= NEAR_TURNS
    ]
    if not near:
        return ()
    said = _formed(text, told)
    if said:
        known = " ".join(state.told for state in graph.states).casefold()
        said = {
            kind: new
            for kind, values in said.items()
            if (new := {value for value in values if value.removesuffix("o'clock").rstrip() not in known})
        }
    rest = text
    for value in values_in(text):
        rest = rest.replace(value.text, " ")
    bare = (
        {word for word in words_of(rest) if word.isdigit() or word in _HOURS} if len(text.split()) <= _BRIEF else set()
    )
    if not said and not bare:
        return ()
    found: list[int] = []
    for state in near:
        held = _formed(state.told, "")
        other = any(values and held.get(kind) and not values & held[kind] for kind, values in said.items())
        if other or (bare and not said and held and not bare & set(words_of(state.told))):
            found.append(state.id)
    return tuple(found)


def _formed(text: str, told: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for value in values_in(text):
        if value.kind in _SOFT_KINDS and value.text not in told:
            found.setdefault(value.kind, set()).add(value.text.casefold())
    return found


def without_what_stays(answer: str) -> str:
    """What an answer says beside farewells ("see you Wednesday") and what is as it was ("the 9th stands")."""
    told = (one.text for one in sentences(answer))
    kept = (text for text in told if asks(text) or not (_PARTING.search(text) or _NO_CHANGE.search(text)))
    return " ".join(kept)


def leaves_all(answer: str) -> bool:
    """Whether the agent says that nothing changes ("it stays as it is")."""
    return any(
        _NO_CHANGE.search(sentence.text) and not asks(sentence.text) and not supposes(sentence.text)
        for sentence in sentences(answer)
    )


def refers_to(graph: Graph, index: Index, text: str) -> tuple[int, ...]:
    """The things that share a value, or two words, with what the caller says."""
    stems = stems_in(text) - EMPTY
    values = values_said(text)
    found: list[int] = []
    for number in sorted(index.described(text)):  # the others share no word at all
        state = graph.states[number]
        if state.merged is None:
            told = state.told
            if values & values_said(told) or len(stems & stems_in(told)) > 1:
                found.append(state.id)
    return tuple(found)
