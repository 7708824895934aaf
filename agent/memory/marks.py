"""What stands beside a quoted sentence in the notes: what replaced it, what of it holds all the same, and which of its
values a later sentence may have put in the place of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final

from agent.memory.features import EMPTY, stems_in
from agent.memory.nodes import STATUS
from agent.memory.sentences import repairs
from agent.memory.values import Value, taken_back_in, values_in
from agent.memory.words import HOUR_WORDS, tokens_of

MAX_STANDING: Final = 4
"""Values of one sentence of which it is told that they stand, though others in it do not."""
MAX_OTHERS: Final = 2
"""Values of one sentence of which it is told that they may not stand."""
_REPLACEABLE = frozenset({"date", "time", "price", "phone", "code", "email", "address", "count"})
_BARE_COUNT: Final = "number"
_PLAIN_ATTRIBUTES = frozenset(
    "date time price total amount sum number phone email address quantity who appointment order delivery due".split()
)
_CHANGES = re.compile(
    r"\b(?:now|moved|changed?|instead|extended|rescheduled|switched|swapped|corrected|correct|right|wrong|again|so"
    r"|then|back on|took off|taken off|makes? (?:it|that)|brings? (?:it|that|you))\b",
    re.IGNORECASE,
)
_WEEKLY = re.compile(r"days\b")
_AT_HOUR = re.compile(
    rf"\b(?:at|by|to|until|till|from) ({HOUR_WORDS})\b"
    r"(?=\s*(?:[.,;!?…]|$|on|in|tomorrow|today|tonight|sharp|now|and|with))"
)

Key = tuple[int, bool, str]
"""A quoted sentence: its turn, whether the agent said it, its words."""


@dataclass(frozen=True, slots=True)
class Told:
    """One value that a sentence is quoted for."""

    thing: int
    """The number of the thing that it is a value of."""
    label: str
    attribute: str
    value: str
    doubt: str
    """What replaced it or may have changed it; empty while it holds."""
    moves: bool
    """A day, an hour or the like: it may go when another value of its thing does."""
    by_itself: bool
    """A value in the sentence, and not what the whole sentence says."""
    part: bool = False
    """The doubt is about the value alone, and not about the sentence."""


@dataclass(frozen=True, slots=True)
class LineMark:
    """What is to be known of a quoted sentence beside its words."""

    context: bool
    """It is not told by itself: another one points back to it."""
    told: tuple[Told, ...] = ()
    """The values that it is quoted for."""
    agreed: bool = False
    """The caller said yes to it."""

    @property
    def doubted(self) -> bool:
        """Whether anything in it is in doubt."""
        return any(one.doubt for one in self.told)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What replaced it, or may have changed it."""
        return tuple(dict.fromkeys(one.doubt for one in self.told if one.doubt and not one.part))

    def parts(self, words: str) -> dict[str, str]:
        """Values in it of which alone it is told what replaced them.

        None of them is a value that holds of something else, where its words name nothing of which it does not.
        """
        replaced = [one for one in self.told if one.part]
        if not replaced:
            return {}
        kept = [one.value for one in self.told if not one.doubt]
        return {
            one.value: one.doubt
            for one in replaced
            if _named(one.label, words) or not any(one.value in value for value in kept)
        }

    @property
    def stands(self) -> tuple[str, ...]:
        """Values in it that hold though others do not: a reference when the day is moved, and what was said of a thing
        of which nothing is in doubt.
        """
        gone = [one.value for one in self.told if one.doubt and one.by_itself]
        shaken = {one.thing for one in self.told if one.doubt and not one.part}
        holds = (
            one.value
            for one in self.told
            if one.by_itself and not one.doubt and not (one.moves and one.thing in shaken)
        )
        return tuple(
            value for value in dict.fromkeys(holds) if not any(value in other or other in value for other in gone)
        )[:MAX_STANDING]

    def with_other(self, other: LineMark) -> LineMark:
        """The mark of a sentence that is told twice."""
        if self.context or other.context:
            return other if self.context else self
        told = tuple(dict.fromkeys((*self.told, *other.told)))
        return LineMark(False, told, self.agreed or other.agreed)

    def of_parts(self) -> LineMark:
        """What a longer quotation, in which this one stands, has to say of single values in it."""
        return LineMark(False, tuple(one for one in self.told if one.part))


def line_of(key: Key, mark: LineMark, others: Sequence[str] = ()) -> str:
    """A quoted sentence as the notes have it; `others` are marks of single values in it."""
    turn, agent, words = key
    words = _inner(words)
    source = f"{'A' if agent else 'C'}{turn + 1}"
    if mark.context:
        return f'({source}: "{words}")'
    if not (others or mark.agreed or mark.doubted):
        return f'{source}: "{words}"'
    beside = ["the caller agreed"] if mark.agreed else []
    doubts = mark.doubts
    if doubts:
        beside.append(", ".join(doubts) + "".join(f', but "{_inner(value)}" stands' for value in mark.stands))
    else:
        beside += [f'for "{_inner(value)}" {doubt}' for value, doubt in islice(mark.parts(words).items(), MAX_OTHERS)]
        beside += others
    aside = f" ({', '.join(beside)})" if beside else ""
    return f'{source}{aside}: "{words}"'


def _inner(words: str) -> str:
    """Words that are quoted, so that they cannot end their quotation and go on as a mark or another's line."""
    return words.replace('"', "'")


def cost_of(key: Key, mark: LineMark) -> int:
    """Estimated tokens of a line with its line break."""
    return tokens_of(line_of(key, mark)) + 1


def marks_of_values(lines: Sequence[Key], marks: Mapping[Key, LineMark], most_tokens: int) -> dict[Key, list[str]]:
    """Marks of single values in lines that hold, within `most_tokens`: those that were taken back in the same breath,
    and those of which a later line has another one.

    `lines` are in the order of the call. Nobody bore such a value out: a sentence is quoted whole, and the value that
    it is quoted for may be another one in it.
    """
    told = [key for key in lines if not (marks[key].context or marks[key].doubts)]
    found: dict[Key, list[str]] = {}
    for place, key in enumerate(told):
        for mark in _marks_in(key, told[place + 1 :], marks):
            most_tokens -= tokens_of(mark) + 1
            if most_tokens < 0:
                return found
            found.setdefault(key, []).append(mark)
            if len(found[key]) == MAX_OTHERS:
                break
    return found


def _marks_in(key: Key, later: Sequence[Key], marks: Mapping[Key, LineMark]) -> Iterator[str]:
    told = marks[key].told
    known = marks[key].parts(key[2])
    back = taken_back_in(key[2])
    yield from (
        f'not "{_inner(value)}"' for value in back if not any(value in one.value for one in told if one.by_itself)
    )
    for value in _values(key[2]):
        if value.text in back or any(value.text in part for part in known):
            continue
        turn = _another_at(key, value, later, marks)
        if turn is not None:
            yield f'for "{_inner(value.text.rstrip(",."))}" see turn {turn + 1}'


def _another_at(key: Key, value: Value, later: Sequence[Key], marks: Mapping[Key, LineMark]) -> int | None:
    """The turn of the last later sentence of the agent that has another value in the place of this one, or None."""
    text, words = value.text.rstrip(",.").casefold(), key[2].casefold()
    claimed = [one for one in marks[key].told if text in one.value.casefold()]
    claimed = [one for one in claimed if _named(one.label, key[2])] or claimed  # what it names is what it speaks of
    for other in reversed(later):
        if not other[1]:
            continue
        alike = [one for one in _values(other[2]) if _alike(value, one) and one.text.casefold() not in words]
        if any(_about_the_same(key, claimed, other, marks, one) for one in alike):
            return None if text in other[2].casefold() else other[0]
    return None


def _about_the_same(
    key: Key,
    claimed: Sequence[Told],
    other: Key,
    marks: Mapping[Key, LineMark],
    value: Value,
) -> bool:
    """Whether another sentence can say `value` of what a value of `key` was said of.

    For a value that was noted: later, of the same thing and attribute, or where it says that something is changed. For
    one that only stands in the sentence too: of one of its things, or of one whose name is in it, and as a day, an
    hour or a price of that, and not "check out".
    """
    there = marks[other].told
    own = [told for told in there if told.by_itself and value.text.rstrip(",.") in told.value]
    there = own or there  # it was said of what it was noted for
    changes = _CHANGES.search(other[2]) is not None or repairs(other[2])
    if claimed:
        return other[0] > key[0] and any(
            any(
                one.thing == told.thing and (changes if told.attribute == STATUS else told.attribute == one.attribute)
                for told in there
            )
            and _speaks_of(one, there, other[2])
            for one in claimed
        )
    things = {one.thing for one in marks[key].told}
    return any(
        (told.thing in things or _named(told.label, key[2])) and (changes or told.attribute in _PLAIN_ATTRIBUTES)
        for told in there
    )


def _speaks_of(one: Told, there: Sequence[Told], text: str) -> bool:
    """Whether a sentence names a value's thing, or at least no other one for a value of the same attribute."""
    others = (told for told in there if told.thing != one.thing and told.attribute == one.attribute)
    return _named(one.label, text) or not any(_named(told.label, text) for told in others)


def _named(label: str, text: str) -> bool:
    stems = stems_in(label) - EMPTY if label else frozenset[str]()
    return bool(stems) and stems <= stems_in(text)


def _alike(value: Value, other: Value) -> bool:
    if value.kind != other.kind or (value.kind == "count" and value.name != other.name):
        return False
    return value.kind != "date" or bool(_WEEKLY.search(value.text)) is bool(_WEEKLY.search(other.text))


@lru_cache(maxsize=2_000)
def _values(text: str) -> tuple[Value, ...]:
    """The values of a sentence that another one can take the place of."""
    found = [value for value in values_in(text) if value.kind in _REPLACEABLE and value.name != _BARE_COUNT]
    hours = (
        Value("time", "time", match[1], match.start(1))
        for match in _AT_HOUR.finditer(text)
        if not any(value.start <= match.start(1) < value.start + len(value.text) for value in found)
    )
    return (*found, *hours)
