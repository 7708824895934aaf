"""The published before and after of this system's bill, checked: which sessions can its totals have been about?

Published: $0.024 a session fell to $0.011, by three changes:

    speech to text   Whisper $0.006/min      → Nova-2 $0.0043/min
    model            $3 per million tokens   → $0.25, with 18 % of the turns still at $3
    voice            $0.30 per 1,000 chars   → $0.10

Amounts are exact fractions of a dollar.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from agent.billing.estimate import UsageProfile


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars per billed minute, per spoken character, per token."""

    minute: Fraction
    character: Fraction
    token: Fraction


@dataclass(frozen=True, slots=True)
class Amounts:
    """What a session uses: billed minutes, spoken characters, model tokens."""

    minutes: Fraction
    characters: Fraction
    tokens: Fraction


SONNET_SHARE: Final = Fraction(18, 100)
LARGE_MODEL: Final = 3  # dollars for a million tokens
SMALL_MODEL: Final = Fraction("0.25")
BEFORE: Final = Rates(Fraction("0.006"), Fraction("0.30") / 1_000, Fraction(LARGE_MODEL, 1_000_000))
AFTER: Final = Rates(
    Fraction("0.0043"),
    Fraction("0.10") / 1_000,
    (SONNET_SHARE * LARGE_MODEL + (1 - SONNET_SHARE) * SMALL_MODEL) / 1_000_000,
)
TOTAL_BEFORE: Final = Fraction("0.024")
TOTAL_AFTER: Final = Fraction("0.011")

# A plain spoken session: 3 minutes, some 225 spoken words, 8,000 tokens in and 600 out over its turns.
PLAIN: Final = Amounts(Fraction(3), Fraction(1_350), Fraction(8_600))

# The same session with 12 turns, as the calculator takes it; three quarters of each prompt can be cached.
PLAIN_SHAPE: Final = UsageProfile(
    minutes=Fraction(3),
    characters=1_350,
    turns=12,
    prompt_tokens=667,
    reply_tokens=50,
    cached_share=Fraction(3, 4),
    escalated_share=SONNET_SHARE,
    repeated_share=Fraction(0),
)


def cost(amounts: Amounts, rates: Rates) -> Fraction:
    """Dollars: minutes * rate + characters * rate + tokens * rate."""
    return amounts.minutes * rates.minute + amounts.characters * rates.character + amounts.tokens * rates.token


def allowed_shapes() -> tuple[Amounts, ...]:
    """The ends of the line of all sessions that cost exactly the published totals before and after.

    With m billed minutes, c characters and t tokens, none negative, both totals hold where

        0.006 m  + 0.0003 c + 3e-6     t = 0.024
        0.0043 m + 0.0001 c + 0.745e-6 t = 0.011        (0.18 * 3 + 0.82 * 0.25 = 0.745 per million tokens)

    Two planes meet in a line; cut off where an amount would be negative it is a segment, and at each of its ends one
    amount is 0. So each amount is set to 0 in turn and the two equations are solved for the others by Cramer's rule;
    solutions with a negative amount are not sessions. What remains are the ends, sorted by minutes:

        m = 1.30, c = 53.9, t = 0        and        m = 1.79, c = 0, t = 4,413

    Both are linear along the segment: no session in between has more minutes, characters or tokens than an end has.
    """
    before = (BEFORE.minute, BEFORE.character, BEFORE.token)
    after = (AFTER.minute, AFTER.character, AFTER.token)
    ends: list[Amounts] = []
    for zero in range(3):
        i, j = (k for k in range(3) if k != zero)
        determinant = before[i] * after[j] - before[j] * after[i]
        if determinant == 0:
            continue
        found = [Fraction(0)] * 3
        found[i] = (TOTAL_BEFORE * after[j] - before[j] * TOTAL_AFTER) / determinant
        found[j] = (before[i] * TOTAL_AFTER - TOTAL_BEFORE * after[i]) / determinant
        if min(found) >= 0:
            ends.append(Amounts(*found))
    return tuple(sorted(ends, key=lambda end: end.minutes))


def widest(ends: tuple[Amounts, ...]) -> Amounts:
    """The most of each amount that any session on the segment has (not all at once)."""
    return Amounts(
        max(end.minutes for end in ends), max(end.characters for end in ends), max(end.tokens for end in ends)
    )
