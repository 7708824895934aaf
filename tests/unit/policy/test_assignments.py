"""A rollback leads back, never forward; and nothing that cannot be used gets in force."""

from __future__ import annotations

import pytest

from agent.budgets import Tier
from agent.policy.assignments import AssignmentError, Change, ChangeCause, described, returned_at
from tests.support.policies import BASELINE, A, B, C, TierHistory


def test_a_rollback_brings_back_what_was_there_before() -> None:
    past = TierHistory().assign(B).roll_back()
    assert past.weights == A
    assert past.revisions[-1].change.restores == 1


def test_one_rollback_after_the_other_leads_further_back_and_never_forward() -> None:
    past = TierHistory().assign(B).assign(C).roll_back()
    assert past.weights == B
    assert past.roll_back().weights == A
    assert past.roll_back().weights == BASELINE
    with pytest.raises(AssignmentError, match="nothing to roll back to: the baseline sonnet_first serves everybody"):
        past.roll_back()


def test_after_a_rollback_a_new_assignment_rolls_back_to_what_the_rollback_brought() -> None:
    past = TierHistory().assign(B).roll_back().assign(C).roll_back()
    assert past.weights == A
    assert past.roll_back().weights == BASELINE


def test_a_first_assignment_rolls_back_to_the_baseline() -> None:
    assert TierHistory().roll_back().weights == BASELINE


def test_a_rollback_can_be_taken_back_while_it_is_in_force() -> None:
    past = TierHistory().assign(B).roll_back()
    assert past.undo(3).weights == B
    assert past.roll_back().weights == A  # and rolled back again
    with pytest.raises(AssignmentError, match=r"revision 3 is no longer in force \(5 is\)"):
        past.undo(3)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"haiku_first": 90}, "takes weights that sum to 100, these sum to 90"),
        ({"opus_first": 100}, "unknown key; takes haiku_first | sonnet_first | economy"),
        ({"haiku_first": 101, "economy": -1}, "takes a whole number from 0 to 100"),
        ({**A, "economy": 0}, "is already in force"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weights: dict[str, int], message: str) -> None:
    with pytest.raises(AssignmentError, match=message.replace("|", r"\|")):
        TierHistory().assign(weights)


def test_a_policy_that_is_gone_does_not_come_back() -> None:
    past = TierHistory({"old_policy": 100}).assign(B)
    with pytest.raises(AssignmentError, match="old_policy: unknown key"):
        past.roll_back()


def test_weights_in_words() -> None:
    assert described({"haiku_first": 95, "economy": 0, "sonnet_first": 5}) == "haiku_first 95 %, sonnet_first 5 %"


def test_a_policy_is_there_since_it_last_came_back_whatever_was_raised_for_a_while() -> None:
    past = TierHistory()
    assert returned_at(past.revisions) == {}
    back = past.assign(BASELINE).assign(A).revisions[-1].at
    assert returned_at(past.revisions) == {"haiku_first": back}
    past.take(Change(Tier.FREE, {"haiku_first": 55, "sonnet_first": 45}, ChangeCause.HOLDOUT, "automatic", ""))
    past.take(Change(Tier.FREE, A, ChangeCause.HOLDOUT_OVER, "automatic", ""))
    assert returned_at(past.revisions) == {"haiku_first": back}
    again = past.assign(C).roll_back().revisions[-1].at
    assert returned_at(past.revisions)["haiku_first"] == again
