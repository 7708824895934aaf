"""What the small model wrote down: one claim per fact, and the reasons for which a claim is dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from agent.memory.nodes import Speaker

Reason = Literal[
    "malformed",
    "unknown_turn",
    "not_said",
    "question",
    "condition",
    "denied",
    "refused",
    "unconfirmed",
    "ended",
    "stale",
    "too_many",
]
"""Why a claim was dropped."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that the model says was said. `turn` counts from 0."""

    thing: str
    attribute: str
    value: str
    turn: int
    by: Speaker
    supersedes: str = ""
    """The attribute of the same thing that this replaces, where it has another name."""


def claims_of(answer: Mapping[str, Any]) -> list[Claim]:
    """The claims in a decoded answer of the model; entries of another shape become claims that fail the checks."""
    found: list[Claim] = []
    entries = answer.get("facts")
    for entry in cast("list[object]", entries) if isinstance(entries, list) else ():
        fields = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        turn = fields.get("turn")
        texts = [fields.get(name) for name in ("thing", "attribute", "value")]
        told = [text if isinstance(text, str) else "" for text in texts]
        number = turn - 1 if isinstance(turn, int) and not isinstance(turn, bool) else -1
        by: Speaker = "caller" if fields.get("by") == "caller" else "agent"
        supersedes = fields.get("supersedes")
        found.append(Claim(told[0], told[1], told[2], number, by, supersedes if isinstance(supersedes, str) else ""))
    return found
