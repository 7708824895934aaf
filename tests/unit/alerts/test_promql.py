from __future__ import annotations

import pytest

from agent.telemetry import catalog
from agent.telemetry.recorded_metrics import recorded
from alerts.promql import (
    UnknownLabelError,
    UnknownPartError,
    average,
    equal,
    like,
    quantile,
    select,
    share,
    total,
    unequal,
    unlike,
    value,
)


def test_queries_name_metrics_through_the_catalog() -> None:
    where = [equal("tier", "free"), unequal("policy", "economy"), like("outcome", "a", "b"), unlike("outcome", "c")]
    assert select(catalog.TURNS, where) == (
        'voice_agent_turns_total{tier="free", policy!="economy", outcome=~"a|b", outcome!~"c"}'
    )
    assert total(catalog.TURNS, "1h", ("tier",)) == "sum by (tier) (increase(voice_agent_turns_total[1h]))"
    assert value(catalog.LOOP_LAG) == "max (voice_agent_event_loop_lag_seconds)"
    assert quantile(0.95, catalog.TURN_LATENCY, "5m") == (
        "histogram_quantile(0.95, sum by (le) (rate(voice_agent_turn_latency_seconds_bucket[5m])))"
    )
    assert average(catalog.SESSION_COST, "6h") == (
        "sum (increase(voice_agent_session_cost_usd_sum[6h])) / (sum (increase(voice_agent_session_cost_usd_count[6h]))"
        " > 0)"
    )
    assert share("a", "b", on=("tier",)) == "a / on (tier) group_left () (b > 0)"
    assert recorded("verdict", "", "tier").name == "voice_agent:verdict"


def test_a_label_that_a_metric_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownLabelError, match=r"fallbacks_total has no label 'tier'"):
        select(catalog.FALLBACKS, [equal("tier", "free")])
    with pytest.raises(UnknownLabelError):
        total(catalog.TURNS, "1h", ("stage",))
    with pytest.raises(UnknownLabelError):
        select(catalog.TURNS, [equal("le", "1")])


def test_a_histogram_is_named_by_its_part_and_nothing_else_has_one() -> None:
    assert select(catalog.TURN_LATENCY, [equal("le", "1.5")], "bucket").endswith('_bucket{le="1.5"}')
    with pytest.raises(UnknownPartError):
        select(catalog.TURN_LATENCY)
    with pytest.raises(UnknownPartError):
        select(catalog.TURNS, (), "sum")
