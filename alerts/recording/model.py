"""What all recording rules share: windows, the least sample, the interval of Wilson, and how a rule is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any, Final

from agent.policy.policies import load_policies
from agent.telemetry import catalog
from agent.telemetry.catalog import Metric
from alerts.promql import value

MIN_TURNS: Final = 60
MIN_SESSIONS: Final = 10

WINDOWS: Final = {"5m": 300, "30m": 1_800, "1h": 3_600, "6h": 21_600, "24h": 86_400}
DECISION_WINDOWS: Final = ("1h", "6h", "24h")
BASELINE_WINDOW: Final = "7d"
SECONDS: Final = {**WINDOWS, BASELINE_WINDOW: 7 * 86_400}
DOUBT: Final = 0.024
"""How often a signal that is just at its limit may be taken for one over it, in a window's disjoint looks of a day."""
INTERVAL_S: Final = 30
WHO: Final = ("tier", "policy")
COUNTED: Final = ("tier", "policy", "window")

NOTHING: Final = f"0 * {value(catalog.POLICY_INFO, WHO)}"
"""0 for every tier and policy that can be assigned: what an input that does not exist is taken for."""

IN_FORCE: Final = f"unless on (tier, policy) {value(catalog.POLICY_WEIGHT, WHO)} == 0"
"""A policy that new sessions no longer get has been rolled back, though its windows still hold what it did."""


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """One recording rule. `labels` are added to what the expression returns."""

    metric: Metric
    expr: str
    labels: tuple[tuple[str, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The rule as Prometheus' rule files have it."""
        rule: dict[str, Any] = {"record": self.metric.name, "expr": self.expr}
        return {**rule, "labels": dict(self.labels)} if self.labels else rule


@dataclass(frozen=True, slots=True)
class Sample:
    """How much there must be before anything is judged."""

    turns: int = MIN_TURNS
    sessions: int = MIN_SESSIONS


@cache
def baseline() -> str:
    """The policy that every other is compared with; `policies.toml` keeps it alive with a holdout."""
    return load_policies().baseline


def seconds(duration: float) -> str:
    """A PromQL duration."""
    return (
        f"{duration:.0f}s" if duration >= 1 and duration == round(duration) else f"{max(1, round(duration * 1000))}ms"
    )


def scaled(window: str, faster: float) -> str:
    """A window of the rules as PromQL has it: divided by `faster` in demos and game days."""
    return window if faster == 1.0 else seconds(SECONDS[window] / faster)


def quantile_of(window: str) -> float:
    """How many standard deviations are significant in a window.

    A day has 24 disjoint windows of an hour, 4 of 6 hours and one of 24, and each kind shares `DOUBT` (Bonferroni):
    0.1, 0.6 and 2.4 %, one-sided, which is z = 3.09, 2.51 and 1.98. Windows slide and turns of one call are alike, so
    there are more false alarms than that; `make alert-stats` counts them.
    """
    return NormalDist().inv_cdf(1 - DOUBT * WINDOWS[window] / WINDOWS["24h"])


def wilson_lower(bad_share: str, sample: str, window: str) -> str:
    """The lower end of Wilson's interval for a share of a sample (Wilson 1927), as sure as the window asks for."""
    z = round(quantile_of(window), 3)
    p, n, zz = bad_share, sample, z * z
    spread = f"{z} * sqrt({p} * (1 - {p}) / {n} + {zz / 4:.4f} / {n} ^ 2)"
    return f"({p} + {zz / 2:.4f} / {n} - {spread}) / (1 + {zz:.4f} / {n})"
