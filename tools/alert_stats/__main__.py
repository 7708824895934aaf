"""`make alert-stats`: false alarms and detection of the generated rules, over simulated services."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from typing import Final

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from agent.budgets import load_budgets
from alerts.recording.model import MIN_SESSIONS, MIN_TURNS
from alerts.recording.verdict import MIN_SLOW_SESSIONS
from tools.alert_stats.detection import BAD, HEALTHY, Detection, detection
from tools.alert_stats.false_alarms import FalseAlarms, Kind, false_alarms

WIDTH: Final = 160  # characters, in a file
QUIET, BUSY = 3.0, 120.0  # calls an hour
CORRELATIONS: Final = (0.0, 0.1)
ALLOWED: Final = load_budgets().objective.slow_turn_share
KINDS: Final = [
    *(Kind(calls, correlation, ALLOWED) for calls in (QUIET, BUSY) for correlation in CORRELATIONS),
    *(Kind(calls, CORRELATIONS[-1], 0.6 * ALLOWED) for calls in (QUIET, BUSY)),
]
ALERTS: Final = {
    "VoiceAgentLatencyFastBurn": "fast burn, page",
    "VoiceAgentLatencySlowBurn": "slow burn, ticket",
    "VoiceAgentRollBackExperience": "roll back, page",
}
SOON: Final = 15  # minutes
AFTER: Final = {f"{SOON} min": SOON, "3 h": 180, "6 h": 360}


@click.command()
@click.option("--days", default=30, show_default=True, help="Length of a run without a fault.")
@click.option("--months", default=2, show_default=True, help="Seeded runs of that length for each service; 0: none.")
@click.option("--runs", default=100, show_default=True, help="Seeded runs with a fault for each service.")
@click.option("--every", default=2, show_default=True, help="Minutes between evaluations, without a fault.")
def main(days: int, months: int, runs: int, every: int) -> None:
    """Count false alarms, and measure how surely and how soon a bad policy is found."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    progress = Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console)
    with progress:
        task = progress.add_task(f"{days} days without a fault, {months} times in {len(KINDS)} kinds of service")
        if months:
            console.print(_false_alarms(false_alarms(KINDS, days, range(months), every)))
        detected: list[Detection] = []
        for calls, correlation, healthy, hours, minutes in _shops():
            what = f"{runs} services with {calls:g} calls an hour, correlation {correlation:g}, that turn bad"
            progress.update(task, description=what)
            detected.append(detection(calls, correlation, healthy, hours, range(runs), minutes))
        console.print(_detection(detected, runs))


def _shops() -> Iterator[tuple[float, float, float, float, int]]:
    """Calls an hour, correlation, healthy hours before, hours after, minutes between evaluations."""
    for correlation in CORRELATIONS:
        yield QUIET, correlation, 0, 24, 4
        yield QUIET, correlation, 24, 24, 4
        yield BUSY, correlation, 0, 3, 2
        yield BUSY, correlation, 3, 3, 2


def _false_alarms(found: Sequence[FalseAlarms]) -> Table:
    table = Table(
        title=f"False alarms in 30 days, and for how much of the time. {ALLOWED:.0%} of the turns may be slow"
    )
    table.add_column("service")
    table.add_column("slow turns", justify="right")
    table.add_column("correlation", justify="right")
    table.add_column("days", justify="right")
    for title in ALERTS.values():
        table.add_column(title, justify="right")
    for one in found:
        cells = [
            f"{one.times.get(alert, 0) / one.days * 30:.1f} · {one.minutes.get(alert, 0) / (one.days * 1_440):.1%}"
            for alert in ALERTS
        ]
        table.add_row(
            f"{one.kind.calls_an_hour:g} calls/h",
            f"{one.kind.slow_share:.0%}",
            f"{one.kind.correlation:g}",
            f"{one.days:.0f}",
            *cells,
        )
    return table


def _detection(found: Sequence[Detection], runs: int) -> Table:
    table = Table(
        title=f"Detection of {BAD:.0%} slow turns, {runs} runs each. Times are p50 / p90 since it began. The sample:"
        f" {MIN_TURNS} turns, {MIN_SESSIONS} ended calls; the evidence: {MIN_SLOW_SESSIONS} of them with two slow"
        f" turns. +{SOON} min: ROLL BACK by {SOON} minutes after that"
    )
    table.add_column("service")
    table.add_column("correlation", justify="right")
    table.add_column("before")
    table.add_column("sample", justify="right")
    for title in AFTER:
        table.add_column(f"+{title}", justify="right")
    for title in ("evidence", f"+{SOON} min", "verdict", "alert"):
        table.add_column(title, justify="right")
    table.add_column("in all", justify="right")
    table.add_column("too early", justify="right")
    for one in found:
        table.add_row(
            f"{one.calls_an_hour:g} calls/h",
            f"{one.correlation:g}",
            f"{one.healthy_hours:g} h of {HEALTHY:.0%}" if one.healthy_hours else "a new policy",
            _times([run.sample for run in one.runs]),
            *(f"{one.found_within(minutes):.0%}" for minutes in AFTER.values()),
            _times([run.evidence for run in one.runs]),
            f"{one.follows_evidence(SOON):.0%}",
            _times([run.verdict for run in one.runs]),
            _times([run.alert for run in one.runs]),
            f"{one.found():.0%} in {one.hours:g} h",
            f"{sum(run.too_early for run in one.runs)}",
        )
    return table


def _times(minutes: Sequence[int | None]) -> str:
    """p50 / p90, where never counts as later than everything."""
    ordered = sorted(float("inf") if minute is None else float(minute) for minute in minutes)
    late = ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)]
    return f"{_time(statistics.median_low(ordered))} / {_time(late)}"


def _time(minutes: float) -> str:
    if minutes == float("inf"):
        return "never"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


if __name__ == "__main__":
    main()
