"""Alerts on tools that agents use in a turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry import catalog
from alerts.model import Alert, PanelLink, RuleContext, Runbook
from alerts.promql import grown, like

FAILED_SHARE: Final = 0.2
LEAST_FAILED: Final = 3
"""Callers who were told that something did not work: one bad call is no incident."""
_FAILED: Final = ("failed", "timeout", "unavailable")
"""What is the tool's own; the rest is the model's or the caller's."""


def tools(setting: RuleContext) -> Iterator[Alert]:
    """Everything about tools."""
    yield _failing(setting)


def _failing(setting: RuleContext) -> Alert:
    by, span = ("tool",), setting.span(30)
    failed = grown(catalog.TOOL_CALLS, span, by, [like("outcome", *_FAILED)])
    whole = grown(catalog.TOOL_CALLS, span, by)
    return Alert(
        "VoiceAgentToolFailing",
        f"({failed}) / on (tool) ({whole}) > {FAILED_SHARE:g} and on (tool) ({failed}) >= {LEAST_FAILED}",
        "ticket",
        "{{ $value | humanizePercentage }} of the calls of the tool {{ $labels.tool }} failed in 30 minutes",
        "Failed, timed out, or not made because its breaker is open. Callers are told that it did not work; what they"
        " asked for was not done.",
        PanelLink("ux", 75, "What became of calls of tools"),
        Runbook(
            "What an agent is to do for its callers cannot be done: a booking, a look-up.",
            (
                "`timeout`: is it slow (panel “Tools take (p95)”)? What stands behind it, a database or a service?",
                "`failed`: the log says with which kind of error (`tool failed`).",
                "`unavailable`: its breaker is open, and closes by itself when the tool works again.",
                "For longer: take the tool out of the agent's file; new sessions then do without it.",
            ),
            ("voice-agent agent list", "voice-agent report --since 1h"),
            "What stands behind it was restarted, and calls work again.",
        ),
        by,
        for_minutes=1,
        keep_firing_minutes=10,
    )
