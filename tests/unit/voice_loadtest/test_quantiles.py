"""The caller's quantiles and the ledger's are the same ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.reports.period import quantiles
from voice_loadtest.quantiles import nearest_rank
from voice_loadtest.records import CallQuantiles

VALUES = st.lists(st.floats(0, 10_000, allow_nan=False), min_size=1, max_size=200)


@given(VALUES)
def test_caller_and_ledger_report_the_same_quantiles(values: list[float]) -> None:
    caller, ledger = CallQuantiles.of(values), quantiles(values)
    assert (caller.count, caller.p50, caller.p95) == (ledger.count, ledger.p50, ledger.p95)


@given(VALUES, st.floats(0.01, 1))
def test_a_quantile_is_a_measured_value_that_covers_its_share(values: list[float], share: float) -> None:
    (found,) = nearest_rank(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values) + 1e-9


def test_nothing_has_no_quantile() -> None:
    with pytest.raises(ValueError, match="nothing"):
        nearest_rank([], 0.5)
    assert CallQuantiles.of([None]) == CallQuantiles(0, None, None, None)
