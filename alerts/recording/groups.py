"""The recording rules: what several panels and the alert rules share, above all the verdicts on a policy."""

from __future__ import annotations

from typing import Any

from agent.budgets import Budgets, load_budgets
from agent.telemetry import recorded_metrics as verdict_metrics
from agent.telemetry.catalog import Metric
from alerts.recording import burn_rate, cost, network, outage, signals, tools, verdict
from alerts.recording.model import INTERVAL_S, Sample, seconds


def recording_groups(
    faster: float = 1.0, budgets: Budgets | None = None, least: Sample | None = None
) -> list[dict[str, Any]]:
    """The groups of the rule file. Demos and game days run `faster`: windows and intervals are divided by it."""
    budgets, least = budgets or load_budgets(), least or Sample()
    groups = {
        "voice-agent-counts": signals.counts(faster),
        "voice-agent-signals": signals.shares(signals.signals(budgets), least),
        "voice-agent-verdict": [*verdict.decision(), *verdict.verdict(), *burn_rate.burns(budgets, faster)],
        "voice-agent-network": network.network(faster, least),
        "voice-agent-money": cost.money(faster, least),
        "voice-agent-providers": outage.outages(faster),
        "voice-agent-agents": tools.tools(faster),
    }
    interval = seconds(INTERVAL_S / faster)
    return [
        {"name": name, "interval": interval, "rules": [rule.as_dict() for rule in rules]}
        for name, rules in groups.items()
    ]


def recorded_metrics() -> tuple[Metric, ...]:
    """Everything that the rules record."""
    modules = (verdict_metrics, signals, verdict, burn_rate, network, cost, outage)
    found = (value for module in modules for value in vars(module).values() if isinstance(value, Metric))
    return tuple(dict.fromkeys(found))
