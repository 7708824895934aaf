"""Calls that come at random and stay for a while, on processes that take so many each: how often there is no room.

Arrivals are Poisson, lengths lognormal; each call goes to the process with the fewest (HAProxy's `leastconn`). Without
a loss that is Erlang's model, and the simulation agrees with his formula, whatever the lengths.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass
from typing import Final

SPREAD: Final = 1.0  # sigma of the logarithm of a call's length: many short ones, some very long
WARM: Final = 5  # mean lengths before anything is counted


@dataclass(frozen=True, slots=True)
class Load:
    """What comes in."""

    calls_s: float
    length_s: float

    @property
    def erlangs(self) -> float:
        """Calls at a time, on the average."""
        return self.calls_s * self.length_s


@dataclass(frozen=True, slots=True)
class Seen:
    """What a simulation has seen."""

    offered: int
    refused: int
    most: int
    """Calls at a time on one process."""
    losses: int = 0
    overfull: int = 0
    """Losses after which a process had to take more calls than it may take for a moment."""

    @property
    def refused_share(self) -> float:
        """Of the calls that came."""
        return self.refused / max(1, self.offered)

    @property
    def overfull_share(self) -> float:
        """Of the losses."""
        return self.overfull / max(1, self.losses)


def erlang_b(erlangs: float, places: int) -> float:
    """The share of calls that find no place, by Erlang's formula."""
    share = 1.0
    for number in range(1, places + 1):
        share = erlangs * share / (number + erlangs * share)
    return share


def simulate(load: Load, processes: int, each: int, *, calls: int, seed: int, strained: int = 0) -> Seen:
    """So many calls on `processes` that take `each` calls.

    With `strained` a process is lost at the end of every mean length: its calls come back to the others, which may have
    so many for a moment, and it is started again before the next loss.
    """
    dice = random.Random(seed)
    mu = math.log(load.length_s) - SPREAD**2 / 2
    counts, ends = [0] * processes, list[tuple[float, int]]()
    at = 0.0
    offered = refused = most = losses = overfull = 0
    next_loss = (WARM + 1) * load.length_s
    while offered < calls:
        at += dice.expovariate(load.calls_s)
        while ends and ends[0][0] <= at:
            counts[heapq.heappop(ends)[1]] -= 1
        if strained and at >= next_loss:
            next_loss += load.length_s
            losses += 1
            overfull += _lose(counts, dice.randrange(processes), strained)
        chosen = min(range(processes), key=counts.__getitem__)
        counted = at > WARM * load.length_s
        offered += counted
        if counts[chosen] >= each:
            refused += counted
            continue
        counts[chosen] += 1
        most = max(most, counts[chosen])
        heapq.heappush(ends, (at + dice.lognormvariate(mu, SPREAD), chosen))
    return Seen(offered, refused, most, losses, overfull)


def _lose(counts: list[int], lost: int, strained: int) -> bool:
    """Whether the calls of a process do not fit on the others. It is back, and they with it, at the next call."""
    others = [count for number, count in enumerate(counts) if number != lost]
    return sum(max(0, strained - count) for count in others) < counts[lost]
