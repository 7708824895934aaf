"""What an agent decides about its sessions: which policies serve it, and what a call may cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.budgets import GovernorLimits, Tier, TierBudget
from agent.definitions.definition import AgentDefinition, AgentFile
from agent.policy.policies import load_policies
from agent.policy.speed import EarlyReplyRule
from agent.server.given_policy import policy_for
from agent.server.session_factory import budget_for, early_replies_for

BOOK = load_policies()


def agent(**more: object) -> AgentDefinition:
    file = AgentFile.model_validate({"name": "hotel", "version": 1, "prompt": "You answer.", **more})
    return AgentDefinition(file, Path("hotel.toml"))


def test_an_agent_is_served_by_the_policies_that_may() -> None:
    ids = [f"s{number}" for number in range(50)]
    assigned = {BOOK.assign(Tier.FREE, one).name for one in ids}
    assert {policy_for(BOOK, agent(), Tier.FREE, one).name for one in ids} == assigned
    for name in BOOK.policies:
        assert {policy_for(BOOK, agent(policies=[name]), Tier.FREE, one).name for one in ids} == {name}
    every = agent(policies=list(BOOK.policies))
    assert all(policy_for(BOOK, every, Tier.FREE, one) == BOOK.assign(Tier.FREE, one) for one in ids)


def test_a_chosen_policy_is_given_unless_it_may_not_serve_the_agent() -> None:
    assert policy_for(BOOK, agent(), Tier.FREE, "s1", "fast").name == "fast"
    assert policy_for(BOOK, agent(policies=["economy"]), Tier.FREE, "s1", "fast").name == "economy"
    assert policy_for(BOOK, agent(), Tier.FREE, "s1", "gone") == BOOK.assign(Tier.FREE, "s1")


@pytest.mark.parametrize(
    ("of_tier", "of_agent", "expected"), [(None, 0.3, 0.3), (0.2, 0.3, 0.2), (0.5, 0.3, 0.3), (0.5, None, 0.5)]
)
def test_a_call_ends_at_the_lower_of_the_caps(of_tier: float | None, of_agent: float | None, expected: float) -> None:
    budget = TierBudget(0.015, 0.1, governor=GovernorLimits(0.8, "economy", of_tier))
    made = budget_for(budget, agent(**({} if of_agent is None else {"usd_per_session": of_agent})))
    assert made.governor == GovernorLimits(0.8, "economy", expected)


@pytest.mark.parametrize(("recogniser", "guesses"), [(None, True), ("flux", True), ("nova-3", False)])
def test_a_policy_guesses_with_the_recogniser_that_it_was_made_for(recogniser: str | None, guesses: bool) -> None:
    fast = BOOK.policies["fast"]
    assert early_replies_for(fast, Tier.FREE, recogniser) == (fast.early_replies if guesses else None)
    assert early_replies_for(BOOK.policies["haiku_first"], Tier.FREE, recogniser) is None


def test_a_policy_for_nova_guesses_where_it_says_so() -> None:
    made = replace(BOOK.policies["fast"], stt_model="nova-3")
    assert early_replies_for(made, Tier.FREE, None) == early_replies_for(made, Tier.FREE, "nova-3") is not None
    only = replace(made, early_replies=EarlyReplyRule(stable_ms=60, tiers=(Tier.PREMIUM,)))
    assert early_replies_for(only, Tier.FREE, None) is None
