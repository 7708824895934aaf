"""`docs/reference/alerts.md`, from the alert rules."""

from __future__ import annotations

from typing import Final

from agent.budgets import load_budgets
from alerts.groups import all_alerts
from alerts.model import Alert, RuleContext
from tools.docs.markdown import entry, page, section, sentence

SEVERITIES: Final = {
    "page": "wakes somebody",
    "ticket": "is looked at within a day",
    "warning": "is shown and wakes nobody",
    "none": "proves that alerts arrive",
}


def reference() -> str:
    """The page."""
    loud = "; ".join(f"`{name}` {meaning}" for name, meaning in SEVERITIES.items())
    intro = (
        f"Every alert, by its group in Prometheus. Severities: {loud}. Each alert links to its runbook in"
        " [alerts/runbooks](../../alerts/runbooks/README.md), which has its expression, too."
    )
    groups = all_alerts(RuleContext(load_budgets()))
    return page("Alerts", intro, *(section(f"`{name}`", map(_entry, alerts)) for name, alerts in groups.items()))


def _entry(alert: Alert) -> str:
    minutes = "a minute" if alert.for_minutes == 1 else f"{alert.for_minutes:g} minutes"
    when = f"Fires after {minutes}." if alert.for_minutes else "Fires at once."
    labels = ", ".join(f"`{label}`" for label in alert.by)
    asks = "Asks for a rollback." if "action" in alert.labels else ""
    return entry(
        alert.name,
        f"({alert.severity}).",
        sentence(alert.runbook.meaning),
        when,
        asks,
        f"Labels: {labels}." if labels else "",
    )
