"""Spoken pointers: "the first one", "not that one, the earlier one", "the other", "back to the billing thing".

`pointer_in` reads the form of an utterance; `resolve` picks the state it points at among candidates of one kind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.memory.nodes import REQUEST, State
from agent.memory.values import Value

PointerKind = Literal["ordinal", "last", "earlier", "other", "return", "mention"]
CHOOSING: frozenset[PointerKind] = frozenset({"ordinal", "last", "earlier", "other"})
"""The kinds that choose one of several things."""

_ORDINALS = {
    "first": 1,
    "1st": 1,
    "second": 2,
    "2nd": 2,
    "third": 3,
    "3rd": 3,
    "fourth": 4,
    "4th": 4,
    "fifth": 5,
    "5th": 5,
}
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
_ORDINAL = re.compile(
    r"(?<!not )\b(?:the|that|my|your)\s+(?:very\s+)?(first|second|third|fourth|fifth|1st|2nd|3rd|4th|5th)\b"
    r"(?!\s+(?:of (?!(?:those|these|them|the)\b)|time|half|name))",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?:^|[,.?!]|\b(?:about|and|for|with|to|take|change|cancel)\b)\s*number (one|two|three|four|five)\b", re.IGNORECASE
)
_LAST_BUT_ONE = re.compile(
    r"\b(?:last but one|(?:second|next) to (?:the )?last|one before (?:the|that) (?:last|latest|newest)|penultimate)\b",
    re.IGNORECASE,
)
_LAST = re.compile(
    r"(?<!not )\b(?:the|that|my)\s+(?:very\s+)?(?:last|latest|latter|final|most recent|newest)\b"
    r"(?!\s+(?:time|night|week|name))",
    re.IGNORECASE,
)
_EARLIER = re.compile(
    r"(?<!not )\b(?:the|that|my)\s+(?:earlier|previous|former|original|prior)\b"
    r"|\b(?:one|\w+) before that\b|\bthe one before\b|\b(?:first|before) (?:that|this) one\b",
    re.IGNORECASE,
)
_OTHER = re.compile(r"\b(?:the|that|my) other\b|\bnot (?:that|this) one\b", re.IGNORECASE)
_RETURN = re.compile(
    r"\b(?:go|get|going|come|coming|circle|head)\s+back\s+to\b|\bback to\b|\breturn(?:ing)? to\b|\babout (?:that"
    r"|the|my)\b|\bregarding\b"
    r"|\b(?:you|we|i)(?: have| had|'ve)?(?: just| previously| already)? (?:found|mentioned|talked about|discussed"
    r"|suggested|gave|located|arranged|booked|said|spoke)\b"
    r"|\bdid (?:we|you|i) (?:say|book|arrange|agree|settle|decide|do|note)\b"
    r"|\bearlier\b|\bfrom before\b|\bagain\b|\bafter all\b",
    re.IGNORECASE,
)
_REPAIR = re.compile(r"\b(?:no|sorry|wait|i mean|i meant|or rather)\b[\s,.…–-]*", re.IGNORECASE)
_MENTION = re.compile(r"\b(?:the|that|this|those)\s+(?:\w+\s+)?(?:one|\w+)\b|\bthe one\b|\bthat\b", re.IGNORECASE)
_CORRECTION = re.compile(
    r"\bactually\b|\binstead\b|\bmake (?:it|that)\b|\bchange\b|\brather\b|\bmove\b|\bafter all\b|\bbetter than\b"
    r"|\bi meant?\b",
    re.IGNORECASE,
)
_ANOTHER = re.compile(
    r"\b(?:another|also|as well|too|one more|(?<!for )a (?:second|third) \w+|something else|some other"
    r"|a different|an additional)\b|^(?:and|plus)\b(?![^?]*\bthe (?:\w+ )?one\b)"
    r"[^?]*\b(?:what|from|for|to|in|can|could|i'm|i am)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Pointer:
    """What an utterance points with; `number` is the ordinal's, counted from 1, or from -1 at the end."""

    kind: PointerKind
    number: int = 0


def pointer_in(text: str) -> Pointer | None:
    """The strongest pointing form in an utterance, or None. Of several choices the one after a repair counts."""
    for part in reversed(_REPAIR.split(text)):
        chosen = _choosing_in(part)
        if chosen is not None:
            return chosen
    return next((Pointer(kind) for kind, form in _FORMS if form.search(text)), None)


def _choosing_in(text: str) -> Pointer | None:
    """The form in a text that chooses one of several things, or None."""
    if _LAST_BUT_ONE.search(text):
        return Pointer("ordinal", -2)
    ordinal = _ORDINAL.search(text)
    if ordinal:
        return Pointer("ordinal", _ORDINALS[ordinal.group(1).lower()])
    numbered = _NUMBERED.search(text)
    if numbered:
        return Pointer("ordinal", _NUMBERS[numbered.group(1).lower()])
    return next((Pointer(kind) for kind, form in _CHOICES if form.search(text)), None)


def corrects(text: str) -> bool:
    """Whether the caller changes something said before ("actually make it seven")."""
    return _CORRECTION.search(text) is not None


def asks_for_another(text: str) -> bool:
    """Whether the caller asks for one more thing of a kind ("another table", "my son needs one as well")."""
    return _ANOTHER.search(text) is not None


def resolve(
    pointer: Pointer | None, candidates: Sequence[State], focus: int | None, values: Sequence[Value]
) -> State | None:
    """The state meant, or None. `candidates` are of one kind, oldest first; `focus` is the state dealt with last."""
    named = matching(candidates, values)
    if len(named) == 1 and pointer is not None:
        return named[0]
    if pointer is None or not candidates:
        return None
    if pointer.kind == "ordinal":
        place = pointer.number - 1 if pointer.number > 0 else len(candidates) + pointer.number
        return candidates[place] if 0 <= place < len(candidates) else None
    if pointer.kind == "last":
        return candidates[-1]
    at = next((place for place, state in enumerate(candidates) if state.id == focus), len(candidates) - 1)
    if pointer.kind == "earlier":
        return candidates[max(0, at - 1)]
    if pointer.kind == "other":
        others = [state for place, state in enumerate(candidates) if place != at]
        return others[-1] if others else candidates[at]
    return candidates[at]


def matching(candidates: Sequence[State], values: Sequence[Value]) -> list[State]:
    """The candidates that carry most of the values said, case aside; of a name a part will do. Empty when none does."""
    said = {value.text.lower() for value in values}
    names = [value.text.lower().removeprefix("the ") for value in values if value.kind == "name"]
    scores: list[float] = []
    for state in candidates:
        held = {slot.value.lower() for slot in state.slots if slot.name != REQUEST}
        parts = sum(len(name) > 3 and any(name in value for value in held) for name in names)
        scores.append(len(said & held) + parts / 2)
    best = max(scores, default=0)
    return [state for state, score in zip(candidates, scores, strict=True) if score == best] if best else []


_CHOICES: tuple[tuple[PointerKind, re.Pattern[str]], ...] = (
    ("last", _LAST),
    ("earlier", _EARLIER),
    ("other", _OTHER),
)
_FORMS: tuple[tuple[PointerKind, re.Pattern[str]], ...] = (("return", _RETURN), ("mention", _MENTION))
