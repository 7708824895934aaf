"""The alert rules, each with its runbook: what is worth telling somebody, and what to do then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from agent.budgets import Budgets, load_budgets
from alerts.cost import costs
from alerts.experience import experience
from alerts.model import Alert, RuleContext, RunbookLinks
from alerts.platform import platform
from alerts.providers import providers
from alerts.reach import reaching
from alerts.recording.model import seconds
from alerts.rollback import deciding
from alerts.tools import tools
from alerts.webhooks import webhooks

INTERVAL_S: Final = 15


def all_alerts(setting: RuleContext) -> dict[str, tuple[Alert, ...]]:
    """Every alert, by the name of its group. Alertmanager makes one message of alerts with the same cause."""
    found = {
        ("voice-agent-callers", "experience"): experience(setting),
        ("voice-agent-reach", "reach"): reaching(setting),
        ("voice-agent-costs", "cost"): costs(setting),
        ("voice-agent-providers-alerts", "provider"): providers(setting),
        ("voice-agent-tools", "tools"): tools(setting),
        ("voice-agent-webhooks", "webhooks"): webhooks(setting),
        ("voice-agent-decisions", "decisions"): deciding(setting),
        ("voice-agent-platform", "platform"): platform(setting),
    }
    return {
        name: tuple(replace(alert, labels={"cause": cause, **alert.labels}) for alert in alerts)
        for (name, cause), alerts in found.items()
    }


def alert_groups(
    faster: float = 1.0, budgets: Budgets | None = None, links: RunbookLinks | None = None
) -> list[dict[str, Any]]:
    """The groups of the rule file. Game days run `faster`: windows, holds and intervals are divided by it."""
    setting, links = RuleContext(budgets or load_budgets(), faster), links or RunbookLinks()
    interval = seconds(INTERVAL_S / faster)
    return [
        {"name": name, "interval": interval, "rules": [alert.as_dict(setting, links) for alert in alerts]}
        for name, alerts in all_alerts(setting).items()
    ]
