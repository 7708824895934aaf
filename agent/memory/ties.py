"""Whether a clause ties its words to a thing or to something else: by its head, its person, or what was done to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache

from agent.memory.flows import Flows
from agent.memory.mentions import (
    ASKING,
    ATTRIBUTES,
    DETERMINERS,
    ENDS,
    OF,
    OWNED,
    PREPOSITIONS,
    PRONOUNS,
    Head,
    head_of,
    is_foreign,
    named_in,
    parts_of,
    phrase_at,
    root,
    rooted,
    roots,
    tokens_in,
    vocabulary,
)
from agent.memory.nodes import STATUS
from agent.memory.sentences import plain_words
from agent.memory.values import values_in
from agent.memory.words import STOP_WORDS, stem, words_of


def tied(
    words: str,
    span: tuple[int, int],
    name: str,
    own: Collection[str],
    attribute: str,
    flows: Flows,
    bridges: Callable[[Head], bool],
) -> bool:
    """Whether nothing in the utterance of a value ties it to something else than the thing of that name.

    `own` are further roots that tell the thing, of values it has already. `bridges` tells whether a name that nobody
    has noted may be a part of the thing.
    """
    parts = parts_of(words)
    touched = [(at, text) for at, text in parts if at < span[1] and span[0] < at + len(text)]
    clause = " ".join(text for _, text in touched)
    told = named_in(name, clause)
    if told:
        return told != "other"
    if _of_another(name, clause):
        return False
    status = attribute == STATUS
    head = _head(words, span, touched, whole=status)
    if status and is_paid_sum(name, clause):
        return True
    follows = any(at >= span[1] and named_in(name, text) == "whole" for at, text in parts)
    beside = [word for word in words_of(clause) if stem(word) not in ATTRIBUTES]
    alone = len(beside) <= len(words_of(words[span[0] : span[1]]))  # "40 Fern Street. The pickup is …"
    if (
        follows
        and not alone
        and head.pronoun not in _OF_ALL
        and not any(at < span[0] and named_in(name, text) for at, text in parts)
    ):
        return False  # it is named in what follows: the speaker parts the two
    if not touched or is_foreign(words):
        return True
    known = vocabulary(name) | frozenset(own)
    owner = _OWNER_ALONE.match(plain_words(clause))
    if owner is not None and rooted(owner[1].lower()) not in known:
        return False
    rival = head.words - roots(frozenset(map(stem, words_of(attribute)))) - _acts(flows)
    if rival and not rival & known and not bridges(head):
        return False
    if status and not head.words and head.codes - known:
        return False  # "LF-300 is closed": of the thing that has that number
    if not _of_person(head, name):
        return False
    return not status or head.pronoun not in ("i", "we") or _done_to(clause, known, flows)


_OWNER_ALONE = re.compile(  # "Monday's has 12 seats left": the other one's
    r"^(?:(?:the|your|my|his|her|our|their) )?([\w-]+)'s"
    r" (?:is|isn't|are|has|hasn't|was|wasn't|costs|starts|ends|stays)\b",
    re.IGNORECASE,
)
_FOR_IT = re.compile(r"^\s*(?:\w+ )?for (?:(?:the|a|an|your|our|his|her)\b|(?-i:[A-Z]))[^,.;]*", re.IGNORECASE)


def _of_another(name: str, clause: str) -> bool:
    """Whether a thing that bears a proper name ("transfer to Sara Lind") stands against another one in a clause."""
    own = {root(stem(word.lower())) for word in re.findall(r"\b[A-Z][\w'’-]+", name[1:])}
    named = [found for found in values_in(clause) if found.kind == "name"]
    return bool(own) and any(not vocabulary(found.text) & vocabulary(name) for found in named)


def is_paid_sum(name: str, clause: str) -> bool:
    """Whether a clause begins with a price, and the thing is money: "The $14 for Yusuf has arrived"."""
    return bool(vocabulary(name) & _MONEY) and _PAID.match(plain_words(clause)) is not None


_MONEY = vocabulary("money payment fee deposit refund amount sum")
_PAID = re.compile(r"(?:the|your|his|her) [$€£]\d", re.IGNORECASE)
_OF_ALL = frozenset({"nothing", "everything", "both", "all", "none"})


def _head(words: str, span: tuple[int, int], touched: Sequence[tuple[int, str]], *, whole: bool) -> Head:
    """The head of a value's first clause, the value itself left out of it unless it is the `whole` statement."""
    if not touched:
        return Head("silent")
    at, text = touched[0]
    if not whole:
        start, end = max(0, span[0] - at), max(0, span[1] - at)
        after = _FOR_IT.match(text[end:])  # "$9 for the booster"
        head = head_of(text[:start])
        return head if head.kind == "named" or after is None else head_of(after[0])
    return head_of(text)


def rivals(text: str, name: str, own: Collection[str], attribute: str, bridges: Callable[[Head], bool]) -> bool:
    """Whether a clause is plainly about something else than the thing of that name."""
    head = head_of(text)
    rival = head.words - roots(frozenset(map(stem, words_of(attribute))))
    return head.strong and bool(rival) and not rival & (vocabulary(name) | frozenset(own)) and not bridges(head)


def goes_on(text: str, before: str) -> bool:
    """Whether a statement goes on with what the one before it was about ("Your reference is …", not "Yours stays")."""
    head = head_of(text)
    if head.kind == "named":
        return bool(head.words & vocabulary(before))
    return head.pronoun not in OWNED


def _of_person(head: Head, name: str) -> bool:
    """Whether "you", "he" or "his" at the head of a clause may stand for a thing of that name."""
    words = set(words_of(name))
    kin = bool(words & _KIN) or bool(re.search(r"\w['’]s\b", name))
    if head.pronoun == "it" and is_person(name):
        return False
    if head.pronoun in OWNED and "other" in words:
        return False
    self_named = bool(words & _SELF)
    if head.pronoun in ("you", "yours", "i", "mine", "we", "ours"):
        return self_named or not (kin or (head.pronoun in OWNED and is_plural(name)))
    if head.pronoun in ("his", "hers", "theirs"):
        return kin or bool(re.search(r"\b[A-Z]", name[1:]))  # somebody's
    if head.pronoun in ("he", "she", "her", "their"):
        return not self_named and (kin or not is_plural(name))
    return True


def is_plural(name: str) -> bool:
    """Whether a name is of several things, by its last word."""
    last = name.casefold().split()[-1]
    return last.endswith("s") and not last.endswith(("ss", "'s")) and last not in OWNED


def is_person(name: str) -> bool:
    """Whether a thing's name is of somebody: "daughter", "Ms Achebe"; "daughter's card" is not."""
    words = name.casefold().split()
    return bool(words) and (words[-1] in _KIN - OWNED or words[0].rstrip(".") in _TITLES)


_TITLES = frozenset("mr mrs ms dr miss".split())
_POINT_BACK = frozenset({"it", "that", "this", "they", "these", "those"})


def left_for(words: str, span: tuple[int, int], text: str, known: Collection[str], flows: Flows) -> bool:
    """Whether a value's clause points back ("that's $9 a day") at a sentence before it that is about something else."""
    touched = next((part for at, part in parts_of(words) if at < span[1] and span[0] < at + len(part)), "")
    if head_of(touched).pronoun not in _POINT_BACK or set(words_of(text)) & _POINTED_AT or len(words_of(text)) < 3:
        return False
    told = _content(text, flows)
    return bool(told) and not told & frozenset(known)


def asks_of_another(text: str, known: Collection[str], attribute: Collection[str]) -> bool:
    """Whether the caller asks about something else than what the `known` roots tell, and does not point back."""
    if not text.rstrip().endswith("?") or set(words_of(text)) & _POINTED_AT:
        return False
    tokens = tokens_in(text)
    told: set[str] = set()
    for place, (word, _) in enumerate(tokens[:-1]):
        if word.lower() in DETERMINERS | _TAKING:
            phrase, _ = phrase_at(tokens[: _until_link(tokens, place + 1)], place + 1)
            told.update(root(stem(item)) for item, masked in phrase[:2] if not masked)
    told -= roots(ATTRIBUTES) | frozenset(attribute)
    return bool(told) and not told & frozenset(known)


def _until_link(tokens: Sequence[tuple[str, bool]], place: int) -> int:
    """Where a name ends: before "in cash" or "at home", not before "of the sofa"."""
    if tokens[place][0].lower() in DETERMINERS:
        return place
    ends = (at for at in range(place, len(tokens)) if tokens[at][0].lower() in PREPOSITIONS - OF)
    return next(ends, len(tokens))


_TAKING = frozenset("have take takes accept offer sell rent got get there do".split())
_POINTED_AT = _POINT_BACK | frozenset("its it's that's them there he she his her hers him one ones both same".split())


def _content(text: str, flows: Flows) -> frozenset[str]:
    """The roots of what a text tells of, without its values, the words of acts and words that say nothing."""
    told = ASKING.sub("", plain_words(text), count=1)
    said = {
        root(stem(word.lower()))
        for word, masked in tokens_in(told)
        if not masked and not word.isdigit() and word.lower().partition("'")[0] not in _EMPTY
    }
    return frozenset(said) - _acts(flows) - roots(ATTRIBUTES) - _ASKED


_ASKED = roots(frozenset(map(stem, "pay owe cost take need open close start end come bring long late much".split())))


_KIN = frozenset(
    "wife husband son daughter mother father mum mom dad brother sister aunt uncle cousin partner friend kid child boy"
    " girl baby grandma grandpa neighbour neighbor colleague boss his her hers their theirs".split()
)
_SELF = frozenset("my mine your yours own our ours".split())


def _acts(flows: Flows) -> frozenset[str]:
    return _act_roots(tuple(flows.acts))


@lru_cache(maxsize=16)
def _act_roots(cues: tuple[str, ...]) -> frozenset[str]:
    return frozenset(root(stem(word)) for cue in cues for word in cue.split())


def _done_to(clause: str, known: Collection[str], flows: Flows) -> bool:
    """Whether what "I have …" was done to may be the thing: a pronoun, or words that are among the `known` ones."""
    acts = _acts(flows)
    for text in clause.split(",") if "," in clause else [clause]:
        tokens = tokens_in(plain_words(text))
        object_of: list[str] = []
        for word, masked in tokens[1:]:
            low = word.lower().partition("'")[0].partition("’")[0]
            if low in _THINGS_POINTED:
                return True
            if masked or low.isdigit() or low in _EMPTY or root(stem(low)) in acts:
                continue
            object_of.append(root(stem(low)))
        if object_of and not set(object_of) & set(known):
            return False
    return True


_THINGS_POINTED = frozenset("it that this them those these everything both".split())
_EMPTY = (
    STOP_WORDS
    | ENDS
    | PREPOSITIONS
    | DETERMINERS
    | PRONOUNS
    | OWNED
    | frozenset("put taken made set marked saved noted down up off back list place well done today yet".split())
)
