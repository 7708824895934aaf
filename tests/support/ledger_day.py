"""A day of two tiers in a ledger, for the tests of reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent.billing.prices import load_prices
from agent.billing.pricing import PricingSink
from agent.budgets import Tier
from agent.core.calls import Fallback
from agent.ledger.ledger import Ledger
from agent.ledger.sink import LedgerSink
from agent.telemetry.events import Cause, Event, FellBack, SessionInfo, SessionStarted, Sinks, TurnFinished
from agent.telemetry.exposition import Metrics
from agent.telemetry.metrics import Configured, MetricsSink
from agent.telemetry.timeline import TurnOutcome
from tests.support.factories import BUDGETS, NOON, ended, finished, heard, said, session, thought, turn


def a_session(who: SessionInfo, waits: Sequence[float], *, sonnet: bool = False) -> list[Event]:
    """One turn for each wait (seconds of the server's part), then the end."""
    events: list[Event] = [SessionStarted(who), finished(who, heard(60), turn=None)]
    model = "claude-sonnet-5-5" if sonnet else "claude-haiku-5-5"
    for number, wait in enumerate(waits, start=1):
        calls = (thought(model), said(100))
        events += [finished(who, call, turn=number) for call in calls]
        events.append(TurnFinished(who, turn(number, server_s=wait, model=model, calls=calls)))
    return [*events, ended(who, turns=len(waits))]


def a_day() -> list[Event]:
    """Two tiers, 41 turns, an apology, an interruption, a retry, a fallback, a probe and unpriced usage."""
    events: list[Event] = []
    for number in range(10):
        events += a_session(session(f"p{number}"), [0.7 + 0.05 * number, 1.0, 1.45 + 0.1 * number])
    free = session("f1", Tier.FREE)
    events += a_session(free, [0.9] * 10, sonnet=True)
    events += [
        finished(free, said(50), Cause.INTERRUPTED),
        finished(free, thought(outcome="cancelled"), Cause.RETRY),
        finished(free, said(200, provider="cache")),
        finished(free, said(10, model="eleven_secret_v9")),
        finished(None, thought(output=1), Cause.PROBE, turn=None),
        FellBack(free, Fallback("tts", "elevenlabs", "openai_tts", "timeout", 101.0)),
        TurnFinished(free, turn(11, outcome=TurnOutcome.APOLOGY)),
        TurnFinished(free, turn(12, outcome=TurnOutcome.TYPED, spoken=False)),
    ]
    return events


async def told(url: str, events: Sequence[Event], at: datetime = NOON) -> tuple[Ledger, Metrics]:
    """A ledger that holds the events, closed, and the metrics that saw them."""
    metrics = Metrics()
    ledger = Ledger(url, metrics, clock=lambda: at)
    keeper = LedgerSink(ledger, clock=lambda: at)
    counters = MetricsSink(metrics, BUDGETS, Configured((), (), ()), "test")
    sinks = Sinks([counters, PricingSink(load_prices(), metrics, BUDGETS, keeper, clock=lambda: at), keeper])
    async with ledger:
        for event in events:
            sinks.handle(event)
        assert await ledger.flush(timeout_s=30)
    return ledger, metrics
