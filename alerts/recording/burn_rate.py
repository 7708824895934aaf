"""Recording rules of the burn rates of "at most 5 % of the turns over the voice-to-voice budget".

A rate of 1 uses up exactly what the objective allows. The pair: 4 times over 30 and 5 minutes (a page), 1.5 times over
6 hours and 30 minutes (a ticket); the long window says that it matters, the short one that it still happens. Both need
the sample of the verdict (the shortest of 1, 6 and 24 hours with enough turns and sessions), in which the share is over
the objective significantly and three sessions had two slow turns: three calls, or one bad line, wake nobody. The long
window must hold three slow turns itself: two of nine are 22 %, and chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from agent.budgets import Budgets
from agent.telemetry import catalog
from agent.telemetry.recorded_metrics import DECISION_LOWER, recorded
from alerts.promql import equal, select, share, total, value
from alerts.recording.model import SLO_PERIOD, WHO, RecordingRule, scaled
from alerts.recording.signals import SHARE, TURNS_SLOW
from alerts.recording.verdict import DECISION_SLOW_SESSIONS, MIN_SLOW_SESSIONS, WINDOW


@dataclass(frozen=True, slots=True)
class Burn:
    """One pair of windows."""

    speed: str
    factor: float
    long: str
    short: str


FAST: Final = Burn("fast", 4.0, "30m", "5m")
SLOW: Final = Burn("slow", 1.5, "6h", "30m")

MIN_SLOW_TURNS: Final = 3

BUDGET_LEFT = recorded(
    "slo:budget_left", "Share of the error budget of 28 days that is left; below 0 it is overdrawn.", "tier"
)
PERIOD_TURNS = recorded("slo:turns", "Turns of 28 days that were owed a reply.", "tier")
BURN_RATE = recorded("slo:burn_rate", "How fast the error budget is used: at 1 it lasts 28 days.", "tier", "window")
BURN = recorded("burn", "Share of slow turns in the long window, while it burns.", "speed", "tier", "policy")


def burns(budgets: Budgets, faster: float = 1.0) -> Iterator[RecordingRule]:
    """Where the latency budget burns, and how much of it is left."""
    objective = budgets.objective.slow_turn_share
    tier, whole = ("tier",), [equal("budget", "voice_to_voice")]
    period = scaled(SLO_PERIOD, faster)
    used = share(
        f"({total(catalog.BUDGET_BREACHES, period, tier, whole)} or 0 * {total(catalog.TURNS_OWED, period, tier)})",
        total(catalog.TURNS_OWED, period, tier),
    )
    yield RecordingRule(BUDGET_LEFT, f"1 - ({used}) / {objective:g}")
    yield RecordingRule(PERIOD_TURNS, total(catalog.TURNS_OWED, period, tier))
    for window in ("1h", "24h"):
        length = scaled(window, faster)
        burnt = share(total(catalog.BUDGET_BREACHES, length, tier, whole), total(catalog.TURNS_OWED, length, tier))
        yield RecordingRule(BURN_RATE, f"({burnt}) / {objective:g}", (("window", window),))
    slow = equal("signal", "slow_turns")
    sure = (
        f"{value(WINDOW, WHO)} == 1",
        f"{value(DECISION_LOWER, WHO, [slow])} > {objective:g}",
        f"{select(DECISION_SLOW_SESSIONS)} >= {MIN_SLOW_SESSIONS}",
    )
    for burn in (FAST, SLOW):
        long, short = (
            f"{value(SHARE, WHO, [slow, equal('window', window)])} > {burn.factor * objective:g}"
            for window in (burn.long, burn.short)
        )
        # `increase` extrapolates: three may be 2.98
        several = f"{select(TURNS_SLOW, [equal('window', burn.long)])} > {MIN_SLOW_TURNS - 0.5:g}"
        yield RecordingRule(
            BURN, " and on (tier, policy) ".join((long, short, several, *sure)), (("speed", burn.speed),)
        )
