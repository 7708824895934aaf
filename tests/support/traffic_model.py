"""A service with callers, as Prometheus sees it: the counters of its calls, every two minutes, from a seed.

Calls arrive at random (Poisson). A call has 3 to 9 turns, each as likely, one every 15 s; so an hour of 3 calls has 18
turns. A turn is slow with the chance of its call: the same for all calls, or spread over them (beta-binomial), because
turns of one call share its line. The spread is given as the correlation of two turns of one call.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agent.policy.policies import load_policies
from agent.telemetry import catalog
from agent.telemetry.catalog import Metric
from alerts.promql import equal, select

SLOW_SESSION_TURNS: Final = 2
"""Slow turns that make a session slow, as the service counts it."""
TURNS: Final = (3, 9)
TURN_MINUTES: Final = 0.25
SCRAPE_MINUTES: Final = 2
"""promtool holds 10,000 samples at most: a week of every minute is more."""
JUDGED: Final = "haiku_first"
BASELINE: Final = load_policies().baseline
BASELINE_CALLS: Final = 0.05


@dataclass(frozen=True, slots=True)
class SimulatedService:
    """One service; its name is the tier of its series. The slow share is `before` until `turns_bad`, then `after`."""

    name: str
    seed: int
    calls_an_hour: float
    minutes: int
    before: float = 0.05
    after: float = 0.05
    turns_bad: int = 0
    """The minute in which the judged policy's share changes; its baseline stays as it was."""
    correlation: float = 0.0

    def series(self) -> Iterator[dict[str, str]]:
        """What is scraped, in promtool's notation."""
        counted: dict[tuple[Metric, tuple[tuple[str, str], ...]], Counter[int]] = {}
        for policy in (JUDGED, BASELINE):
            for metric, more in _COUNTED:
                counted[metric, (("tier", self.name), ("policy", policy), *more)] = Counter()
            who = [equal("tier", self.name), equal("policy", policy)]
            yield {
                "series": select(catalog.POLICY_INFO, [*who, equal("version", "1")]),
                "values": f"1x{self.minutes // SCRAPE_MINUTES}",
            }
            share = BASELINE_CALLS if policy == BASELINE else 1 - BASELINE_CALLS
            yield {
                "series": select(catalog.POLICY_WEIGHT, who),
                "values": f"{share * 100:g}x{self.minutes // SCRAPE_MINUTES}",
            }
        for (metric, labels), minute, _ in self._events():
            counted[metric, labels][minute] += 1
        for (metric, labels), grown in counted.items():
            where = [equal(label, value) for label, value in labels]
            yield {"series": select(metric, where), "values": _counter(grown, self.minutes)}

    def enough_since_change(self, turns: int, calls: int, slow_calls: int = 0) -> int | None:
        """The minute in which so many turns and ended calls of calls after the change were seen; None: never."""
        reached = [self._reached(what, count) for what, count in ((_OWED, turns), (_ENDED, calls))]
        if slow_calls:
            reached.append(self._reached(_SLOW_SESSION, slow_calls))
        known = [minute for minute in reached if minute is not None]
        return max(known) if len(known) == len(reached) else None

    def _reached(self, what: tuple[Metric, tuple[tuple[str, str], ...]], count: int) -> int | None:
        judged = self._of(what, JUDGED)
        minutes = sorted(seen for found, seen, began in self._events() if found == judged and began >= self.turns_bad)
        return minutes[count - 1] if len(minutes) >= count else None

    def _events(self) -> Iterator[tuple[tuple[Metric, tuple[tuple[str, str], ...]], int, float]]:
        """What each call counts, in which minute it is first seen, and when its call began."""
        chance = random.Random(self.seed)
        at = chance.expovariate(self.calls_an_hour / 60)
        while at < self.minutes:
            policy = BASELINE if chance.random() < BASELINE_CALLS else JUDGED
            share = self.after if policy == JUDGED and at >= self.turns_bad else self.before
            if self.correlation:
                strength = 1 / self.correlation - 1
                share = chance.betavariate(share * strength, (1 - share) * strength)
            slow, turns = 0, chance.randint(*TURNS)
            for turn in range(turns):
                minute = int(at + (turn + 1) * TURN_MINUTES) + 1
                yield self._of(_OWED, policy), minute, at
                if chance.random() < share:
                    slow += 1
                    yield self._of(_SLOW, policy), minute, at
            ended = int(at + turns * TURN_MINUTES) + 1
            yield self._of(_ENDED, policy), ended, at
            if slow >= SLOW_SESSION_TURNS:
                yield self._of(_SLOW_SESSION, policy), ended, at
            at += chance.expovariate(self.calls_an_hour / 60)

    def _of(
        self, what: tuple[Metric, tuple[tuple[str, str], ...]], policy: str
    ) -> tuple[Metric, tuple[tuple[str, str], ...]]:
        metric, more = what
        return metric, (("tier", self.name), ("policy", policy), *more)


_OWED: Final = (catalog.TURNS_OWED, ())
_SLOW: Final = (catalog.BUDGET_BREACHES, (("budget", "voice_to_voice"),))
_ENDED: Final = (catalog.SESSIONS, (("outcome", "completed"),))
_SLOW_SESSION: Final = (catalog.SLOW_SESSIONS, ())
_COUNTED: Final = (_OWED, _SLOW, _ENDED, _SLOW_SESSION)


def _counter(grown: Counter[int], minutes: int) -> str:
    """A counter that starts at 0 and grows in those minutes, as runs of equal values."""
    scrapes: Counter[int] = Counter()
    for minute, count in grown.items():
        scrapes[-(-minute // SCRAPE_MINUTES)] += count
    runs: list[str] = []
    value = begun = 0
    last = minutes // SCRAPE_MINUTES
    for scrape in sorted(scrape for scrape in scrapes if scrape <= last):
        runs.append(f"{value}x{scrape - begun - 1}")
        value, begun = value + scrapes[scrape], scrape
    return " ".join([*runs, f"{value}x{last - begun}"])
