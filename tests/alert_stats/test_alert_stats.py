"""The rules on small simulated shops: a bad policy is found, a healthy one is left alone, and the simulator is fair."""

from __future__ import annotations

import pytest

from tests.alert_stats.detection import detection
from tests.alert_stats.false_alarms import Kind, episodes, false_alarms
from tests.alert_stats.shop import JUDGED, Shop
from tests.alerts.promtool import needs_promtool


def total(shop: Shop, metric: str, policy: str) -> int:
    """What a counter of a shop ends at."""
    (values,) = (
        series["values"]
        for series in shop.series()
        if series["series"].startswith(f"voice_agent_{metric}{{") and f'policy="{policy}"' in series["series"]
    )
    return int(values.split()[-1].partition("x")[0])


@pytest.mark.parametrize("correlation", [0.0, 0.2])
def test_a_shop_has_the_calls_and_the_slow_share_that_it_was_given(correlation: float) -> None:
    shop = Shop("s", 1, 120.0, 3 * 1_440, 0.05, 0.05, correlation=correlation)
    calls, turns = total(shop, "sessions_total", JUDGED), total(shop, "turns_owed_total", JUDGED)
    assert calls == pytest.approx(3 * 24 * 120 * 0.95, rel=0.03)
    assert turns == pytest.approx(6 * calls, rel=0.02)
    assert total(shop, "budget_breaches_total", JUDGED) == pytest.approx(0.05 * turns, rel=0.06)


def test_slow_turns_of_a_correlated_shop_gather_in_few_calls() -> None:
    spread, gathered = (Shop("s", 1, 120.0, 1_440, correlation=correlation) for correlation in (0.0, 0.3))
    assert total(gathered, "slow_sessions_total", JUDGED) > 1.3 * total(spread, "slow_sessions_total", JUDGED)


def test_the_same_seed_is_the_same_shop() -> None:
    one, same, other = (list(Shop("s", seed, 20.0, 300).series()) for seed in (4, 4, 5))
    assert one == same != other


def test_a_shop_counts_what_promtool_can_read() -> None:
    for series in Shop("s", 3, 30.0, 120).series():
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
def test_a_busy_day_at_the_objective_wakes_nobody_by_a_fast_burn() -> None:
    [found] = false_alarms([Kind(120.0, 0.0, 0.05)], 1, range(2), every=4)
    assert found.days == 2
    assert found.times.get("VoiceAgentLatencyFastBurn", 0) == 0
