"""The sizing table of docs/scale.md: from what a call was measured to take to processes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tools.sizing.queueing import Load, Seen, erlang_b, simulate

LENGTH_S: Final = 180.0
RATES: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)  # calls a second
USUAL: Final = 0.7  # of a core: what a process is filled to
STRAINED: Final = 0.9  # of a core: for the minute in which another process is lost
REFUSED: Final = 0.001  # calls that may find no place
OVERFULL: Final = 0.01  # losses after which one of the others may be fuller than STRAINED
LOSSES: Final = 200  # simulated for each row
_SHARE: Final = re.compile(r"^\| a call that talks all the time: of a core \|(.*)\|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sizing:
    """How many processes of one core a load takes."""

    load: Load
    without_loss: int
    processes: int
    each: int
    seen: Seen

    @property
    def cores_busy(self) -> float:
        """The average share of each core, by calls that talk all the time."""
        return USUAL * self.load.erlangs / (self.processes * self.each)


def share_of_a_call(page: str) -> float:
    """What a talking call takes of a core, by the newest column of the table in docs/scale.md. Raises ValueError."""
    found = _SHARE.search(page)
    shares = [cell.strip() for cell in found[1].split("|") if cell.strip().endswith("%")] if found else []
    if not shares:
        raise ValueError("docs/scale.md has no row for a call that talks all the time")
    return float(shares[-1].removesuffix("%")) / 100


def size(load: Load, share: float, *, losses: int = LOSSES) -> Sizing:
    """The fewest processes with which the limits hold, by simulation; Erlang's formula says where to begin."""
    each, strained = int(USUAL / share), int(STRAINED / share)
    calls = max(10_000, int(losses * load.erlangs))
    fewest = 1
    while erlang_b(load.erlangs, fewest * each) > REFUSED:
        fewest += 1
    count = fewest + (fewest == 1)  # one alone leaves nobody for its calls
    while True:
        seen = simulate(load, count, each, calls=calls, seed=count, strained=strained)
        if seen.refused_share <= REFUSED and seen.overfull_share <= OVERFULL:
            return Sizing(load, fewest, count, each, seen)
        count += 1


def table(share: float, rates: Sequence[float] = RATES) -> str:
    """The table with what it rests on."""
    rows = [size(Load(rate, LENGTH_S), share) for rate in rates]
    lines = [
        f"A talking call takes {share:.2%} of a core (table above), so a process takes {rows[0].each} calls"
        f" ({USUAL:.0%} of its core),",
        f"and {int(STRAINED / share)} for the moment in which another one is lost. Calls last {LENGTH_S / 60:g} min.",
        "",
        "| calls a second | at a time | processes | with room for a lost one | refused | core busy | losses too many |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {row.load.calls_s:g} | {row.load.erlangs:.0f} | {row.without_loss} | {row.processes}"
        f" | {row.seen.refused_share:.2%} | {row.cores_busy:.0%} | {row.seen.overfull} of {row.seen.losses} |"
        for row in rows
    ]
    return "\n".join(lines)
