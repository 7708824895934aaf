"""Spoken pointers: "the first one", "not that one, the earlier one", "the other", "back to the billing thing".

`pointer_in` reads the form of an utterance; `resolve` picks the state it points at among candidates of one kind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.memory.nodes import State
from agent.memory.values import Value

PointerKind = Literal["ordinal", "last", "earlier", "other", "return", "mention"]

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
_ORDINAL = re.compile(
    r"\b(?:the|that|my|your)\s+(?:very\s+)?(first|second|third|fourth|fifth|1st|2nd|3rd|4th|5th)\b(?!\s+(?:of"
    r"|time|half|name))",
    re.IGNORECASE,
)
_LAST = re.compile(
    r"\b(?:the|that|my)\s+(?:very\s+)?(?:last|latest|most recent|newest)\b"
    r"(?!\s+(?:time|night|week|name))",
    re.IGNORECASE,
)
_EARLIER = re.compile(
    r"\b(?:the|that|my)\s+(?:earlier|previous|former|original|prior)\b|\b(?:one|\w+) before that\b|\b(?:first"
    r"|before) (?:that|this) one\b",
    re.IGNORECASE,
)
_OTHER = re.compile(r"\b(?:the|that|my) other\b|\bnot (?:that|this) one\b", re.IGNORECASE)
_RETURN = re.compile(
    r"\b(?:go|get|going|come|coming|circle|head)\s+back\s+to\b|\bback to\b|\breturn(?:ing)? to\b|\babout (?:that"
    r"|the|my)\b|\bregarding\b"
    r"|\b(?:you|we|i)(?: have| had|'ve)?(?: just| previously| already)? (?:found|mentioned|talked about|discussed"
    r"|suggested|gave|located|arranged|booked|said|spoke)\b"
    r"|\bearlier\b|\bfrom before\b|\bagain\b|\bafter all\b",
    re.IGNORECASE,
)
_MENTION = re.compile(r"\b(?:the|that|this|those)\s+(?:\w+\s+)?(?:one|\w+)\b|\bthe one\b|\bthat\b", re.IGNORECASE)
_CORRECTION = re.compile(
    r"\bactually\b|\binstead\b|\bmake (?:it|that)\b|\bchange\b|\brather\b|\bmove\b|\bafter all\b|\bbetter than\b"
    r"|\bi meant?\b",
    re.IGNORECASE,
)
_ANOTHER = re.compile(
    r"\b(?:another|also|as well|too|one more|(?<!for )a (?:second|third) \w+|something else|some other"
    r"|a different|an additional)\b|^(?:and|plus)\b[^?]*\b(?:what|from|for|to|in|can|could|i'm|i am)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Pointer:
    """What an utterance points with; `number` is the ordinal's, counted from 1."""

    kind: PointerKind
    number: int = 0


def pointer_in(text: str) -> Pointer | None:
    """The strongest pointing form in an utterance, or None."""
    ordinal = _ORDINAL.search(text)
    if ordinal:
        return Pointer("ordinal", _ORDINALS[ordinal.group(1).lower()])
    for kind, form in _FORMS:
        if form.search(text):
            return Pointer(kind)
    return None


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
        return candidates[pointer.number - 1] if pointer.number <= len(candidates) else None
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
    """The candidates that carry most of the values said (by verbatim text, case aside); empty when none carries any."""
    said = {value.text.lower() for value in values}
    scores = [len(said & {slot.value.lower() for slot in state.slots}) for state in candidates]
    best = max(scores, default=0)
    return [state for state, score in zip(candidates, scores, strict=True) if score == best] if best else []


_FORMS: tuple[tuple[PointerKind, re.Pattern[str]], ...] = (
    ("last", _LAST),
    ("earlier", _EARLIER),
    ("other", _OTHER),
    ("return", _RETURN),
    ("mention", _MENTION),
)
