"""The one kind of quantile that the project reports."""

from __future__ import annotations

import math
from collections.abc import Iterable


def nearest_rank(values: Iterable[float], *shares: float) -> tuple[float, ...]:
    """For each share the smallest value that has this share of all values at or below it.

    No value is made up between two that were measured. `agent.reports.period.quantiles` takes the same rank, so that
    the caller's figures and the ledger's can be compared. Raises ValueError without values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("there is no quantile of nothing")
    return tuple(ordered[max(0, math.ceil(share * len(ordered)) - 1)] for share in shares)
