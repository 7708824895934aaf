from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from statistics import median

import pytest

from agent.billing.prices import Charge, load_prices
from agent.billing.pricing import PricingSink
from agent.budgets import Tier
from agent.core.calls import Unit
from agent.telemetry.events import Cause, Paid, SessionStarted
from agent.telemetry.exposition import Metrics
from tests.support.factories import BUDGETS, NOON, call, ended, finished, heard, said, session, thought
from tools.bench.bench_meter import measure

BOOK = load_prices()


class Recorder:
    """Keeps what it is handed."""

    def __init__(self) -> None:
        self.charges: list[Charge] = []

    def record_charges(self, event: Paid, charges: Sequence[Charge], at: datetime) -> None:
        assert at == NOON
        self.charges += charges


def a_sink() -> tuple[PricingSink, Metrics, Recorder]:
    metrics, recorder = Metrics(), Recorder()
    return PricingSink(BOOK, metrics, BUDGETS, recorder, clock=lambda: NOON), metrics, recorder


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"voice_agent_{name}", labels)


def test_a_session_knows_what_it_costs_by_service() -> None:
    sink, _, recorder = a_sink()
    who = session()
    sink.handle(SessionStarted(who))
    sink.handle(finished(who, heard(60)))
    sink.handle(finished(who, thought()))
    sink.handle(finished(who, said(100), Cause.INTERRUPTED))
    cost = sink.running_cost("s1")
    assert cost.nano_usd == 6_500_000 + 115_000 + 4_000_000 == sum(c.nano_usd or 0 for c in recorder.charges)
    assert cost.by_service == {"stt": 0.0065, "llm": 0.000115, "tts": 0.004}
    assert cost.usd == 0.010615
    assert cost.tokens == 4_550


def test_costs_reach_the_counters_by_every_label() -> None:
    sink, metrics, _ = a_sink()
    who = session(tier=Tier.FREE)
    sink.handle(SessionStarted(who))
    sink.handle(finished(who, said(1_000), Cause.RETRY))
    sink.handle(finished(None, said(1_000), Cause.PROBE))
    labels = {"service": "tts", "provider": "elevenlabs", "model": "eleven_flash_v2_5"}
    assert sample(metrics, "cost_usd_total", **labels, tier="free", policy="standard", cause="retry") == 0.04
    assert sample(metrics, "cost_usd_total", **labels, tier="none", policy="none", cause="probe") == 0.04


def test_an_unknown_model_is_counted_as_unpriced_under_a_bounded_label() -> None:
    sink, metrics, recorder = a_sink()
    who = session()
    sink.handle(SessionStarted(who))
    sink.handle(finished(who, said(70, model="eleven_secret_v9")))
    assert sink.running_cost("s1").nano_usd == 0
    assert sample(metrics, "unpriced_usage_total", provider="elevenlabs", model="other", unit="characters") == 70
    assert [charge.nano_usd for charge in recorder.charges] == [None]
    assert "cost_usd_total{" not in metrics.render("")[0].decode()


def test_an_ended_session_is_observed_once_and_late_charges_still_count() -> None:
    sink, metrics, recorder = a_sink()
    who = session()
    sink.handle(SessionStarted(who))
    sink.handle(finished(who, said(500)))  # $0.02, over the objective of $0.015
    sink.handle(ended(who))
    sink.handle(finished(who, thought(), Cause.SUMMARY))
    assert sample(metrics, "session_cost_usd_sum", tier="premium", policy="standard") == 0.02
    assert sample(metrics, "session_cost_usd_count", tier="premium", policy="standard") == 1
    assert sample(metrics, "budget_breaches_total", budget="session_cost", tier="premium", policy="standard") == 1
    assert len(recorder.charges) == 4
    assert sink.running_cost("s1").nano_usd == 0  # nothing is kept of a session that is over


def test_the_cost_of_a_session_whose_policy_was_chosen_is_counted_and_decides_nothing() -> None:
    sink, metrics, _ = a_sink()
    who = replace(session(tier=Tier.FREE), policy_chosen=True)
    sink.handle(SessionStarted(who))
    sink.handle(finished(who, said(100_000)))
    sink.handle(ended(who))
    labels = {"service": "tts", "provider": "elevenlabs", "model": "eleven_flash_v2_5", "cause": "served"}
    assert sample(metrics, "cost_usd_total", **labels, tier="free", policy="standard") == 4.0
    assert not sample(metrics, "session_cost_usd_count", tier="free", policy="standard")
    assert not sample(metrics, "budget_breaches_total", budget="session", tier="free", policy="standard")
    assert sink.running_cost("s1").usd == 0, "it is forgotten"


def test_a_session_within_its_budget_is_no_breach() -> None:
    sink, metrics, _ = a_sink()
    who = session()
    sink.handle(SessionStarted(who))
    sink.handle(finished(who, said(375)))  # exactly $0.015
    sink.handle(ended(who))
    assert sample(metrics, "budget_breaches_total", budget="session_cost", tier="premium", policy="standard") is None


def test_a_resumed_session_goes_on_from_what_it_had_cost() -> None:
    sink, metrics, _ = a_sink()
    who = session()
    sink.handle(SessionStarted(who))
    sink.resume("s1", 30_000_000)
    sink.handle(finished(who, said(250)))
    assert sink.running_cost("s1").usd == 0.04
    sink.handle(ended(who))
    assert sample(metrics, "session_cost_usd_sum", tier="premium", policy="standard") == 0.04


def test_cached_speech_is_free_and_its_savings_are_counted() -> None:
    sink, metrics, _ = a_sink()
    who = session()
    sink.handle(SessionStarted(who))
    sink.handle(finished(who, said(1_000, provider="cache")))
    assert sink.running_cost("s1").nano_usd == 0
    assert sample(metrics, "audio_cache_saved_usd_total", model="eleven_flash_v2_5") == 0.04
    assert sample(metrics, "unpriced_usage_total", provider="cache", model="other", unit="characters") is None


def test_series_exist_before_the_first_call() -> None:
    sink, metrics, _ = a_sink()
    sink.prepare(
        [("tts", "elevenlabs", "eleven_flash_v2_5")], [(Tier.FREE, "standard")], {"tts": (Cause.SERVED, Cause.RETRY)}
    )
    labels = {
        "service": "tts",
        "provider": "elevenlabs",
        "model": "eleven_flash_v2_5",
        "tier": "free",
        "policy": "standard",
    }
    assert sample(metrics, "cost_usd_total", **labels, cause="served") == 0
    assert sample(metrics, "cost_usd_total", **labels, cause="retry") == 0
    assert sample(metrics, "session_cost_usd_count", tier="free", policy="standard") == 0
    assert sample(metrics, "unpriced_usage_total", provider="elevenlabs", model="other", unit="characters") == 0


def test_the_meter_sums_whole_nano_dollars() -> None:
    sink, _, _ = a_sink()
    who = session()
    sink.handle(SessionStarted(who))
    for _ in range(10_000):
        sink.handle(finished(who, call("stt", "deepgram", "flux-general-en", {Unit.AUDIO_SAMPLES: 1})))
    assert sink.running_cost("s1").nano_usd == 10_000 * 7  # 6.77 nano-dollars a sample, rounded with each charge


@pytest.mark.timing
def test_the_meter_takes_less_than_a_fifth_of_a_millisecond_a_turn() -> None:
    sink = PricingSink(BOOK, Metrics(), BUDGETS)
    sink.handle(SessionStarted(session()))
    assert median(measure(sink.handle)) < 0.2
