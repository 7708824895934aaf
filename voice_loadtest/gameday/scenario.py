"""What a scenario of a game day is: how calls come in, what is injected, and what must happen then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

FASTER: Final = 60.0
"""An hour of the rules is a minute here: windows, holds, Alertmanager's waits and the service's dwell are divided by
this. Callers talk at their own speed: many calls at a time fill a minute as an hour of a low-traffic service would.
"""
TIER: Final = "free"
"""Everybody calls on this tier: one tier has enough turns within a minute, two would need twice the callers."""
POLICY: Final = "haiku_first"
BASELINE: Final = "sonnet_first"
HAIKU: Final = "claude-haiku-5-5"
SONNET: Final = "claude-sonnet-5-5"

STALL_EVERY_S: Final = 3.0

Measure = Literal["slow", "cost"]
"""What must recover: the share of slow turns, or the price of a session."""


@dataclass(frozen=True, slots=True)
class Injection:
    """What is done to the stack when the fault begins; the recovery takes it back. `text` says it to a person."""

    text: str
    latency: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    """Overrides of the sandbox: model, provider or stage → p50_ms and p95_ms."""
    faults: tuple[Mapping[str, Any], ...] = ()
    """Fault rules of the sandbox."""
    assign: Mapping[str, int] = field(default_factory=dict[str, int])
    """Weights that an operator puts in force; a rollback takes them back, nobody else does."""
    canary_percent: int = 0
    """Of new sessions, to which an operator gives the version that is tried."""
    more_callers: int = 0
    forged_callers: int = 0
    """More callers, who answer every ping four seconds late."""
    bad_line_ms: float = 0
    """The round trip of one more caller, who makes one long call."""
    stall_s: float = 0.0
    """The service's process stands still for so long, again and again, every `STALL_EVERY_S`."""
    cut_off: bool = False
    """No connection reaches the service any more, and those that are open are cut; it does not notice by itself."""


@dataclass(frozen=True, slots=True)
class TriedVersion:
    """A version of an agent that lies beside the shipped one. `definition` is its file."""

    agent: str
    stable: int
    version: int
    definition: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. Every alert that is neither in `fires` nor in `may_fire` must stay silent."""

    name: str
    title: str
    story: str
    injection: Injection
    fires: tuple[str, ...]
    """The alerts that must fire."""
    may_fire: tuple[str, ...] = ()
    """Alerts for which it is right to fire, and right to be too late for it."""
    rolled_back: bool = False
    trial: TriedVersion | None = None
    """What is rolled back is a version of an agent, and no policy."""
    held: str = ""
    """What must be named as holding the rollback; where it is empty, anything or nothing may."""
    callers: int = 12
    turns: int = 4
    """Of a call."""
    pause_s: float = 0.0
    """How long a caller waits on average before the next call."""
    probed: bool = False
    """Whether the synthetic caller calls as well."""
    weights: Mapping[str, int] = field(default_factory=lambda: {POLICY: 50, BASELINE: 50})
    """The assignment at first. The holdout is larger than the shipped 5 %: the baseline needs 60 turns and 10 sessions
    within a minute, not within a week.
    """
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the service, besides those that every game day has."""
    prices: str = ""
    """Entries of a price book that go before the shipped ones."""
    alert_usd: float | None = None
    """Where the tier's alert threshold lies, where it is not the shipped one."""
    measure: Measure = "slow"
    healthy_s: float = 15.0
    """How long callers call before the injection, at least."""
    judged_first: bool = True
    """Whether the injection waits until there is enough data for a verdict."""
    fault_s: float = 30.0
    """How long the fault lasts, at least."""
    fault_most_s: float = 150.0
    """How long it lasts at most, while what must come of it has not come."""

    @property
    def subject(self) -> str:
        """What is, or could be, rolled back."""
        return POLICY if self.trial is None else version_name(self.trial.version)

    @property
    def target(self) -> str:
        """What sessions get after a rollback."""
        return BASELINE if self.trial is None else version_name(self.trial.stable)


def version_name(version: int) -> str:
    """A version as it is told."""
    return f"version {version}"
