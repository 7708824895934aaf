"""Samples follow from events; label sets exist from the start and stay bounded."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from agent.budgets import Tier, load_budgets
from agent.core.calls import Call, ErrorKind, Unit, Usage
from agent.telemetry import catalog
from agent.telemetry.events import (
    BreakerChanged,
    CallFinished,
    Cause,
    SessionEnded,
    SessionInfo,
    SessionOutcome,
    SessionRefused,
    SessionStarted,
    TurnFinished,
    TurnRecognised,
)
from agent.telemetry.exposition import MAX_SERIES, Metrics
from agent.telemetry.metrics import Configured, MetricsSink
from agent.telemetry.stages import Mark
from agent.telemetry.timeline import Timeline, TurnOutcome
from tests.support.virtual_time import run_virtual

BUDGETS = load_budgets()
INFO = SessionInfo("s1", "somebody", Tier.FREE, "haiku_first", 1)
CONFIGURED = Configured(
    policies=((Tier.FREE, "haiku_first", 1), (Tier.PREMIUM, "haiku_first", 1)),
    models=(("llm", "anthropic", "claude-haiku-5-5"), ("tts", "elevenlabs", "flash"), ("stt", "deepgram", "flux")),
    rules=(("haiku", "default"),),
    moves=(("tts", "elevenlabs", "openai_tts"),),
)


def sink() -> tuple[Metrics, MetricsSink]:
    metrics = Metrics()
    return metrics, MetricsSink(metrics, BUDGETS, CONFIGURED, "1.0")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"voice_agent_{name}", labels)


def finished(outcome: TurnOutcome, seconds: float, *, spoken: bool = True) -> TurnFinished:
    timeline = Timeline(1, spoken)
    timeline.model, timeline.rule = "haiku", "default"
    for mark, share in zip(list(Mark)[:5], (0.0, 0.3, 0.6, 0.9, 1.0), strict=True):
        timeline.mark(mark, 10.0 + share * seconds)
    record = timeline.finish(outcome, ended_at=10.0 + seconds, network_s=0.05, budgets=BUDGETS.latency)
    return TurnFinished(INFO, record)


def test_every_series_that_can_occur_exists_before_the_first_event() -> None:
    metrics, _ = sink()
    assert value(metrics, "turns_total", tier="premium", policy="haiku_first", outcome="replied") == 0
    assert value(metrics, "turn_latency_seconds_count", tier="free", policy="haiku_first") == 0
    labels = {"service": "tts", "from_provider": "elevenlabs", "to_provider": "openai_tts", "reason": "timeout"}
    assert value(metrics, "fallbacks_total", **labels) == 0
    assert value(metrics, "budget_seconds", budget="voice_to_voice") == 1.5
    for source in ("elevenlabs", "recorded", "browser"):
        assert value(metrics, "reply_audio_seconds_total", source=source, tier="premium") == 0
    assert value(metrics, "api_calls_total", service="llm", provider="anthropic", model="other", outcome="ok") == 0


def test_the_seconds_of_a_reply_are_counted_by_voice() -> None:
    metrics, told = sink()
    timeline = Timeline(1, spoken=False)  # typed turns are heard too
    timeline.sounded("elevenlabs", 1.5)
    timeline.sounded("elevenlabs", 0.5)
    timeline.sounded("browser", 3.0)
    told.handle(
        TurnFinished(INFO, timeline.finish(TurnOutcome.TYPED, ended_at=9.0, network_s=None, budgets=BUDGETS.latency))
    )
    assert value(metrics, "reply_audio_seconds_total", source="elevenlabs", tier="free") == 2.0
    assert value(metrics, "reply_audio_seconds_total", source="browser", tier="free") == 3.0


def test_a_replied_turn_is_in_the_histogram_with_its_trace_as_exemplar() -> None:
    metrics, counted = sink()
    event = finished(TurnOutcome.REPLIED, 1.0)
    counted.handle(event)
    assert value(metrics, "turn_latency_seconds_sum", tier="free", policy="haiku_first") == 1.05
    assert value(metrics, "turns_owed_total", tier="free", policy="haiku_first") == 1
    assert value(metrics, "budget_breaches_total", budget="voice_to_voice", tier="free", policy="haiku_first") == 0
    body, headers = metrics.render("application/openmetrics-text; version=1.0.0")
    assert event.record.trace_id in body.decode()
    assert headers["content-type"].startswith("application/openmetrics-text")
    plain, _ = metrics.render("text/plain")
    assert event.record.trace_id not in plain.decode()


def test_a_first_turn_is_apart_and_a_caller_who_asks_again_is_counted() -> None:
    metrics, counted = sink()
    first = finished(TurnOutcome.REPLIED, 1.0)
    later = TurnFinished(INFO, replace(first.record, turn=2, asks_again=True))
    counted.handle(first)
    counted.handle(later)
    counted.handle(finished(TurnOutcome.APOLOGY, 1.0))
    who = {"tier": "free", "policy": "haiku_first"}
    assert value(metrics, "first_turn_latency_seconds_count", **who) == 1
    assert value(metrics, "reply_latency_seconds_count", **who) == 2
    assert value(metrics, "reasked_turns_total", **who) == 1


def test_the_headroom_of_an_answer_and_a_recognisers_confidence_are_shown() -> None:
    metrics, counted = sink()
    call = Call("llm", "anthropic", "claude-of-tomorrow", "ok", 1.0, 1.5, 2.0, Usage({}), headroom={"requests": 0.25})
    counted.handle(CallFinished(INFO, 1, call, Cause.SERVED))
    assert value(metrics, "rate_limit_left_share", provider="anthropic", model="other", limit="requests") == 0.25
    counted.handle(TurnRecognised(INFO, "deepgram", 0.72))
    assert value(metrics, "stt_confidence_ratio_bucket", provider="deepgram", le="0.7") == 0
    assert value(metrics, "stt_confidence_ratio_bucket", provider="deepgram", le="0.8") == 1


def test_a_turn_that_is_slow_by_its_network_alone_is_counted_apart() -> None:
    metrics, counted = sink()
    counted.handle(finished(TurnOutcome.REPLIED, 1.4))  # within the budget
    counted.handle(finished(TurnOutcome.REPLIED, 1.48))  # 1.53 s with a round trip of 50 ms
    counted.handle(finished(TurnOutcome.REPLIED, 1.6))  # slow by itself
    counted.handle(finished(TurnOutcome.APOLOGY, 1.48))  # no reply at all
    who = {"tier": "free", "policy": "haiku_first"}
    assert value(metrics, "budget_breaches_total", budget="voice_to_voice", **who) == 3
    assert value(metrics, "network_slow_turns_total", **who) == 1


def test_an_apology_is_a_breach_and_at_the_top_of_the_histogram() -> None:
    metrics, counted = sink()
    counted.handle(finished(TurnOutcome.APOLOGY, 0.3))
    assert value(metrics, "budget_breaches_total", budget="voice_to_voice", tier="free", policy="haiku_first") == 1
    assert value(metrics, "turn_latency_seconds_bucket", le="6.0", tier="free", policy="haiku_first") == 0
    assert value(metrics, "turn_latency_seconds_count", tier="free", policy="haiku_first") == 1


def test_typed_turns_are_counted_apart() -> None:
    metrics, counted = sink()
    counted.handle(finished(TurnOutcome.TYPED, 9.0, spoken=False))
    assert value(metrics, "turns_total", tier="free", policy="haiku_first", outcome="typed") == 1
    assert value(metrics, "turns_owed_total", tier="free", policy="haiku_first") == 0
    assert value(metrics, "turn_latency_seconds_count", tier="free", policy="haiku_first") == 0


def test_an_answer_to_an_echo_is_counted_apart_and_by_no_objective() -> None:
    metrics, counted = sink()
    counted.handle(finished(TurnOutcome.ECHO, 9.0))
    labels = {"tier": "free", "policy": "haiku_first"}
    assert value(metrics, "turns_total", outcome="echo", **labels) == 1
    assert value(metrics, "turns_owed_total", **labels) == 0
    assert value(metrics, "turn_latency_seconds_count", **labels) == 0
    assert value(metrics, "budget_breaches_total", budget="voice_to_voice", **labels) == 0


def test_a_session_with_two_slow_turns_is_a_slow_session() -> None:
    metrics, counted = sink()
    counted.handle(SessionStarted(INFO))
    assert value(metrics, "active_sessions", tier="free") == 1
    counted.handle(SessionEnded(INFO, SessionOutcome.COMPLETED, 42.0, 5, 2))
    assert value(metrics, "active_sessions", tier="free") == 0
    assert value(metrics, "slow_sessions_total", tier="free", policy="haiku_first") == 1
    assert value(metrics, "sessions_total", tier="free", policy="haiku_first", outcome="completed") == 1


def test_an_unknown_model_and_an_unknown_reason_become_other_words() -> None:
    metrics, counted = sink()
    usage = Usage({Unit.INPUT_TOKENS: 7, Unit.OUTPUT_TOKENS: 3})
    call = Call("llm", "anthropic", "claude-of-tomorrow", ErrorKind.TIMEOUT, 1.0, None, 2.0, usage)
    counted.handle(CallFinished(INFO, 1, call, Cause.RETRY))
    labels = {"service": "llm", "provider": "anthropic", "model": "other", "outcome": "timeout"}
    assert value(metrics, "api_calls_total", **labels) == 1
    assert value(metrics, "llm_tokens_total", model="other", kind="input") == 7
    counted.handle(SessionRefused(None, "token_of_a_kind_nobody_knows"))
    assert value(metrics, "sessions_refused_total", tier="unknown", reason="credential") == 1


def test_one_who_tries_again_and_again_is_one_caller_turned_away() -> None:
    async def scenario() -> None:
        metrics, counted = sink()
        for _ in range(40):
            counted.handle(SessionRefused(Tier.FREE, "overloaded", "192.0.2.7"))
        counted.handle(SessionRefused(Tier.FREE, "overloaded", "192.0.2.8"))
        counted.handle(SessionRefused(Tier.FREE, "rate", "192.0.2.9"))
        counted.handle(SessionRefused(None, "token_expired"))
        labels = {"tier": "free", "reason": "overloaded"}
        assert value(metrics, "sessions_refused_total", **labels) == 41
        assert value(metrics, "callers_refused_total", **labels) == 2
        await asyncio.sleep(601)
        counted.handle(SessionRefused(Tier.FREE, "overloaded", "192.0.2.7"))
        assert value(metrics, "callers_refused_total", **labels) == 3

    run_virtual(scenario())


def test_a_breaker_shows_its_state() -> None:
    metrics, counted = sink()
    counted.handle(BreakerChanged("elevenlabs", "flash", "open", "failures"))
    assert value(metrics, "breaker_state", provider="elevenlabs", model="flash") == 2


def test_names_follow_the_conventions_and_buckets_have_an_edge_on_every_budget() -> None:
    budgets = BUDGETS.latency.seconds()
    for metric in catalog.all_metrics():
        assert metric.name.startswith("voice_agent_")
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert not {"session_id", "subject", "user", "text", "path"} & set(metric.labels)
        assert metric.help.endswith(".") or metric.help[-1].isalnum(), metric.name
    assert budgets["voice_to_voice"] in catalog.TURN_BUCKETS
    assert {budgets["stt"], budgets["llm"], budgets["tts"], budgets["network"]} <= set(catalog.STAGE_BUCKETS)
    names = [metric.name for metric in catalog.all_metrics()]
    assert len(names) == len(set(names))


def test_the_series_of_a_fresh_process_are_within_the_limit() -> None:
    metrics, _ = sink()
    body, _ = metrics.render("text/plain")
    series = sum(len(family.samples) for family in text_string_to_metric_families(body.decode()))
    assert 0 < series <= MAX_SERIES
