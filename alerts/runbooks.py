"""Writes the runbook of each alert from its declaration."""

from __future__ import annotations

from collections.abc import Iterable

from alerts.model import Alert, RunbookLinks

_LOUDNESS = {
    "page": "wakes somebody",
    "ticket": "is looked at today",
    "warning": "is only said",
    "none": "goes to a dead man's switch",
}


def page(alert: Alert, links: RunbookLinks) -> str:
    """One page, in Markdown that also reads as plain text."""
    board = f"{links.dashboards}/d/voice-agent-{alert.panel.board}?viewPanel={alert.panel.id}"
    loud = f"{alert.severity}: {_LOUDNESS[alert.severity]}"
    asks = "; asks for a rollback, which the service decides on" if "action" in alert.labels else ""
    decide = "\n".join(f"{number}. {step}" for number, step in enumerate(alert.runbook.decide, 1))
    return f"""<!-- Made by `make boards`. Do not edit. -->
# {alert.name}

{alert.runbook.meaning} ({loud}{asks}.)

## Decide in 30 seconds

{decide}

Look at **{alert.panel.title}**: {board}

## Commands

```
{chr(10).join(alert.runbook.commands)}
```

## When not to act

{alert.runbook.leave}

## What it says exactly

{alert.description}

Fires {_after(alert.for_minutes)}{_keeps(alert.keep_firing_minutes)}, on

```
{alert.expr}
```
"""


def index(alerts: Iterable[Alert]) -> str:
    """The list of all pages."""
    rows = "\n".join(f"| [{one.name}]({one.name}.md) | {one.severity} | {one.runbook.meaning} |" for one in alerts)
    return f"""<!-- Made by `make boards`. Do not edit. -->
# Runbooks

| alert | severity | |
| --- | --- | --- |
{rows}
"""


def _after(minutes: float) -> str:
    return f"when it was true for {minutes:g} min" if minutes else "at once"


def _keeps(minutes: float) -> str:
    return f" and goes on for {minutes:g} min after it was last true" if minutes else ""
