from __future__ import annotations

from pathlib import Path

import pytest

from agent.billing.budget_guard import CostStep, decide
from agent.budgets import DEFAULT_FILE, GovernorLimits, Tier, TierBudget, load_budgets
from agent.core.errors import ConfigurationError
from agent.policy.policies import load_policies

OFF = TierBudget(session_usd=0.1, alert_usd=0.2)
BOTH = TierBudget(session_usd=0.1, alert_usd=0.2, governor=GovernorLimits(step_down_share=0.8, hard_cap_usd=0.3))
CAP = TierBudget(session_usd=0.1, alert_usd=0.2, governor=GovernorLimits(hard_cap_usd=0.3))


@pytest.mark.parametrize(
    ("spent", "budget", "decision"),
    [
        (0.0, OFF, CostStep.NORMAL),
        (1_000.0, OFF, CostStep.NORMAL),
        (0.0799, BOTH, CostStep.NORMAL),
        (0.08001, BOTH, CostStep.STEP_DOWN),
        (0.2999, BOTH, CostStep.STEP_DOWN),
        (0.3, BOTH, CostStep.HARD_CAP),
        (9.0, BOTH, CostStep.HARD_CAP),
        (0.2999, CAP, CostStep.NORMAL),
        (0.3, CAP, CostStep.HARD_CAP),
    ],
)
def test_limits_hold_from_the_moment_they_are_reached(spent: float, budget: TierBudget, decision: CostStep) -> None:
    assert decide(spent, budget) is decision


def test_both_limits_are_off_by_default_and_the_display_goes_by_who_pays() -> None:
    policies = load_policies().policies
    for budget in load_budgets().tiers.values():
        assert budget.governor.step_down_policy in policies
        assert budget.governor == GovernorLimits(step_down_share=None, hard_cap_usd=None)
        assert budget.show_cost is None


def with_governor(tmp_path: Path, lines: str) -> Path:
    file = tmp_path / "budgets.toml"
    file.write_text(f"{DEFAULT_FILE.read_text()}\n[tiers.premium.governor]\n{lines}\n")
    return file


def test_a_tier_can_switch_them_on(tmp_path: Path) -> None:
    budgets = load_budgets(with_governor(tmp_path, "step_down_share = 5\nhard_cap_usd = 0.5"))
    assert decide(0.08, budgets.tiers[Tier.PREMIUM]) is CostStep.STEP_DOWN
    assert decide(0.08, budgets.tiers[Tier.FREE]) is CostStep.NORMAL


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("step_down_share = 0", "step_down_share takes"),
        ("step_down_share = nan", "step_down_share takes"),
        ("hard_cap_usd = -1", "hard_cap_usd takes"),
        ("step_down_share = 2\nhard_cap_usd = 0.02", "takes step_down_share * session_usd <= hard_cap_usd"),
        ("cap = 1", "cap"),
    ],
)
def test_limits_that_make_no_sense_stop_the_start(tmp_path: Path, lines: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint.replace("*", r"\*")):
        load_budgets(with_governor(tmp_path, lines))
