from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.reports.published_figures import (
    AFTER,
    BEFORE,
    PLAIN,
    TOTAL_AFTER,
    TOTAL_BEFORE,
    Amounts,
    allowed_shapes,
    cost,
    widest,
)


def test_the_published_totals_allow_no_spoken_session() -> None:
    most = widest(allowed_shapes())
    assert float(most.minutes) == pytest.approx(1.79, abs=0.005)
    assert float(most.characters) == pytest.approx(54, abs=0.5)
    assert float(most.tokens) == pytest.approx(4_413, abs=0.5)


def test_the_ends_of_the_segment_cost_exactly_what_was_published() -> None:
    few, many = allowed_shapes()
    assert float(few.minutes) == pytest.approx(1.30, abs=0.005)
    assert (few.tokens, many.characters) == (0, 0)
    for end in (few, many):
        assert cost(end, BEFORE) == TOTAL_BEFORE
        assert cost(end, AFTER) == TOTAL_AFTER


@given(st.fractions(0, 1))
def test_so_does_everything_between_them(share: Fraction) -> None:
    few, many = allowed_shapes()
    between = Amounts(
        *(
            getattr(few, name) * (1 - share) + getattr(many, name) * share
            for name in ("minutes", "characters", "tokens")
        )
    )
    assert cost(between, BEFORE) == TOTAL_BEFORE
    assert cost(between, AFTER) == TOTAL_AFTER


@given(st.fractions(0, 10), st.fractions(0, 100_000), st.fractions(0, 1_000_000))
def test_nothing_beyond_them_does(minutes: Fraction, characters: Fraction, tokens: Fraction) -> None:
    amounts = Amounts(minutes, characters, tokens)
    most = widest(allowed_shapes())
    if minutes > most.minutes or characters > most.characters or tokens > most.tokens:
        assert (cost(amounts, BEFORE), cost(amounts, AFTER)) != (TOTAL_BEFORE, TOTAL_AFTER)


def test_a_plain_spoken_session_at_the_published_prices() -> None:
    assert float(cost(PLAIN, BEFORE)) == pytest.approx(0.449, abs=0.0005)
    assert float(cost(PLAIN, AFTER)) == pytest.approx(0.154, abs=0.0005)
    speech = (
        PLAIN.characters * BEFORE.character / cost(PLAIN, BEFORE),
        PLAIN.characters * AFTER.character / cost(PLAIN, AFTER),
    )
    assert [round(100 * float(share)) for share in speech] == [90, 87]


def test_three_minutes_of_the_new_recogniser_alone_cost_more_than_the_published_total() -> None:
    assert 3 * AFTER.minute > TOTAL_AFTER
