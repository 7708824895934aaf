"""The rules on small simulated services: a bad policy is found, a healthy one left alone, the simulator is fair."""

from __future__ import annotations

import pytest

from tests.support.promtool import needs_promtool
from tests.support.traffic_model import JUDGED, SimulatedService
from tools.alert_stats.detection import detection
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


@needs_promtool
@pytest.mark.slow
def test_a_bad_policy_of_a_busy_shop_is_found_in_time_and_a_healthy_one_is_left_alone() -> None:
    found = detection(120.0, 0.0, 1, 2, range(6), 4)
    assert not any(run.too_early for run in found.runs)
    assert found.found() == 1.0
    for run in found.runs:
        assert run.verdict is not None
        assert run.alert is not None
        assert 4 <= run.alert - run.verdict <= 12


@needs_promtool
@pytest.mark.slow
def test_fast_burns_are_counted_where_turns_are_slow_and_not_at_the_objective() -> None:
    """The same service at both shares: an alert that is not loaded, or always silent, is not taken for a good one."""
    good, bad = false_alarms([Kind(120.0, 0.1, 0.05), Kind(120.0, 0.1, 0.4)], 1, range(1), every=4)
    assert good.days == bad.days == 1
    assert "VoiceAgentLatencyFastBurn" not in good.times
    assert bad.times["VoiceAgentLatencyFastBurn"] == 1
    assert bad.minutes["VoiceAgentLatencyFastBurn"] > 22 * 60


def test_calls_that_began_before_a_change_are_no_sample_of_it() -> None:
    fresh = SimulatedService("s", 1, 120.0, 600, 0.02, 0.15)
    changed = SimulatedService("s", 1, 120.0, 600, 0.02, 0.15, turns_bad=200)
    after_start, after_change = (service.enough_since_change(60, 10) for service in (fresh, changed))
    assert after_start is not None
    assert after_change is not None
    assert 5 <= after_change - 200 <= 12
    assert changed.enough_since_change(60, 10, 3) == max(after_change, changed.enough_since_change(1, 1, 3) or 0)
    assert SimulatedService("s", 1, 3.0, 60).enough_since_change(60, 10) is None
