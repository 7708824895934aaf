"""The order of the sinks carries no meaning: whatever it is, the same charges, samples, rows and reports come out."""

from __future__ import annotations

import asyncio
from itertools import permutations

import msgspec

from agent.billing.prices import load_prices
from agent.billing.pricing import PricingSink
from agent.budgets import Tier
from agent.core.calls import Fallback
from agent.ledger.ledger import Ledger
from agent.ledger.rows import LedgerRow
from agent.ledger.sink import LedgerSink
from agent.telemetry.events import (
    Event,
    FellBack,
    SessionEnded,
    SessionOutcome,
    SessionStarted,
    Sinks,
    TurnFinished,
)
from agent.telemetry.exposition import Metrics
from agent.telemetry.log import LogSink
from agent.telemetry.metrics import Configured, MetricsSink
from agent.telemetry.sentry import SentrySink, sentry_client
from tests.support.factories import BUDGETS, NOON, finished, heard, said, session, thought, turn
from tests.support.receivers import Receiver, receiver, sentry_events

WHO = session()
EVENTS: tuple[Event, ...] = (
    SessionStarted(WHO),
    finished(WHO, thought()),
    FellBack(WHO, Fallback("tts", "elevenlabs", "openai_tts", "timeout", 100.0)),
    finished(WHO, said(400)),
    TurnFinished(WHO, turn(server_s=3.0)),
    finished(WHO, heard(60), turn=None),
    SessionEnded(WHO, SessionOutcome.COMPLETED, 60.0, 1, 1, 0.9, {"stt": 0.1, "llm": 0.1, "tts": 0.7}),
)
SINKS = 5


class Queue(Ledger):
    """A ledger that keeps its rows."""

    def __init__(self) -> None:
        self.rows: list[LedgerRow] = []

    def record(self, row: LedgerRow) -> int | None:
        self.rows.append(row)
        return len(self.rows)


async def _outcome(order: tuple[int, ...], found: Receiver) -> tuple[str, list[str], list[str]]:
    """Everything that the sinks in this order made of the events."""
    already = len(sentry_events(found))
    metrics, queue = Metrics(), Queue()
    recorder = LedgerSink(queue, clock=lambda: NOON)
    client = sentry_client(found.url.replace("://", "://public@") + "/42", release="x", environment="test")
    sentry = SentrySink(client, metrics, BUDGETS)
    known = Configured(policies=((Tier.PREMIUM, WHO.policy, 3),), models=(), rules=())
    made = [
        PricingSink(load_prices(), metrics, BUDGETS, recorder, clock=lambda: NOON),
        recorder,
        MetricsSink(metrics, BUDGETS, known, "1"),
        LogSink(),
        sentry,
    ]
    sinks = Sinks([made[index] for index in order])
    for event in EVENTS:
        sinks.handle(event)
    await asyncio.to_thread(sentry.close)
    samples = sorted(
        f"{sample.name} {sorted(sample.labels.items())} {sample.value}"
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name.startswith("voice_agent_") and not sample.name.endswith("_created")
    )
    rows = sorted(f"{row.table} {_without_ids(row)}" for row in queue.rows)
    return "\n".join(samples), rows, [event["message"] for event in sentry_events(found)[already:]]


def _without_ids(row: LedgerRow) -> list[tuple[str, str]]:
    known = {key: value for key, value in row.values.items() if key not in ("id", "call_id", "trace_id")}
    return sorted((key, str(bytes(v) if isinstance(v, msgspec.Raw) else v)) for key, v in known.items())


async def test_shuffled_sinks_make_the_same_of_a_session() -> None:
    with receiver() as found:
        straight = await _outcome(tuple(range(SINKS)), found)
        assert sorted(straight[2]) == ["Session over budget: tts", "Turn over budget: send"]
        assert sum(row.startswith("charges") for row in straight[1]) >= 4
        assert "voice_agent_session_cost_usd_sum" in straight[0]
        for order in list(permutations(range(SINKS)))[7::17]:
            assert await _outcome(order, found) == straight, order
