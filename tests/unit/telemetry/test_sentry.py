from __future__ import annotations

import asyncio
import logging
import time

import pytest
import structlog

from agent.core.calls import Fallback
from agent.core.errors import ConfigurationError
from agent.telemetry import catalog
from agent.telemetry.events import SessionEnded, SessionOutcome, TurnFinished
from agent.telemetry.exposition import Metrics
from agent.telemetry.log import configure_logging
from agent.telemetry.sentry import Pace, SentrySink, scrub, sentry_client
from agent.telemetry.timeline import TurnOutcome
from tests.support.receivers import Receiver, receiver, sentry_events
from tests.support.records import BUDGETS, SESSION, turn

SECRETS = (
    "sk-ant-REDACTED",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJrZXkifQ.c2lnbmF0dXJl",
    "Bearer abcdefgh12345678",
    "postgresql://agent:hunter2hunter2@db/agent",
    "0123456789abcdef0123456789abcdef01234567",
)


def sink_to(found: Receiver, metrics: Metrics | None = None, every_s: float = 60.0) -> SentrySink:
    dsn = f"{found.url.replace('://', '://public@')}/42"
    client = sentry_client(dsn, release="voice-agent@1.2.3", environment="staging")
    return SentrySink(client, metrics or Metrics(), BUDGETS, every_s=every_s)


async def test_a_slow_turn_is_a_warning_with_its_stage_and_breakdown() -> None:
    with receiver() as found:
        sink = sink_to(found)
        move = Fallback("llm", "haiku", "sonnet", "timeout", 100.9)
        record = turn(llm_s=1.7, fallbacks=[move])
        sink.handle(TurnFinished(SESSION, turn()))
        sink.handle(TurnFinished(SESSION, record))
        await asyncio.to_thread(sink.close)
        (event,) = sentry_events(found)
        path = found.posts[0][0]
    assert path == "/api/42/envelope/"
    assert event["level"] == "warning"
    assert event["message"] == "Turn over budget: llm"
    assert event["fingerprint"] == ["turn over budget", "llm", "haiku_first", "replied"]
    assert event["release"] == "voice-agent@1.2.3"
    assert event["environment"] == "staging"
    assert event["tags"] == {
        "tier": "premium",
        "policy": "haiku_first",
        "policy_version": "1",
        "stage": "llm",
        "outcome": "replied",
        "model": "haiku",
    }
    context = event["contexts"]["voice agent"]
    assert context["session_id"] == SESSION.session_id
    assert context["trace_id"] == record.trace_id
    assert (context["stt_ms"], context["llm_ms"], context["tts_ms"]) == (300, 1700, 200)
    assert context["voice_to_voice_ms"] == 2260
    assert context["budget_ms"] == 1500
    assert context["fallbacks"] == "llm: haiku timeout"
    assert "user" not in event
    assert "breadcrumbs" not in event
    assert SESSION.subject not in str(event)


async def test_a_session_over_its_alert_threshold_is_a_warning_with_its_bill() -> None:
    limit = BUDGETS.tiers[SESSION.tier].alert_usd
    with receiver() as found:
        for usd in (limit, limit + 0.05):
            sink = sink_to(found)
            bill = {"stt": 0.001, "llm": 0.0, "tts": 0.002}
            sink.handle(SessionEnded(SESSION, SessionOutcome.COMPLETED, 321.5, 24, 2, usd, bill))
            await asyncio.to_thread(sink.close)
        (event,) = sentry_events(found)
    assert event["message"] == "Session over budget: tts"
    assert event["fingerprint"] == ["session over budget", "tts", "haiku_first", "premium"]
    context = event["contexts"]["voice agent"]
    assert context["cost_usd"] == pytest.approx(limit + 0.05)
    assert context["tts_usd"] == 0.002
    assert context["turns"] == 24


async def test_reports_of_a_kind_come_at_most_once_a_minute_and_say_how_many_were_left_out() -> None:
    pace = Pace(60.0)
    assert pace.admit(("a",), 0.0) == 0
    assert [pace.admit(("a",), at) for at in (1.0, 30.0, 59.9)] == [None, None, None]
    assert pace.admit(("b",), 30.0) == 0
    assert pace.admit(("a",), 60.0) == 3
    for number in range(10_000):
        pace.admit((str(number),), 61.0)
    assert pace.admit(("a",), 61.0) == 0, "the oldest kinds are forgotten: memory has a bound"

    with receiver() as found:
        sink = sink_to(found)
        for _ in range(10):
            sink.handle(TurnFinished(SESSION, turn(llm_s=2.0)))
        sink.handle(TurnFinished(SESSION, turn(llm_s=2.0, outcome=TurnOutcome.APOLOGY)))
        await asyncio.to_thread(sink.close)
        assert len(sentry_events(found)) == 2


async def test_nothing_waits_for_sentry_and_what_does_not_fit_is_counted() -> None:
    metrics = Metrics()
    with receiver() as found:
        found.answer.clear()  # Sentry hangs
        sink = sink_to(found, metrics, every_s=0.0)
        worst = 0.0
        for _ in range(400):
            began = time.perf_counter()
            sink.handle(TurnFinished(SESSION, turn(llm_s=2.0)))
            worst = max(worst, time.perf_counter() - began)
        found.answer.set()
        await asyncio.to_thread(sink.close)
    assert worst < 1.0, "a report that is sent where it is made would have waited for the receiver"
    lost = metrics.child(catalog.QUEUE_DROPS, "sentry")._value.get()
    assert 0 < lost <= 400


async def test_logged_exceptions_are_reported_with_ids_and_without_what_was_said() -> None:
    configure_logging("json", "error")
    said = "my card number is four four one seven"
    with receiver() as found:
        sink = sink_to(found)
        root = logging.getLogger()
        root.addHandler(sink.handler)
        try:
            _fail(ValueError(f"cannot parse {said!r}"), said)
            _fail(ConfigurationError(f"the key {SECRETS[0]} was not taken"), said)
            logging.getLogger("somebody.else").error("no exception, no report")
        finally:
            root.removeHandler(sink.handler)
        await asyncio.to_thread(sink.close)
        foreign, ours = sentry_events(found)
    assert foreign["level"] == "error"
    assert foreign["message"] == "turn failed"
    assert foreign["fingerprint"] == ["turn failed", "ValueError", "test_sentry.py:_fail"]
    assert foreign["contexts"]["voice agent"] == {"session_id": "sess_1", "trace_id": "t1", "similar left out": 0}
    (value,) = foreign["exception"]["values"]
    assert value["type"] == "ValueError"
    assert value["value"] == "[hidden]"
    frames = value["stacktrace"]["frames"]
    assert frames[-1]["function"] == "_fail"
    assert all("vars" not in frame for frame in frames)
    assert ours["exception"]["values"][0]["value"] == "the key [hidden] was not taken"
    assert said not in str(foreign) + str(ours)


def _fail(error: Exception, said: str) -> None:
    log = structlog.get_logger()
    try:
        assert said
        raise error
    except Exception:
        log.exception("turn failed", session_id="sess_1", trace_id="t1")


@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_secret_is_hidden_wherever_it_stands(secret: str) -> None:
    found = scrub(
        {"message": f"before {secret} after", "tags": {"note": secret}, "contexts": {"a": {"b": [secret]}}}, {}
    )
    assert found is not None
    hidden = secret.partition("://")[2].partition("@")[0] or secret
    assert hidden not in str(found)
    assert str(found).count("[hidden]") == 3


def test_only_what_is_known_to_be_harmless_leaves() -> None:
    event = {
        "message": "m",
        "user": {"id": "1"},
        "request": {"url": "u"},
        "extra": {"text": "said"},
        "server_name": "host",
        "breadcrumbs": {"values": []},
        "modules": {},
    }
    assert scrub(event, {}) == {"message": "m"}  # pyright: ignore[reportArgumentType]  a plain dict as Sentry makes them


def test_the_client_is_ready_within_50_ms() -> None:
    best = min(_seconds_to_make_a_client() for _ in range(5))
    assert best < 0.05


def _seconds_to_make_a_client() -> float:
    began = time.perf_counter()
    client = sentry_client("http://public@127.0.0.1:9/1", release="r", environment="e")
    took = time.perf_counter() - began
    client.close(timeout=0.0)
    return took
