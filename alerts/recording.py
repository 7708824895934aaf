"""The recording rules: what several panels and the alert rules share, above all the verdicts on a policy."""

from __future__ import annotations

from typing import Any

from agent.budgets import Budgets, load_budgets
from agent.telemetry import verdicts
from agent.telemetry.catalog import Metric
from alerts import burn, counting, money, outage, verdict
from alerts.recorded import INTERVAL_S, Sample, seconds


def recording_groups(
    faster: float = 1.0, budgets: Budgets | None = None, least: Sample | None = None
) -> list[dict[str, Any]]:
    """The groups of the rule file. Demos and game days run `faster`: windows and intervals are divided by it."""
    budgets, least = budgets or load_budgets(), least or Sample()
    groups = {
        "voice-agent-counts": counting.counts(faster),
        "voice-agent-signals": counting.shares(counting.signals(budgets), least),
        "voice-agent-verdict": [*verdict.decision(), *verdict.verdict(), *burn.burns(budgets)],
        "voice-agent-money": money.money(faster, least),
        "voice-agent-providers": outage.outages(faster),
    }
    interval = seconds(INTERVAL_S / faster)
    return [
        {"name": name, "interval": interval, "rules": [rule.as_dict() for rule in rules]}
        for name, rules in groups.items()
    ]


def recorded_metrics() -> tuple[Metric, ...]:
    """Everything that the rules record."""
    rooms = (verdicts, counting, verdict, burn, money, outage)
    found = (thing for room in rooms for thing in vars(room).values() if isinstance(thing, Metric))
    return tuple(dict.fromkeys(found))
