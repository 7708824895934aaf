"""The rules on small simulated services: a bad policy is found, a healthy one left alone, the simulator is fair."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.policy.assignments import ChangeCause
from agent.policy.comparison import Comparison
from tests.support.promtool import needs_promtool
from tests.support.traffic_model import JUDGED, SimulatedService
from tools.alert_stats.closed_loop import Traffic, play
from tools.alert_stats.decisions import decide
from tools.alert_stats.false_alarms import Kind, episodes, false_alarms


def total(service: SimulatedService, metric: str, policy: str) -> int:
    """What a counter of a service ends at."""
    (values,) = (
        series["values"]
        for series in service.series()
        if series["series"].startswith(f"voice_agent_{metric}{{") and f'policy="{policy}"' in series["series"]
    )
    return int(values.split()[-1].partition("x")[0])


@pytest.mark.parametrize("correlation", [0.0, 0.2])
def test_a_shop_has_the_calls_and_the_slow_share_that_it_was_given(correlation: float) -> None:
    service = SimulatedService("s", 1, 120.0, 3 * 1_440, 0.05, 0.05, correlation=correlation)
    calls, turns = total(service, "sessions_total", JUDGED), total(service, "turns_owed_total", JUDGED)
    assert calls == pytest.approx(3 * 24 * 120 * 0.95, rel=0.03)
    assert turns == pytest.approx(6 * calls, rel=0.02)
    assert total(service, "budget_breaches_total", JUDGED) == pytest.approx(0.05 * turns, rel=0.06)


def test_slow_turns_of_a_correlated_shop_gather_in_few_calls() -> None:
    spread, gathered = (SimulatedService("s", 1, 120.0, 1_440, correlation=correlation) for correlation in (0.0, 0.3))
    assert total(gathered, "slow_sessions_total", JUDGED) > 1.3 * total(spread, "slow_sessions_total", JUDGED)


def test_the_same_seed_is_the_same_shop() -> None:
    one, same, other = (list(SimulatedService("s", seed, 20.0, 300).series()) for seed in (4, 4, 5))
    assert one == same != other


def test_a_shop_counts_what_promtool_can_read() -> None:
    for series in SimulatedService("s", 3, 30.0, 120).series():
        length = sum(int(run.partition("x")[2]) + 1 for run in series["values"].split())
        assert length == 61, series


def test_episodes_are_counted_where_they_begin() -> None:
    assert episodes([5, 6, 7, 12, 13, 40], 1) == 3
    assert episodes([10, 15, 20, 40], 5) == 2
    assert episodes([], 1) == 0


FAULT = Traffic(60.0, 34.0, 0.02, 0.25, 0.02, 24.0, 0.1)


@needs_promtool
@pytest.mark.slow
def test_a_bad_policy_is_suspected_and_rolled_back_and_a_common_cause_is_not() -> None:
    """The closed loop: tests of ended calls, holdout, the generated rules, the judgement."""
    for one in decide([play(FAULT, seed) for seed in range(8)], FAULT.hours, 4):
        assert one.first(one.found, 24.0) < 2.0
        assert one.first(one.rolled_back, 24.0) < 4.0
    both = replace(FAULT, baseline=0.25)
    for one in decide([play(both, seed) for seed in range(8)], both.hours, 4):
        assert one.found
        assert one.common_cause
        assert not one.rolled_back


@pytest.mark.parametrize("correlation", [0.0, 0.1])
def test_a_service_at_its_limit_is_not_rolled_back(correlation: float) -> None:
    """Suspected by chance now and then, which makes nobody the policy's judge."""
    traffic = Traffic(60.0, 96.0, correlation=correlation)
    for seed in range(6):
        found = [moment.finding for moment in play(traffic, seed).moments]
        assert not any(one.breach and one.comparison is Comparison.ALONE for one in found)


@needs_promtool
@pytest.mark.slow
@pytest.mark.parametrize("hostile", [0.1, 0.3])
def test_hostile_callers_roll_nothing_back(hostile: float) -> None:
    traffic = replace(FAULT, judged=0.02, hostile=hostile)
    for one in decide([play(traffic, seed) for seed in range(8)], traffic.hours, 4):
        assert not one.rolled_back


def test_a_run_is_the_same_for_the_same_seed_and_raises_the_holdout_when_the_policy_turns_bad() -> None:
    one, same, other = (play(FAULT, seed) for seed in (1, 1, 2))
    assert one.moments == same.moments != other.moments
    causes = [revision.change.cause for revision in one.history]
    assert causes[0] is ChangeCause.FIRST
    assert ChangeCause.HOLDOUT in causes


@needs_promtool
@pytest.mark.slow
def test_fast_burns_are_counted_where_turns_are_slow_and_not_at_the_objective() -> None:
    """The same service at both shares: an alert that is not loaded, or always silent, is not taken for a good one."""
    good, bad = false_alarms([Kind(120.0, 0.1, 0.05), Kind(120.0, 0.1, 0.4)], 1, range(1), every=4)
    assert good.days == bad.days == 1
    assert "VoiceAgentLatencyFastBurn" not in good.times
    assert bad.times["VoiceAgentLatencyFastBurn"] == 1
    assert bad.minutes["VoiceAgentLatencyFastBurn"] > 22 * 60
