"""Whether a figure of a running process grows: its slope with the error of the slope."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Final

BLOCKS: Final = 12  # samples hang together for as long as calls last; means of longer times hardly do
_T: Final = 2.228  # Student's t at 95 %, two-sided, for BLOCKS - 2 degrees of freedom


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through the means of twelve equal pieces of the time."""

    mean: float
    slope_h: float
    """Growth an hour."""
    error_h: float
    """Half of the slope's 95 % interval."""

    @property
    def growth(self) -> str:
        """Growth an hour, with its error."""
        return f"{self.slope_h:+.2f} ± {self.error_h:.2f}"

    def grows(self, allowed_h: float = 0.0) -> bool:
        """Whether it surely grows by more than `allowed_h` an hour: falling is no fault."""
        return self.slope_h - self.error_h > allowed_h

    @staticmethod
    def of(times_s: Sequence[float], values: Sequence[float]) -> Trend:
        """Raises ValueError for fewer than two samples in each piece."""
        if len(times_s) != len(values) or len(values) < 2 * BLOCKS:
            raise ValueError(f"{len(values)} samples: a trend takes {2 * BLOCKS}")
        edges = [round(number * len(values) / BLOCKS) for number in range(BLOCKS + 1)]
        pieces = [slice(first, last) for first, last in pairwise(edges)]
        xs = [fmean(times_s[piece]) / 3600 for piece in pieces]
        ys = [fmean(values[piece]) for piece in pieces]
        x, y = fmean(xs), fmean(ys)
        spread = sum((one - x) ** 2 for one in xs)
        slope = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / spread
        rest = sum((b - y - slope * (a - x)) ** 2 for a, b in zip(xs, ys, strict=True))
        return Trend(y, slope, _T * math.sqrt(rest / (BLOCKS - 2) / spread))
