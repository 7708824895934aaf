"""Recording rules on the network's own share of slow turns: turns that would be in time without their round trip.

It is a signal of its own and no policy's: callers on bad lines are on every policy.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent.telemetry import catalog
from agent.telemetry.recorded_metrics import recorded
from alerts.promql import equal, select, share, total, value
from alerts.recording.model import DECISION_WINDOWS, RecordingRule, Sample, scaled, wilson_lower
from alerts.recording.signals import SESSIONS, TURNS_OWED

NETWORK_SHARE = recorded(
    "network:slow_share",
    "Turns that are slow by their network alone, of owed turns, with enough data.",
    "tier",
    "window",
)
NETWORK_LOWER = recorded("network:slow_lower", "Lower end of its Wilson interval.", "tier", "window")

_TIER = ("tier",)


def network(faster: float, least: Sample) -> Iterator[RecordingRule]:
    """The share in each window that holds enough turns and sessions, and how sure it is."""
    for window in DECISION_WINDOWS:
        counted, labels = [equal("window", window)], (("window", window),)
        turns, sessions = (value(metric, _TIER, counted, "sum") for metric in (TURNS_OWED, SESSIONS))
        slow = total(catalog.NETWORK_SLOW, scaled(window, faster), _TIER)
        enough = f"{turns} >= {least.turns} and {sessions} >= {least.sessions}"
        yield RecordingRule(NETWORK_SHARE, f"clamp_max({share(slow, turns)}, 1) and {enough}", labels)
        known = f"max by (tier) ({select(NETWORK_SHARE, counted)})"
        yield RecordingRule(NETWORK_LOWER, wilson_lower(known, turns, window), labels)
