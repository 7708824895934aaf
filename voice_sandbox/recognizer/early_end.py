"""When Flux says that a turn is probably over, and how often it takes that back: parameters that are fixed beforehand.

Deepgram's documentation says of thresholds of 0.3 to 0.5 that an early end comes 150 to 250 ms before the end, and that
it means 50 to 70 % more calls of the model. Between and beyond these the numbers here are on a straight line. Which of
a caller's pauses are mistaken for an end is not documented: here it is a share of the turns, at one moment in them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

LEAST_WORDS: Final = 2
"""Words of a turn after which it is taken for over, where that is a mistake."""


@dataclass(frozen=True, slots=True)
class EarlyEnds:
    """`lead_s` before the end comes an early end; None: by the threshold. `taken_back` of the turns (0 to 1) have one
    too many, in their middle.
    """

    lead_s: float | None = None
    taken_back: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError for a share that is none, and for a time below zero."""
        if not 0 <= self.taken_back <= 1 or (self.lead_s is not None and self.lead_s < 0):
            raise ValueError("an early end comes 0 s or more before the end, and 0 to 1 of the turns have one too many")

    def lead(self, threshold: float) -> float:
        """Seconds before the end: 0.25 at a threshold of 0.3, 0.15 at 0.5, less above."""
        return max(0.0, 0.25 - 0.5 * (threshold - 0.3)) if self.lead_s is None else self.lead_s

    def mistaken(self, dice: random.Random) -> bool:
        """Whether this turn has an early end too many."""
        return self.taken_back > 0 and dice.random() < self.taken_back


DOCUMENTED: Final = EarlyEnds()
