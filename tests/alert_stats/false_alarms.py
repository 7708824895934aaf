"""How often the rules alert on a shop in which nothing is wrong: as many turns are slow as the objective allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.budgets import load_budgets
from tests.alert_stats.shop import Shop
from tests.alert_stats.told import Seen, asked


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """How often each alert fired, and for how long in all."""

    calls_an_hour: float
    correlation: float
    days: float
    """Simulated days, over all seeds."""
    times: dict[str, int]
    minutes: dict[str, int]


def false_alarms(
    calls_an_hour: float, correlation: float, days: int, seeds: Sequence[int], every: int = 1
) -> FalseAlarms:
    """Lets seeded shops run for so many days each, with rules evaluated every so many minutes. Raises PromtoolError."""
    allowed = load_budgets().objective.slow_turn_share
    shops = [
        Shop(f"seed{seed}", seed, calls_an_hour, days * 1_440, allowed, allowed, correlation=correlation)
        for seed in seeds
    ]
    fired = _by_alert(asked(shops, ["firing"], every))
    return FalseAlarms(
        calls_an_hour,
        correlation,
        float(days * len(seeds)),
        {alert: sum(episodes(minutes, every) for minutes in tiers.values()) for alert, tiers in fired.items()},
        {alert: sum(every * len(minutes) for minutes in tiers.values()) for alert, tiers in fired.items()},
    )


def episodes(minutes: Iterable[int], every: int) -> int:
    """How often something began that was seen in these minutes."""
    seen = set(minutes)
    return sum(minute - every not in seen for minute in seen)


def _by_alert(fired: Iterable[Seen]) -> dict[str, dict[str, list[int]]]:
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for seen in fired:
        found[seen.labels["alertname"]][seen.labels["tier"]].append(seen.minute)
    return found
