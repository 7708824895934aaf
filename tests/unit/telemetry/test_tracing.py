from __future__ import annotations

import asyncio
import secrets
import time

import pytest

from agent.core import clock
from agent.core.calls import ErrorKind, Fallback
from agent.telemetry import catalog
from agent.telemetry.events import CallFinished, Cause, SessionEnded, SessionOutcome, TurnFinished
from agent.telemetry.exposition import Metrics
from agent.telemetry.timeline import TurnOutcome
from agent.telemetry.tracing import TracingSink, otlp_exporter, session_context
from tests.support.receivers import Receiver, receiver, spans
from tests.support.records import SESSION, chat, turn

RESOURCE = {"service.name": "voice-agent", "deployment.environment.name": "test"}


def dropped(metrics: Metrics) -> float:
    return metrics.child(catalog.QUEUE_DROPS, "spans")._value.get()


def sink_to(found: Receiver, metrics: Metrics | None = None, keep: float = 1.0, queue: int = 4_096) -> TracingSink:
    return TracingSink(otlp_exporter(found.url), metrics or Metrics(), RESOURCE, keep=keep, queue_spans=queue)


async def test_a_collector_gets_one_trace_for_each_turn_linked_to_its_session() -> None:
    with receiver() as found:
        sink = sink_to(found)
        began = clock.now() - 3.0
        move = Fallback("llm", "haiku", "sonnet", "timeout", began + 0.4)
        record = turn(began, calls=[chat(began + 0.3, began + 0.6, began + 1.0)], fallbacks=[move])
        before = time.time()
        sink.handle(TurnFinished(SESSION, record))
        sink.handle(CallFinished(SESSION, None, chat(began, began + 1, began + 2), Cause.SUMMARY))
        sink.handle(SessionEnded(SESSION, SessionOutcome.COMPLETED, 2.5, 1, 0))
        await asyncio.to_thread(sink.close)
        got = spans(found)

    by_name = {span.name: span for span in got if span.trace_id == record.trace_id}
    root = by_name["turn"]
    assert set(by_name) == {"turn", "stt", "llm", "tts", "send", "chat claude-haiku-5-5"}
    assert {span.parent_id for name, span in by_name.items() if name != "turn"} == {root.span_id}
    assert root.parent_id == ""
    assert root.events == ["fallback"]
    assert root.attributes["voice_agent.tier"] == "premium"
    assert root.attributes["session.id"] == SESSION.session_id
    assert abs(root.start_s - (before - 3.0)) < 0.5, "wall-clock time"
    assert by_name["llm"].end_s - by_name["llm"].start_s == pytest.approx(0.3, abs=1e-5)

    home = session_context(SESSION.session_id)
    assert root.links == [(f"{home.trace_id:032x}", f"{home.span_id:016x}")]
    session = next(span for span in got if span.name == "session")
    assert (session.trace_id, session.span_id) == root.links[0]
    assert session.end_s - session.start_s == pytest.approx(2.5, abs=1e-3)
    summary = next(span for span in got if span.trace_id == session.trace_id and span.name.startswith("chat"))
    assert summary.parent_id == session.span_id
    assert {span.resource["service.name"] for span in got} == {"voice-agent"}


async def test_sampling_keeps_a_share_and_everything_remarkable() -> None:
    with receiver() as found:
        sink = sink_to(found, keep=0.25)
        plain = [turn() for _ in range(200)]
        over = [turn(llm_s=0.9) for _ in range(20)]
        failed = [turn(outcome=TurnOutcome.APOLOGY), turn(calls=[chat(1, None, 2, ErrorKind.EMPTY)])]
        for record in (*plain, *over, *failed):
            sink.handle(TurnFinished(SESSION, record))
        await asyncio.to_thread(sink.close)
        kept = {span.trace_id for span in spans(found)}
    assert {record.trace_id for record in (*over, *failed)} <= kept
    share = sum(record.trace_id in kept for record in plain) / len(plain)
    assert 0.05 < share < 0.5  # 200 draws at 25 %: outside is less likely than 1 in 10^9


async def test_the_decision_is_that_of_the_trace_id() -> None:
    with receiver() as found:
        sink = sink_to(found, keep=0.5)
        low, high = f"{secrets.token_hex(9)}{'0' * 14}", f"{secrets.token_hex(9)}{'f' * 14}"
        for trace_id in (low, high):
            sink.handle(TurnFinished(SESSION, turn(trace_id=trace_id)))
        await asyncio.to_thread(sink.close)
        assert {span.trace_id for span in spans(found)} == {low}


async def test_turns_that_do_not_fit_are_dropped_whole_and_counted() -> None:
    metrics = Metrics()
    with receiver() as found:
        found.answer.clear()  # the collector takes its time
        sink = sink_to(found, metrics, queue=20)
        for _ in range(40):
            sink.handle(TurnFinished(SESSION, turn()))
        lost = dropped(metrics)
        found.answer.set()
        await asyncio.to_thread(sink.close)
        got = spans(found)
    assert lost > 0
    assert lost % 5 == 0
    assert len(got) == 40 * 5 - lost
    roots = {span.span_id for span in got if span.name == "turn"}
    assert {span.parent_id for span in got if span.name != "turn"} <= roots


async def test_a_collector_that_is_gone_delays_the_end_by_seconds_only() -> None:
    with receiver() as found:
        url = found.url
    sink = TracingSink(otlp_exporter(url), Metrics(), RESOURCE)
    for _ in range(500):
        sink.handle(TurnFinished(SESSION, turn()))
    async with asyncio.timeout(20):
        await asyncio.to_thread(sink.close)
