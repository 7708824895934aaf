"""Recording rules on tools of agents: one that is slow or out makes turns bad under every policy.

A tool is unwell while most of its calls of the last 5 minutes failed, timed out or were not made because its breaker is
open (at least 5 of them), or while its calls take longer than a caller waits for, on average. It counts where it is
needed by more than a twentieth of the owed turns: a tool that hardly anybody uses explains nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry import catalog
from agent.telemetry.recorded_metrics import AGENT_COMPARISON, AGENT_SCORE, TOOL_OUT, TOOL_UNWELL
from alerts.promql import average, like, select, total, value
from alerts.recording.model import RecordingRule, scaled
from alerts.recording.outage import FAILING_SHARE, LINGERS, MIN_CALLS, WINDOW

SLOW_S: Final = 3.0
TOUCHED_SHARE: Final = 0.05
_FAILED: Final = ("failed", "timeout", "unavailable")
_ASKED: Final = ("ok", "refused", *_FAILED)
_BY: Final = ("tool",)


def tools(faster: float) -> Iterator[RecordingRule]:
    """What is known of versions that are tried, which tools are unwell, and whether any was a moment ago."""
    for worst, metric in ((AGENT_SCORE, catalog.AGENT_SCORE), (AGENT_COMPARISON, catalog.AGENT_COMPARISON)):
        yield RecordingRule(worst, value(metric, metric.labels))  # every process comes to the same number
    length = scaled(WINDOW, faster)
    asked = total(catalog.TOOL_CALLS, length, _BY, [like("outcome", *_ASKED)])
    failed = total(catalog.TOOL_CALLS, length, _BY, [like("outcome", *_FAILED)])
    turns = f"{TOUCHED_SHARE:g} * {total(catalog.TURNS_OWED, length)}"
    touches = f"{asked} > on () group_left () ({turns})"
    failing = f"({failed} > {FAILING_SHARE:g} * {asked} and {failed} >= {MIN_CALLS} and {touches})"
    slow = f"({average(catalog.TOOL_SECONDS, length, _BY)} > {SLOW_S:g} and {asked} >= {MIN_CALLS} and {touches})"
    yield RecordingRule(TOOL_UNWELL, f"1 + 0 * {failing} or 1 + 0 * {slow} or 0 * {asked}")
    yield RecordingRule(TOOL_OUT, f"max(max_over_time({select(TOOL_UNWELL)}[{scaled(LINGERS, faster)}]))")
