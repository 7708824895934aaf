"""How often the rules alert on a healthy service: no more of its turns are slow than the objective allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.support.promtool_output import SeriesSeen, asked
from tests.support.traffic_model import SimulatedService


@dataclass(frozen=True, slots=True)
class Kind:
    """A service without a fault: its calls, how its slow turns gather in few of them, and their true share."""

    calls_an_hour: float
    correlation: float
    slow_share: float


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """How often each alert fired, and for how long in all."""

    kind: Kind
    days: float
    """Simulated days, over all seeds."""
    times: dict[str, int]
    minutes: dict[str, int]


def false_alarms(kinds: Sequence[Kind], days: int, seeds: Sequence[int], every: int) -> list[FalseAlarms]:
    """Lets services of each kind run for so many days, once per seed. Raises PromtoolError.

    Rules are evaluated every so many minutes. All services run together: that is much faster than one after the other.
    """
    services = [
        SimulatedService(
            f"{number}:{seed}",
            seed,
            kind.calls_an_hour,
            days * 1_440,
            kind.slow_share,
            kind.slow_share,
            correlation=kind.correlation,
        )
        for seed in seeds
        for number, kind in enumerate(kinds)
    ]
    fired = asked(services, ["firing"], every)
    return [
        _counted(kind, [seen for seen in fired if seen.labels["tier"].startswith(f"{number}:")], days, seeds, every)
        for number, kind in enumerate(kinds)
    ]


def episodes(minutes: Iterable[int], every: int) -> int:
    """How often something began that was seen in these minutes."""
    seen = set(minutes)
    return sum(minute - every not in seen for minute in seen)


def _counted(kind: Kind, fired: Sequence[SeriesSeen], days: int, seeds: Sequence[int], every: int) -> FalseAlarms:
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for seen in fired:
        found[seen.labels["alertname"]][seen.labels["tier"]].append(seen.minute)
    return FalseAlarms(
        kind,
        float(days * len(seeds)),
        {alert: sum(episodes(minutes, every) for minutes in services.values()) for alert, services in found.items()},
        {alert: sum(every * len(minutes) for minutes in services.values()) for alert, services in found.items()},
    )
