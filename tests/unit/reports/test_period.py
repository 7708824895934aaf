from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from agent.billing.prices import load_prices
from agent.budgets import Tier
from agent.reports.period import make_report, quantiles
from agent.reports.session import session_report
from agent.telemetry.catalog import TURN_BUCKETS
from agent.telemetry.events import Cause
from agent.telemetry.exposition import Metrics
from tests.support.factories import NOON, finished, said, session
from tests.support.ledger_day import a_day, a_session, told

BOOK = load_prices()
LATER = NOON + timedelta(seconds=1)


def total(metrics: Metrics, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    return math.fsum(
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == f"voice_agent_{name}" and labels.items() <= sample.labels.items()
    )


async def test_the_report_says_what_the_counters_say(database_url: str) -> None:
    ledger, metrics = await told(database_url, a_day())
    report = await make_report(ledger.engine, BOOK, NOON, LATER)
    await ledger.engine.dispose()

    for part in report.experience:
        assert part.turns == total(metrics, "turns_total", tier=part.tier)
        assert part.owed == total(metrics, "turns_owed_total", tier=part.tier)
        for outcome, count in part.outcomes.items():
            assert count == total(metrics, "turns_total", tier=part.tier, outcome=outcome)
        for budget, count in part.breaches.items():
            assert count == total(metrics, "budget_breaches_total", tier=part.tier, budget=budget)
    assert {part.tier: part.turns for part in report.experience} == {"free": 12, "premium": 30}
    assert sum(sum(part.fallbacks.values()) for part in report.experience) == total(metrics, "fallbacks_total") == 1

    assert {part.tier for part in report.spending} == {"free", "premium", "none"}
    for part in report.spending:
        assert part.total_usd == pytest.approx(total(metrics, "cost_usd_total", tier=part.tier), abs=1e-12)
        for cause, dollars in part.by_cause.items():
            assert dollars == pytest.approx(total(metrics, "cost_usd_total", tier=part.tier, cause=cause), abs=1e-12)
        for service, dollars in part.by_service.items():
            assert dollars == pytest.approx(
                total(metrics, "cost_usd_total", tier=part.tier, service=service), abs=1e-12
            )
        assert part.sessions == total(metrics, "session_cost_usd_count", tier=part.tier)


async def test_quantiles_stand_in_the_bucket_that_prometheus_interpolates_from(database_url: str) -> None:
    ledger, metrics = await told(database_url, a_day())
    report = await make_report(ledger.engine, BOOK, NOON, LATER)
    await ledger.engine.dispose()
    for part in report.experience:
        buckets = [
            (edge, total(metrics, "turn_latency_seconds_bucket", tier=part.tier, le=str(edge))) for edge in TURN_BUCKETS
        ]
        for q, value in ((0.5, part.voice_to_voice.p50), (0.95, part.voice_to_voice.p95)):
            assert value is not None
            assert bucket_of_rank(buckets, q * part.owed) == bucket_of(value)


def bucket_of_rank(buckets: Sequence[tuple[float, float]], rank: float) -> float:
    return next((edge for edge, count in buckets if count >= rank), math.inf)


def bucket_of(value: float) -> float:
    return next((edge for edge in TURN_BUCKETS if value <= edge), math.inf)


@given(st.lists(st.floats(0.01, 12), min_size=1, max_size=60))
def test_quantiles_by_nearest_rank_always_do(values: list[float]) -> None:
    registry = CollectorRegistry()
    histogram = Histogram("h", "h", buckets=TURN_BUCKETS, registry=registry)
    for value in values:
        histogram.observe(value)
    buckets = [(edge, registry.get_sample_value("h_bucket", {"le": str(edge)}) or 0.0) for edge in TURN_BUCKETS]
    found = quantiles(values)
    assert found.count == len(values)
    for q, value in ((0.5, found.p50), (0.95, found.p95)):
        assert value is not None
        assert bucket_of_rank(buckets, q * len(values)) == bucket_of(value)


def test_quantiles_of_nothing_are_unknown() -> None:
    assert (quantiles([]).p50, quantiles([]).p95) == (None, None)


async def test_waste_caches_and_unpriced_usage_are_told(database_url: str) -> None:
    ledger, _ = await told(database_url, a_day())
    report = await make_report(ledger.engine, BOOK, NOON, LATER, tier="free")
    await ledger.engine.dispose()
    [spent] = report.spending
    retried = (500 * 100 + 4_000 * 10 + 50 * 500) / 1e9
    assert spent.waste_usd == pytest.approx(0.002 + retried)
    assert spent.estimated_usd == pytest.approx(retried)
    assert spent.sonnet_ratio == 10 / 12
    assert spent.prompt_cache_ratio == 4_000 / 4_500
    assert spent.audio_cache_ratio == 200 / 1_260
    assert spent.audio_cache_saved_usd == pytest.approx(0.008)
    assert spent.unpriced == {"elevenlabs eleven_secret_v9 characters": 10}
    assert (spent.recogniser_s, spent.session_s) == (60, 60)
    [felt] = report.experience
    assert felt.fallbacks == {"tts elevenlabs → openai_tts (timeout)": 1}
    assert felt.voice_to_voice.p95 == 10.0  # the apology


async def test_unpriced_usage_of_several_causes_is_summed(database_url: str) -> None:
    free = session("f1", Tier.FREE)
    cut_off = finished(free, said(7, model="eleven_secret_v9"), Cause.INTERRUPTED)
    ledger, metrics = await told(database_url, [*a_day(), cut_off])
    report = await make_report(ledger.engine, BOOK, NOON, LATER, tier="free")
    await ledger.engine.dispose()
    assert report.spending[0].unpriced == {"elevenlabs eleven_secret_v9 characters": 17}
    assert total(metrics, "unpriced_usage_total") == 17


async def test_only_what_happened_in_the_period_counts(database_url: str) -> None:
    ledger, _ = await told(database_url, a_session(session(), [1.0]))
    report = await make_report(ledger.engine, BOOK, NOON - timedelta(hours=1), NOON)
    assert (report.experience, report.spending) == ((), ())
    assert len((await make_report(ledger.engine, BOOK, NOON, LATER)).spending) == 1
    await ledger.engine.dispose()


async def test_a_session_s_bill_adds_up_to_its_cost(database_url: str) -> None:
    ledger, _ = await told(database_url, a_day())
    found = await session_report(ledger.engine, "f1")
    assert await session_report(ledger.engine, "nobody") is None
    await ledger.engine.dispose()
    assert found is not None
    assert len(found.turns) == 12
    assert sum(line.usd or 0.0 for line in found.bill) == pytest.approx(found.usd)
    assert [line.model for line in found.bill if line.usd is None] == ["eleven_secret_v9"]
    assert found.bill[0].usd is None
    first = found.turns[0]
    assert first.timeline["calls"][0]["usage"] == {"input_tokens": 500, "cache_read_tokens": 4000, "output_tokens": 50}
    assert first.timeline["marks"]["audio_sent"] == pytest.approx(900)
