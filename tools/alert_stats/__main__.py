"""`make alert-stats`: how often decisions are wrong and how soon they are right, over simulated services.

Rollbacks come from the real tests of ended calls, the generated rules in Prometheus' engine, and the real judgement;
burn alerts from the generated rules on simulated counters.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from agent.budgets import load_budgets
from tools.alert_stats.closed_loop import Traffic, play
from tools.alert_stats.decisions import DecidedRun, decide
from tools.alert_stats.false_alarms import FalseAlarms, Kind, false_alarms

WIDTH: Final = 160  # characters, in a file
QUIET, BUSY = 3.0, 60.0  # calls an hour
CORRELATIONS: Final = (0.0, 0.1)
ALLOWED: Final = load_budgets().objective.slow_turn_share
HEALTHY: Final = 0.02
HEALTHY_H: Final = 24.0
WATCHED_H: Final = {QUIET: 72.0, BUSY: 12.0}
EVERY_MIN: Final = {QUIET: 10, BUSY: 2}
KINDS: Final = [Kind(calls, correlation, ALLOWED) for calls in (QUIET, BUSY) for correlation in CORRELATIONS]
BURNS: Final = {"VoiceAgentLatencyFastBurn": "fast burn, page", "VoiceAgentLatencySlowBurn": "slow burn, ticket"}


@click.command()
@click.option("--days", default=30, show_default=True, help="Length of a run without a fault.")
@click.option("--months", default=4, show_default=True, help="Seeded runs of that length for each service; 0: none.")
@click.option("--runs", default=60, show_default=True, help="Seeded runs with a fault for each service.")
@click.option("--burns", is_flag=True, help="Also count false burn alerts (minutes).")
def main(days: int, months: int, runs: int, burns: bool) -> None:
    """Count wrong decisions, and measure how surely and how soon a bad policy is found."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    if months:
        console.print(_nothing_wrong(days, months))
    console.print(_faults(runs))
    console.print(_not_the_policy(runs))
    if burns:
        console.print(_burns(false_alarms(KINDS, days, range(max(1, months)), 4)))


def _run(traffic: Traffic, seeds: Sequence[int]) -> list[DecidedRun]:
    played = [play(traffic, seed) for seed in seeds]
    return decide(played, traffic.hours, EVERY_MIN[traffic.calls_an_hour])


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    table.add_column("calls/h", justify="right")
    table.add_column("correlation", justify="right")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _nothing_wrong(days: int, months: int) -> Table:
    table = _table(
        f"Nothing is wrong, {days} days, {months} seeds: in 30 days", "slow turns", "suspected (ticket)", "rolled back"
    )
    for calls in (QUIET, BUSY):
        for correlation in CORRELATIONS:
            for share in (ALLOWED, 0.6 * ALLOWED):
                traffic = Traffic(calls, days * 24.0, share, share, share, correlation=correlation)
                decided = _run(traffic, range(months))
                per_month = 30 / days / months
                table.add_row(
                    f"{calls:g}",
                    f"{correlation:g}",
                    f"{share:.0%}",
                    f"{sum(len(one.found) for one in decided) * per_month:.2f}",
                    f"{sum(len(one.rolled_back) for one in decided) * per_month:.2f}",
                )
    return table


def _faults(runs: int) -> Table:
    table = _table(
        f"Haiku-first alone turns bad after {HEALTHY_H:g} h of {HEALTHY:.0%}, {runs} runs: p50 / p90 since then",
        "slow turns",
        "suspected",
        "rolled back",
        "over 1 h later",
        "too early",
    )
    for calls in (QUIET, BUSY):
        for correlation in CORRELATIONS:
            for share in (0.15, 0.10):
                hours = HEALTHY_H + WATCHED_H[calls]
                traffic = Traffic(calls, hours, HEALTHY, share, HEALTHY, HEALTHY_H, correlation)
                decided = _run(traffic, range(1000, 1000 + runs))
                found = [one.first(one.found, HEALTHY_H) for one in decided]
                rolled = [one.first(one.rolled_back, HEALTHY_H) for one in decided]
                late = sum(later > first + 1 for first, later in zip(found, rolled, strict=True)) / runs
                early = sum(any(hour < HEALTHY_H for hour in one.rolled_back) for one in decided)
                table.add_row(
                    f"{calls:g}",
                    f"{correlation:g}",
                    f"{share:.0%}",
                    _times(found),
                    _times(rolled),
                    f"{late:.0%}",
                    f"{early}",
                )
    return table


def _not_the_policy(runs: int) -> Table:
    table = _table(
        f"It is not the policy, from hour {HEALTHY_H:g} on, {runs} runs",
        "what",
        "suspected",
        "named",
        "never rolled back",
    )
    for calls in (QUIET, BUSY):
        hours = HEALTHY_H + WATCHED_H[calls]
        for correlation in CORRELATIONS:
            kinds = {
                "both arms 25 % slow": Traffic(calls, hours, HEALTHY, 0.25, 0.25, HEALTHY_H, correlation),
                "both arms 15 % slow": Traffic(calls, hours, HEALTHY, 0.15, 0.15, HEALTHY_H, correlation),
                "10 % hostile callers": Traffic(calls, hours, HEALTHY, HEALTHY, HEALTHY, HEALTHY_H, correlation, 0.1),
                "30 % hostile callers": Traffic(calls, hours, HEALTHY, HEALTHY, HEALTHY, HEALTHY_H, correlation, 0.3),
            }
            for what, traffic in kinds.items():
                decided = _run(traffic, range(2000, 2000 + runs))
                table.add_row(
                    f"{calls:g}",
                    f"{correlation:g}",
                    what,
                    f"{sum(bool(one.found) for one in decided) / runs:.0%}",
                    f"{sum(one.common_cause for one in decided) / runs:.0%}",
                    f"{sum(not one.rolled_back for one in decided) / runs:.0%}",
                )
    return table


def _burns(found: Sequence[FalseAlarms]) -> Table:
    table = _table(f"{ALLOWED:.0%} of the turns are slow, as they may be: alerts in 30 days", *BURNS.values())
    for one in found:
        cells = [f"{one.times.get(alert, 0) / one.days * 30:.1f}" for alert in BURNS]
        table.add_row(f"{one.kind.calls_an_hour:g}", f"{one.kind.correlation:g}", *cells)
    return table


def _times(hours: Sequence[float]) -> str:
    """p50 / p90, where never counts as later than everything."""
    ordered = sorted(hours)
    late = ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)]
    return f"{_time(statistics.median_low(ordered))} / {_time(late)}"


def _time(hours: float) -> str:
    if hours == float("inf"):
        return "never"
    return f"{hours * 60:.0f} min" if hours < 1.5 else f"{hours:.1f} h"


if __name__ == "__main__":
    main()
