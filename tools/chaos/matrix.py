"""The chaos matrix: which faults befall which provider, when, and whose call it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Final, Literal

from voice_sandbox.faults import BACK_END_FAULTS, LANGUAGE_FAULTS, VOICE_FAULTS, FaultKind, FaultRule

Moment = Literal["first turn", "mid-reply", "idle"]
Tier = Literal["free", "premium"]

MOMENTS: Final[tuple[Moment, ...]] = ("first turn", "mid-reply", "idle")
TIERS: Final[tuple[Tier, ...]] = ("free", "premium")
STATUS: Final = frozenset(
    {FaultKind.UNAUTHORIZED, FaultKind.RATE_LIMITED, FaultKind.OVERLOADED, FaultKind.SERVER_ERROR, FaultKind.REFUSE}
    | {FaultKind.NO_CREDIT, FaultKind.GONE, FaultKind.FORBIDDEN}
)


ONCE: Final = frozenset({FaultKind.ODD_ANSWER})
"""Faults of one answer, for which it makes no difference when they come."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place of a chain: its sandbox provider and model, and the places before it, which have to be down."""

    service: Literal["stt", "llm", "tts", "tool"]
    provider: str
    model: str | None = None
    before: tuple[str, ...] = ()


PLACES: Final = {
    "deepgram": Place("stt", "deepgram"),
    "openai_stt": Place("stt", "openai_stt", before=("deepgram",)),
    "sonnet": Place("llm", "anthropic", "claude-sonnet-5-5"),
    "haiku": Place("llm", "anthropic", "claude-haiku-5-5"),
    "elevenlabs": Place("tts", "elevenlabs"),
    "deepgram_tts": Place("tts", "deepgram_tts", before=("elevenlabs",)),
    "http_tool": Place("tool", "back_end"),
    "mcp_tool": Place("tool", "back_end"),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One way to fail, as the sandbox is told."""

    kind: FaultKind
    variant: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind} ({self.variant})" if self.variant else self.kind.value


@dataclass(frozen=True, slots=True)
class Cell:
    """One call of the matrix."""

    place: str
    trouble: Trouble
    moment: Moment
    tier: Tier

    @property
    def name(self) -> str:
        return f"{self.place}, {self.trouble.name}, {self.moment}, {self.tier}"

    def rules(self, session: str) -> list[FaultRule]:
        """The faults of this cell, for one session."""
        place, kind = PLACES[self.place], self.trouble.kind
        # in the middle: after the first outputs; voices answer a status at once, so theirs bites the next clause, and a
        # recogniser of segments has one output only
        at_once = self.place == "openai_stt" or (place.service != "llm" and kind in STATUS) or place.service == "tool"
        streamed = self.moment == "mid-reply" and not at_once
        rule = FaultRule(
            provider=place.provider,
            kind=kind,
            session=None if place.service == "tool" else session,  # its requests name none; a stack has one fault only
            model=place.model,
            after=2 if streamed and kind is not FaultKind.EMPTY else 0,
            variant=self.trouble.variant,
            retry_after_s=5.0 if kind is FaultKind.RATE_LIMITED else None,
            interval_s=4.0,
        )
        down = [FaultRule(provider=name, kind=FaultKind.REFUSE, session=session) for name in place.before]
        return [*down, rule]


def troubles(place: str) -> list[Trouble]:
    """Every fault that this place's protocol knows and that is counted; the others are cases of the field."""
    service = PLACES[place].service
    others = VOICE_FAULTS | LANGUAGE_FAULTS | BACK_END_FAULTS | {FaultKind.QUIRK}  # a quirk is one by its variant
    listed = [Trouble(kind) for kind in FaultKind if kind not in others]
    if service == "tts":
        listed.append(Trouble(FaultKind.EMPTY, "silence"))
        listed += [Trouble(FaultKind.HALF), Trouble(FaultKind.BABBLE), Trouble(FaultKind.WRONG_FORMAT, "unknown")]
    elif service == "llm" or place == "openai_stt":
        listed.append(Trouble(FaultKind.EMPTY, "whitespace"))
    if service == "tool":
        listed += [Trouble(FaultKind.LIES, variant) for variant in ("other_day", "wrong_type", "orders")]
        own = "elsewhere" if place == "http_tool" else "other_id"
        odd = ("nan", "half_utf8", "huge", "endless", "packed", "redirect", own)
        listed += [Trouble(FaultKind.ODD_ANSWER, variant) for variant in odd]
    if service == "llm":
        listed += [Trouble(FaultKind.STOP, variant) for variant in ("refusal", "pause_turn")]
    return listed


def cells() -> list[Cell]:
    """The whole matrix."""
    return [
        Cell(place, trouble, moment, tier)
        for place in PLACES
        for trouble in troubles(place)
        for moment, tier in product(MOMENTS[:1] if trouble.kind in ONCE else MOMENTS, TIERS)
    ]


def pairwise(matrix: Sequence[Cell]) -> list[Cell]:
    """A subset in which every pair of values of two different columns occurs at least once (greedy)."""
    owed = {pair for cell in matrix for pair in _pairs(cell)}
    chosen: list[Cell] = []
    while owed:
        best = max(matrix, key=lambda cell: len(owed & _pairs(cell)))
        chosen.append(best)
        owed -= _pairs(best)
    return chosen


def _pairs(cell: Cell) -> set[tuple[str, str]]:
    values = (f"p:{cell.place}", f"f:{cell.trouble.name}", f"m:{cell.moment}", f"t:{cell.tier}")
    return set(combinations(values, 2))
