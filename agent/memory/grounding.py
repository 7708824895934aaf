"""Whether a value still stood when it had been said: not taken back, not a piece of a longer one, not only a wish."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from agent.memory.confirmed import may_undo
from agent.memory.flows import Flows
from agent.memory.nodes import Graph, Question, Speaker
from agent.memory.sentences import (
    agrees,
    asks,
    bad_news,
    clauses,
    denies,
    goes_back_on,
    repairs,
    sentences,
    supposes,
    taken,
)
from agent.memory.values import values_in, without_repairs
from agent.memory.verbatim import every_verbatim, find_verbatim
from agent.memory.words import HOUR_WORDS, NUMBER_WORDS, words_of

_OTHER_WAY = re.compile(  # "Three in the morning, five in the evening. Sorry, the other way round: …"
    r"^[^?!]*?[.…]\s*(?:(?:no|wait|sorry|oops|er|um|uh|hang on|hold on)\b[\s,.…–-]*)+(?:it's |that's )?"
    r"(?:the other way (?:a)?round|vice versa|reversed?|i (?:mixed|got) )",
    re.IGNORECASE,
)
_CONTRADICTS = re.compile(  # an answer that has two things mixed up
    r"^\W{0,4}(?:(?:oh|ah|um|uh|er|no|nope|wait|sorry|eh|hey)\b[\s,.!–-]+){0,4}(?:(?:it's|that's) )?"
    r"(?:(?:the )?other way a?(?:round|bout)|vice versa"
    r"|you(?:'ve| have)? (?:got|mixed) (?:that|it|them|those) (?:mixed )?up)"
    r"\s*(?:[.!–-]|,(?! (?:you|but|though|yet|is|was|are|isn't)\b)|$)(?![^.!]*\?)",
    re.IGNORECASE,
)
_OPENS_NO = re.compile(
    r"^\s*(?:(?:oh|um|uh|er|wait|sorry)[\s,.]+)*(?:no|nope|that's wrong|wrong)\b\s*[,.:–-]", re.IGNORECASE
)
COUNTED = re.compile(rf"\b(?:\d+|{NUMBER_WORDS})\b", re.IGNORECASE)
HOURS = re.compile(rf"\b(?:{HOUR_WORDS}) (?:to|till|until) (?:{HOUR_WORDS})\b", re.IGNORECASE)
_FORMER = re.compile(r"\b(?:was|were|used to be|old|previous|former|formerly|before)\b", re.IGNORECASE)
_CLAUSE = re.compile("[,.;]")
_SPOKEN = frozenset(
    "zero oh o nought one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred double triple dash"
    " slash dot hyphen".split()
)
_COPULA = re.compile(r"\b(?:is|it's)\b", re.IGNORECASE)
_BESIDE = frozenset(
    "sorry no wait it it's is and then the a um uh er yes yeah starts with ends number so that's um hmm okay ok".split()
)
TOGETHER = re.compile(r"\b(?:both|all|everything|they|the (?:two|three|four|five|six))\b", re.IGNORECASE)
_NUMBERS = frozenset({"code", "phone", "email"})
_IDENTIFIER_DIGITS = 4  # fewer digits are a day, an hour or a count: nobody's name or number


_ONLY_REPAIRS = re.compile(
    r"^\W*(?:(?:or|oh|ah|ach|no|nope|wait|sorry|oops|hang on|hold on)\b\W+){1,4}(?:\w+\W*)?$", re.IGNORECASE
)


def contradicted(graph: Graph, question: Question, by: Speaker) -> bool:
    """Whether the caller's next words say that the answer of a turn has things mixed up ("Other way about!")."""
    reply = graph.question(question.id + 1) if by == "agent" else None
    return reply is not None and _CONTRADICTS.match(reply.text.replace("’", "'")) is not None


def taken_back(graph: Graph, question: Question, by: Speaker, words: str, span: tuple[int, int]) -> bool:
    """Whether a value was corrected in the same breath, or by the caller's next words."""
    value, after = words[span[0] : span[1]], words[span[1] :]
    if find_verbatim(without_repairs(words), value) is None or goes_back_on(after):
        return True
    kinds = {found.kind for found in values_in(value)}
    if contradicted(graph, question, by) and not _NUMBERS & kinds:  # a reference in it is as right as it was
        return True
    if _OTHER_WAY.match(after):
        return True
    following = sentences(after)[1:3] if after[:1] not in ".…" else sentences(after.lstrip(".… "))[:2]
    if following and repairs(following[0].text):
        only_repairs = len(following) > 1 and _ONLY_REPAIRS.match(following[0].text)  # "No, wait. Twelve."
        then = following[1 if only_repairs else 0].text
        counted = COUNTED.search(value) and COUNTED.search(then)  # "Eleven windows. No, twelve."
        if counted or kinds & {found.kind for found in values_in(after)}:
            return True
    reply = graph.question(question.id + 1) if by == "agent" else None
    if reply is None or not _OPENS_NO.match(reply.text) or asks(sentences(words)[-1].text):
        return False
    other = [found for found in values_in(reply.text) if found.kind in kinds]
    return bool(other) and find_verbatim(reply.text, value) is None


def is_piece(graph: Graph, question: Question, value: str) -> bool:
    """Whether the caller was dictating digits or letters over several turns: a part of a number is not the number."""
    if _PART_OF_NUMBER.search(question.text[: max(0, question.text.find(value))]):
        return True
    if sum(char.isdigit() for char in value) >= _IDENTIFIER_DIGITS:
        return False
    following = graph.question(question.id + 1)
    if (
        following is not None
        and question.text.rstrip(" .,!…").endswith(value)
        and dictates(value)
        and _GOES_ON.match(following.text)
        and dictates(_GOES_ON.sub("", following.text))
    ):
        return True  # "let me find it, twenty-two", and then "dash eight zero"
    beside = (graph.question(question.id - 1), graph.question(question.id + 1))
    return dictates(question.text) and any(other is not None and dictates(other.text) for other in beside)


def is_echo(graph: Graph, question: Question, by: Speaker, value: str) -> bool:
    """Whether the agent only says back digits and letters that the caller goes on dictating after."""
    following = graph.question(question.id + 1)
    said = (question.answer or "").rstrip(" .!?…")
    pieces = dictates(value) and not {found.kind for found in values_in(value)} & {"price", "time", "date"}
    if by != "agent" or following is None or not (dictates(_ASKED_BACK.sub("", said)) or pieces):
        return False
    return dictates(_GOES_ON.sub("", following.text))


_ASKED_BACK = re.compile(
    r"[,.]?\s*(?:yes|right|correct|and|and then|then|go on|go ahead|okay|ok|mm-?hm|uh-huh)$", re.IGNORECASE
)
_PART_OF_NUMBER = re.compile(r"\b(?:ends?|ending|starts?|starting|begins?|beginning) (?:in|with|on)\s+$", re.IGNORECASE)
_GOES_ON = re.compile(r"^(?:(?:and|then|dash|slash|so|uh|um|er)\b[\s,.]*)*", re.IGNORECASE)


def dictates(text: str) -> bool:
    """Whether an utterance is nothing but digits and letters that were spoken."""
    told = _COPULA.split(text)[-1]  # "my phone is oh seven nine"
    words = [word for word in words_of(told) if word not in _BESIDE]
    return bool(words) and all(word in _SPOKEN or word.isdigit() or len(word) == 1 for word in words)


def holds_for_caller(graph: Graph, question: Question, words: str, span: tuple[int, int]) -> bool:
    """Whether a value that the caller said is so: nobody's wish alone, no hearsay, and not answered with a no."""
    return not (
        _only_wished(graph, question, words, span)
        or _only_reported(graph, question, words, span)
        or _answered_no(question, words, span)
    )


def _only_wished(graph: Graph, question: Question, words: str, span: tuple[int, int]) -> bool:
    """Whether a day, an hour or a count is the caller's alone: the agent has never said it back as it is.

    What it "was" is over, and a name, a price or a number of four digits or more the caller knows best.
    """
    value = words[span[0] : span[1]]
    before = next(
        words[one.start : span[0]] for one in sentences(words) if one.start <= span[0] < max(one.end, span[1])
    )
    if _FORMER.search(_CLAUSE.split(before)[-1]):
        return True
    if not {found.kind for found in values_in(value)} & {"date", "time", "month"}:
        return False
    wanted = [found.text for found in values_in(value)] or [value]
    offer = graph.question(question.id - 1)
    if offer is not None and all(find_verbatim(offer.answer or "", part) is not None for part in wanted):
        taken_up = any(agrees(text) for one in sentences(words) for _, text in clauses(one.text))
        if taken_up:
            return False  # "Tuesday at 10:20, that's perfect."
    return not _stated(graph, max(0, question.id - 1), wanted)  # or said right before


_REPORTS = re.compile(  # "your website says 140", "I thought half price", "my sister told me"
    r"\b(?:(?:(?:my|our|your|the|a|some|his|her|their) (?:[\w-]+ )?[\w-]+|he|she|they|it"
    r"|you(?: guys| lot| people)?|somebody|someone|everybody|everyone) (?:(?:just|always|actually) )?"
    r"(?:says?|said|told (?:me|us)|tells|quoted(?: me| us)?|promised(?: me| us)?|claims?|reckons?)"
    r"|according to \w+(?: \w+)?|(?:i|we)(?: always| just)? (?:thought|heard)"
    r"|(?:i|we)(?:'ve| have) (?:read|heard|been told)"
    r"|(?:i|we) (?:was|were) (?:told|promised|quoted|under the impression)|apparently|supposedly|allegedly)\b",
    re.IGNORECASE,
)
_HEARSAY = frozenset({"price", "date", "time", "month", "count"})
"""Kinds of values that somebody else may have got wrong: a name or a number is read off, and then told."""


def _only_reported(graph: Graph, question: Question, words: str, span: tuple[int, int]) -> bool:
    """Whether the caller has a value from somebody else, or only thinks so, and the agent never says it as it is."""
    value = words[span[0] : span[1]]
    found = values_in(value)
    if not _HEARSAY & {one.kind for one in found} or sum(char.isdigit() for char in value) > _IDENTIFIER_DIGITS:
        return False
    before = _CLAUSE.split(words[: span[0]])[-1] + value
    if not _REPORTS.search(before.replace("’", "'")):
        return False
    return not _stated(graph, question.id, [one.text for one in found])


def _stated(graph: Graph, first: int, wanted: Sequence[str]) -> bool:
    """Whether the agent states all of some values as they are, from a turn on."""
    answers = (graph.question(turn) for turn in range(first, graph.turns))
    stated = [
        one.text
        for answered in answers
        if answered is not None
        for one in sentences(answered.answer or "")
        if _states(one.text)
    ]
    return all(any(_said_of(text, part) for text in stated) for part in wanted)


_SAYS_NO = re.compile(
    r"^\W{0,4}(?:(?:oh|mm+|hm+|ah|um|uh|er|well|sorry|i'm sorry|but|eh|ach)\b[\s,.…–-]+){0,4}"
    r"(?:(?:no|nope|nah)\s*(?:[.–-]|,(?! (?:thank|that's (?:fine|all right|okay|ok|right|true|good)|of course|sure"
    r"|you're right|don't worry|no problem|exactly|absolutely)))"
    r"|not (?:quite|exactly|all of it|any ?more)\b"
    r"|(?:i'm afraid|regrettably|unfortunately|sadly) not\b"
    r"|(?:it|that|this|you|they|we) (?:isn't|aren't|doesn't|don't|didn't|wasn't|weren't)"
    r"(?: (?:do|cover|take|allow|have) (?:that|it|this|so)\b|\s*(?:[.,]|$)))",
    re.IGNORECASE,
)
_COURTESY = re.compile(
    r"^\W*(?:thanks?|thank you|please|okay|ok|cheers|right|all right|there)\b\W*(?:\w+\W*)?$", re.IGNORECASE
)


def _answered_no(question: Question, words: str, span: tuple[int, int]) -> bool:
    """Whether the agent's answer says no to the statement of the caller's that a value stands in ("7791." "No, 7719.").

    That is the last sentence of what the caller says: a question behind it is what is answered, and a no to a sentence
    that denies something says the same.
    """
    told = [one for one in sentences(words) if not _COURTESY.match(one.text)]
    last = told[-1] if told else sentences(words)[-1]
    if span[1] <= last.start or asks(last.text) or denies(last.text):
        return False
    return _SAYS_NO.match((question.answer or "").replace("’", "'")) is not None


@lru_cache(maxsize=4_000)
def _states(text: str) -> bool:
    return not (denies(text) or taken(text) or bad_news(text) or supposes(text) or asks(text))


def _said_of(text: str, part: str) -> bool:
    """Whether a value stands in a text as what holds, and not as what something is taken off ("off the 11th")."""
    return any(not _LEFT_BEHIND.search(text[:start]) for start, _ in every_verbatim(text, part))


_LEFT_BEHIND = re.compile(r"\b(?:off|instead of|rather than|out of|not) (?:the |on |at |for )*$", re.IGNORECASE)


def broken_up_at(graph: Graph, flows: Flows, turn: int, value: str) -> int:
    """The turn at which something was changed after a statement about several things ("both are booked"), else -1."""
    if not TOGETHER.search(value):
        return -1
    for number in range(turn + 1, graph.turns):
        question = graph.question(number)
        told = sentences(question.answer or "") if question is not None else ()
        if any(may_undo(one, flows.acts) for one in told):
            return number
    return -1
