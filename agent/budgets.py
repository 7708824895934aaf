"""Budgets, deadlines and tiers: loads and checks `budgets.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from agent.core.errors import ConfigurationError

DEFAULT_FILE: Final = Path(__file__).with_name("budgets.toml")


class Tier(StrEnum):
    FREE = "free"
    PREMIUM = "premium"


class LatencyBudget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What p95 may take, in milliseconds."""

    voice_to_voice: float
    stt: float
    llm: float
    tts: float
    network: float

    def seconds(self) -> dict[str, float]:
        """Budget name → seconds, in the order of the critical path, the whole last."""
        names = ("stt", "llm", "tts", "network", "voice_to_voice")
        return {name: getattr(self, name) / 1000.0 for name in names}


class Deadlines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When waiting longer for a useful output is worse than changing the provider, in milliseconds."""

    stt: float
    llm: float
    tts: float
    chain: float
    stall: float


class Objective(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    slow_turn_share: float


class GovernorLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a running session is made cheaper or ended. Both are off unless set."""

    step_down_share: float | None = None
    """Share of `session_usd` that has been spent when cheaper models take over; may be over 1."""
    step_down_policy: str = "economy"
    """The policy whose models and voice take over; the session keeps its own policy as its label."""
    hard_cap_usd: float | None = None
    """Dollars at which the session ends politely."""


class TierBudget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dollars per session."""

    session_usd: float
    alert_usd: float
    show_cost: bool = False
    """Whether the client is sent `session.cost`."""
    governor: GovernorLimits = GovernorLimits()


class TierCeilings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What callers of a tier may spend at most, in dollars. Days and hours are those of UTC."""

    session_usd: float
    subject_day_usd: float
    address_day_usd: float
    tier_hour_usd: float
    """Of all processes together."""
    process_hour_usd: float
    """Of one process. Each tier has its own, so that no tier spends what another one needs."""
    turn_usd: float
    """What a turn may take; where there is less room the call ends."""
    economy_share: float
    """Share of a ceiling from which cheaper models and voices answer."""
    address_share: float
    """Share of an hour's shared ceiling that one address takes at most."""
    local_share: float
    """Share of a shared ceiling that a process allows by itself while the database has not answered."""
    key_day_usd: float = 100.0
    """What all callers of one API key may spend together; nobody else has one."""

    @property
    def address_hour_usd(self) -> float:
        """What one address may spend in an hour."""
        return self.address_share * min(self.tier_hour_usd, self.process_hour_usd)


class _BudgetFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    latency_ms: LatencyBudget
    deadlines_ms: Deadlines
    objective: Objective
    tiers: dict[str, TierBudget]
    ceilings: dict[str, TierCeilings]


@dataclass(frozen=True, slots=True)
class Budgets:
    latency: LatencyBudget
    deadlines: Deadlines
    objective: Objective
    tiers: dict[Tier, TierBudget]
    ceilings: dict[Tier, TierCeilings]


def load_budgets(file: Path | None = None) -> Budgets:
    """Reads a budgets file (the shipped one by default). Raises ConfigurationError with one line of what is wrong."""
    path = file or DEFAULT_FILE
    try:
        raw = msgspec.toml.decode(path.read_bytes(), type=_BudgetFile)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    _check(path, raw)
    tiers = {Tier(name): raw.tiers[name] for name in Tier}
    ceilings = {Tier(name): raw.ceilings[name] for name in Tier}
    return Budgets(raw.latency_ms, raw.deadlines_ms, raw.objective, tiers, ceilings)


def _check(path: Path, raw: _BudgetFile) -> None:
    for table, group in (("latency_ms", raw.latency_ms), ("deadlines_ms", raw.deadlines_ms)):
        for name in group.__struct_fields__:
            if not 0 < getattr(group, name) <= 60_000:
                raise ConfigurationError(f"{path}: {table}.{name} takes milliseconds above 0 and up to 60000")
    if not 0 < raw.objective.slow_turn_share < 1:
        raise ConfigurationError(f"{path}: objective.slow_turn_share takes a share between 0 and 1")
    if set(raw.tiers) != set(Tier):
        raise ConfigurationError(
            f"{path}: tiers takes exactly {', '.join(Tier)}; found {', '.join(raw.tiers) or 'none'}"
        )
    for name, tier in raw.tiers.items():
        if not 0 < tier.session_usd <= tier.alert_usd:
            raise ConfigurationError(f"{path}: tiers.{name} takes 0 < session_usd <= alert_usd")
        _check_governor(path, name, tier)
    _check_ceilings(path, raw)


def _check_ceilings(path: Path, raw: _BudgetFile) -> None:
    if set(raw.ceilings) != set(Tier):
        raise ConfigurationError(f"{path}: ceilings takes exactly {', '.join(Tier)}")
    for name, tier in raw.ceilings.items():
        for field in tier.__struct_fields__:
            share = field.endswith("_share")
            if not 0 < getattr(tier, field) <= (1 if share else 1_000_000):
                takes = "a share above 0 and up to 1" if share else "dollars above 0 and up to 1000000"
                raise ConfigurationError(f"{path}: ceilings.{name}.{field} takes {takes}")
        if tier.turn_usd > min(tier.session_usd, tier.address_hour_usd):
            raise ConfigurationError(
                f"{path}: ceilings.{name}.turn_usd takes at most session_usd and an address's share of an hour"
            )


def _check_governor(path: Path, name: str, tier: TierBudget) -> None:
    share, cap = tier.governor.step_down_share, tier.governor.hard_cap_usd
    if share is not None and not 0 < share <= 1000:
        raise ConfigurationError(f"{path}: tiers.{name}.governor.step_down_share takes a share of session_usd above 0")
    if cap is not None and not cap > 0:
        raise ConfigurationError(f"{path}: tiers.{name}.governor.hard_cap_usd takes dollars above 0")
    if share is not None and cap is not None and share * tier.session_usd > cap:
        raise ConfigurationError(f"{path}: tiers.{name}.governor takes step_down_share * session_usd <= hard_cap_usd")
