"""The baseline gets more callers while a policy is watched, a day at most and once a day; a rollback leads past it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agent.budgets import Tier
from agent.policy.assignments import Change, ChangeCause, chosen
from agent.policy.comparison import Comparison
from agent.policy.evidence import DAY, Finding
from agent.policy.holdout import plan_holdout
from tests.support.policies import BASELINE, BEGAN, BOOK, A, B, TierHistory

NOW = BEGAN + 10 * DAY
RAISED = {"haiku_first": 50, "sonnet_first": 50}


def watched(comparison: Comparison = Comparison.COMPARING, policy: str = "haiku_first") -> dict[str, Finding]:
    return {policy: Finding({"slow_turns": 0.7}, comparison, 5, 1, NOW)}


def plan(past: TierHistory, findings: Mapping[str, Finding], at: datetime = NOW) -> Change | None:
    return plan_holdout(BOOK.baseline, Tier.FREE, past.revisions, findings, at)


def raised(past: TierHistory | None = None, at: datetime = NOW) -> TierHistory:
    past = past or TierHistory()
    change = plan(past, watched(), at)
    assert change is not None
    past.take(change)
    past.revisions[-1] = replace(past.revisions[-1], at=at)
    return past


def test_a_policy_that_is_watched_gets_more_callers_to_be_compared_with() -> None:
    change = plan(TierHistory(), watched())
    assert change is not None
    assert (change.weights, change.cause, change.actor) == (RAISED, ChangeCause.HOLDOUT, "automatic")
    assert "haiku_first is watched" in change.reason


def test_several_policies_share_what_is_left_as_they_did() -> None:
    past = TierHistory().assign({"economy": 1, "haiku_first": 94, "sonnet_first": 5})
    change = plan(past, watched(policy="economy"))
    assert change is not None
    assert change.weights == {"economy": 1, "haiku_first": 49, "sonnet_first": 50}


@pytest.mark.parametrize("comparison", [Comparison.NONE, Comparison.ALONE, Comparison.COMMON_CAUSE])
def test_what_is_decided_or_not_suspected_needs_no_callers(comparison: Comparison) -> None:
    assert plan(TierHistory(), watched(comparison)) is None


def test_a_policy_that_nobody_gets_raises_nothing() -> None:
    assert plan(TierHistory(), watched(policy="economy")) is None
    assert plan(TierHistory(RAISED), watched()) is None
    assert plan_holdout(BOOK.baseline, Tier.FREE, [], watched(), NOW) is None


def test_it_ends_when_the_question_is_answered_and_what_was_before_comes_back() -> None:
    for answer, hours in ((watched(Comparison.COMMON_CAUSE), 1), (watched(Comparison.NONE), 6), ({}, 6)):
        over = plan(raised(), answer, NOW + timedelta(hours=hours))
        assert over is not None
        assert (over.weights, over.cause) == (A, ChangeCause.HOLDOUT_OVER)
    assert plan(raised(), watched(), NOW + timedelta(hours=23)) is None
    assert plan(raised(), watched(Comparison.ALONE), NOW + timedelta(hours=23)) is None  # a rollback is next


def test_a_suspicion_that_goes_and_comes_back_finds_it_still_raised() -> None:
    past = raised()
    assert plan(past, watched(Comparison.NONE), NOW + timedelta(hours=5)) is None
    assert plan(past, watched(), NOW + timedelta(hours=7)) is None


def test_it_ends_after_a_day_and_does_not_come_back_on_the_same_day() -> None:
    past = raised()
    over = plan(past, watched(), NOW + DAY)
    assert over is not None
    past.take(over)
    assert plan(past, watched(), NOW + DAY - timedelta(minutes=1)) is None
    assert plan(past, watched(), NOW + DAY + timedelta(minutes=1)) is not None


def test_a_rollback_leads_past_a_raised_holdout() -> None:
    assert raised().roll_back().weights == BASELINE
    canary = raised(TierHistory().assign(B))
    assert canary.roll_back().weights == A


def test_a_rollback_that_is_taken_back_brings_what_somebody_chose_not_the_holdout() -> None:
    past = raised(TierHistory().assign(B)).roll_back()
    assert past.undo(len(past.revisions)).weights == B


def test_an_assignment_that_was_chosen_is_still_known_while_it_is_raised() -> None:
    assert chosen(raised().revisions).weights == A
