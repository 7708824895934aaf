"""How sure it is that a policy is bad, on made-up calls: one caller is no crowd, a common cause is not the policy's."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from agent.budgets import load_budgets
from agent.policy.comparison import Comparison
from agent.policy.evidence import DAY, PATIENCE, CallCounts, Finding, TierEvidence
from agent.policy.signal_tests import SignalTest, signal_tests

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TESTS = signal_tests(load_budgets().objective.slow_turn_share)
SLOW = TESTS[0]


class Calls:
    """A tier's calls, one a minute."""

    def __init__(self) -> None:
        self.evidence = TierEvidence(TESTS, "sonnet_first", 30.0)
        self.at = BEGAN
        self.number = 0

    def take(self, policy: str, slow: int, *, count: int = 1, caller: str | None = None, turns: int = 6) -> Calls:
        for _ in range(count):
            self.number += 1
            self.at += MINUTE
            counts = {"slow_turns": (slow, turns), "no_reply": (0, turns), "lost_sessions": (0, 1)}
            who = caller or f"caller {self.number}"
            self.evidence.add(CallCounts(str(self.number), self.at, "free", policy, who, counts))
        return self

    @property
    def found(self) -> Finding:
        return self.evidence.finding("haiku_first", self.at)


def test_the_weight_of_a_call_is_the_ratio_of_two_beta_binomial_chances() -> None:
    """By the definition: the chance of each count, integrated over the call's own share (Riemann)."""

    def chance(bad: int, of: int, mean: float) -> float:
        strength = 1 / SLOW.correlation - 1
        a, b = mean * strength, (1 - mean) * strength
        steps = [(index + 0.5) / 200_000 for index in range(200_000)]
        beta = math.gamma(a) * math.gamma(b) / math.gamma(a + b)
        return sum(p ** (a - 1 + bad) * (1 - p) ** (b - 1 + of - bad) for p in steps) / 200_000 / beta

    expected = math.log(chance(2, 6, 0.15) / chance(2, 6, 0.05))
    assert SLOW.weight(2, 6) == pytest.approx(expected, abs=0.02)


def test_without_correlation_it_is_the_binomial_one() -> None:
    plain = SignalTest("slow_turns", 0.05, 0.15, 0.0)
    assert plain.weight(1, 3) == pytest.approx(math.log(0.15 / 0.05) + 2 * math.log(0.85 / 0.95))


def test_the_second_slow_turn_of_a_call_says_less_than_the_first_slow_turn_of_another() -> None:
    assert SLOW.weight(2, 6) < 2 * SLOW.weight(1, 6) + abs(SLOW.weight(0, 6))


def test_a_call_without_turns_says_nothing() -> None:
    assert SLOW.weight(0, 0) == 0.0


def test_a_healthy_policy_is_not_watched() -> None:
    found = Calls().take("haiku_first", 0, count=200).found
    assert (found.score, found.watched, found.comparison) == (0.0, False, Comparison.NONE)


def test_a_policy_that_is_bad_alone_is_found_and_told_from_the_baseline() -> None:
    calls = Calls().take("haiku_first", 0, count=30)
    for _ in range(20):
        calls.take("haiku_first", 2).take("sonnet_first", 0)
    assert calls.found.breach
    assert calls.found.comparison is Comparison.ALONE


def test_a_common_cause_is_named_however_good_the_week_before_was() -> None:
    calls = Calls().take("haiku_first", 0, count=300).take("sonnet_first", 0, count=300)
    for _ in range(20):
        calls.take("haiku_first", 2).take("sonnet_first", 2)
    assert calls.found.breach
    assert calls.found.comparison is Comparison.COMMON_CAUSE


def test_a_fault_after_a_common_cause_that_passed_is_found() -> None:
    calls = Calls()
    for _ in range(20):
        calls.take("haiku_first", 2).take("sonnet_first", 2)
    for _ in range(40):
        calls.take("haiku_first", 2).take("sonnet_first", 0)
    assert calls.found.comparison is Comparison.ALONE


@pytest.mark.parametrize("count", [5, 50, 500])
def test_one_caller_reaches_no_bound_however_often_he_calls(count: int) -> None:
    found = Calls().take("haiku_first", 6, count=count, caller="mallory").found
    assert found.score < 0.3
    assert not found.watched


def test_one_caller_of_the_baseline_decides_nothing() -> None:
    calls = Calls().take("haiku_first", 2, count=40).take("sonnet_first", 0, count=100, caller="eve")
    assert calls.found.comparison is Comparison.COMPARING


def test_a_few_callers_who_suffer_much_are_no_reason() -> None:
    """One call in ten is slow throughout, in the policy only: a line, a region, or somebody who plays a trick."""
    calls = Calls()
    for number in range(300):
        calls.take("haiku_first", 6 if number % 10 == 0 else 0).take("sonnet_first", 0)
        assert not (calls.found.breach and calls.found.comparison is Comparison.ALONE)


def test_hostile_callers_who_cannot_choose_their_policy_are_a_common_cause() -> None:
    calls = Calls()
    for number in range(300):
        calls.take("haiku_first", 6 if number % 3 == 0 else 0).take("sonnet_first", 6 if number % 3 == 1 else 0)
        assert not (calls.found.breach and calls.found.comparison is Comparison.ALONE)


def test_a_policy_whose_callers_all_wait_throughout_is_found_all_the_same() -> None:
    """Up to three callers in ten may play a trick; where nearly all suffer throughout, it is none."""
    calls = Calls().take("haiku_first", 0, count=30)
    for _ in range(20):
        calls.take("haiku_first", 6).take("sonnet_first", 0)
    assert calls.found.breach
    assert calls.found.comparison is Comparison.ALONE


def test_a_baseline_that_suffers_somewhat_less_suffers_as_well() -> None:
    """A slow recogniser adds the same to both, and the quicker model has more room for it."""
    calls = Calls().take("haiku_first", 0, count=30)
    for number in range(60):
        calls.take("haiku_first", 1 if number % 2 else 0).take("sonnet_first", 1 if number % 5 < 2 else 0)
        assert calls.found.comparison is not Comparison.ALONE


def test_three_calls_of_a_caller_are_compared_and_not_more() -> None:
    calls = Calls().take("haiku_first", 2, count=40)
    few = calls.take("sonnet_first", 0, count=3, caller="eve").take("sonnet_first", 0, caller="bob").found
    assert calls.take("sonnet_first", 0, count=200, caller="eve").found.comparison is few.comparison


def test_without_callers_of_the_baseline_a_person_is_asked_after_a_day() -> None:
    calls = Calls().take("haiku_first", 3, count=40)
    assert calls.found.comparison is Comparison.COMPARING
    calls.at += PATIENCE
    assert calls.found.comparison is Comparison.TOO_FEW_CALLERS


def test_a_service_that_recovers_is_soon_seen_to() -> None:
    calls = Calls().take("haiku_first", 4, count=500)
    assert calls.found.breach
    assert not calls.take("haiku_first", 0, count=60).found.watched


def test_one_caller_whose_calls_are_fine_hides_nobody_elses_wait() -> None:
    """A monitor, or somebody who wants the fault to stay: three good calls of his for each of another's bad ones."""
    calls = Calls()
    for _ in range(20):
        calls.take("haiku_first", 2).take("haiku_first", 0, count=3, caller="mallory")
    assert calls.found.breach


def test_calls_without_turns_do_not_raise_the_bound() -> None:
    """Nobody has the policy judged later by opening calls and hanging up."""
    usual, flooded = Calls(), Calls()
    usual.take("haiku_first", 0, count=30)
    for _ in range(30):
        flooded.take("haiku_first", 0).take("haiku_first", 0, count=50, turns=0)
        flooded.at -= 50 * MINUTE
    for calls in (usual, flooded):
        calls.take("haiku_first", 2, count=3)
    assert flooded.found.scores["slow_turns"] == pytest.approx(usual.found.scores["slow_turns"])


def test_a_busy_service_is_asked_for_more() -> None:
    """About one false suspicion in 30 days, whatever the traffic: the bound grows with the calls of a day."""
    quiet, busy = Calls(), Calls()
    quiet.at = busy.at = BEGAN + DAY
    for _ in range(20):
        quiet.take("haiku_first", 0)
        quiet.at += 20 * MINUTE
    busy.take("haiku_first", 0, count=1200)
    quiet.take("haiku_first", 2, count=3)
    busy.take("haiku_first", 2, count=3)
    assert quiet.found.score > 1.2 * busy.found.score


def test_the_same_calls_lead_to_the_same_findings() -> None:
    one, other = (Calls().take("haiku_first", 1, count=50).take("sonnet_first", 0, count=20) for _ in range(2))
    assert one.found == other.found
