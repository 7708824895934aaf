"""What the meter and the ledger's sink take from the event loop, per turn: `python -m tools.bench.bench_meter`.

A turn is one recogniser report, one reply of the model, three clauses of speech and the finished timeline. Only the
work on the event loop between two audio frames is measured; commits are measured apart.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import warnings
from collections.abc import Callable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from agent.ledger.ledger import Ledger

from agent.billing.prices import load_prices
from agent.billing.pricing import PricingSink
from agent.ledger.sink import LedgerSink
from agent.telemetry.events import Event, SessionStarted, Sinks, TurnFinished
from agent.telemetry.exposition import Metrics
from tests.support.factories import BUDGETS, finished, heard, said, session, thought, turn
from voice_loadtest.quantiles import nearest_rank

TURNS = 5_000


def events_of_a_turn() -> list[Event]:
    """What the sinks see of one turn."""
    who = session()
    calls = (heard(6), thought(), said(40), said(52), said(31))
    return [*(finished(who, call) for call in calls), TurnFinished(who, turn(1, calls=calls))]


def measure(handle: Callable[[Event], None]) -> list[float]:
    """Milliseconds of each of `TURNS` turns."""
    events = events_of_a_turn()
    times: list[float] = []
    for _ in range(TURNS):
        began = time.perf_counter()
        for event in events:
            handle(event)
        times.append((time.perf_counter() - began) * 1000)
    return times


def show(name: str, times: list[float]) -> None:
    p50, p99 = nearest_rank(times, 0.5, 0.99)
    sys.stdout.write(f"{name:42} p50 {p50:.4f} ms   p99 {p99:.4f} ms\n")


async def commits(ledger: Ledger, sinks: Sinks) -> list[float]:
    """Milliseconds from a turn's end to its commit, one turn at a time."""
    times: list[float] = []
    who = session()
    events = events_of_a_turn()[:-1]
    for number in range(1, 301):
        for event in events:
            sinks.handle(event)
        began = time.perf_counter()
        sinks.handle(TurnFinished(who, turn(number)))
        await ledger.flush_turn("s1", number, timeout_s=10)
        times.append((time.perf_counter() - began) * 1000)
    return times


async def main() -> None:
    book, metrics = load_prices(), Metrics()
    money = PricingSink(book, metrics, BUDGETS)
    money.handle(SessionStarted(session()))
    show("meter alone", measure(money.handle))
    with tempfile.TemporaryDirectory() as directory:
        idle = Ledger(f"sqlite:///{directory}/idle.db", metrics, spool_rows=TURNS * 20)
        keeper = LedgerSink(idle)
        show("meter and ledger sink", measure(Sinks([PricingSink(book, metrics, BUDGETS, keeper), keeper]).handle))
        ledger = Ledger(f"sqlite:///{directory}/ledger.db", metrics)
        keeper = LedgerSink(ledger)
        sinks = Sinks([PricingSink(book, metrics, BUDGETS, keeper), keeper])
        async with ledger:
            sinks.handle(SessionStarted(session()))
            await ledger.flush(10)
            began = time.process_time()
            times = await commits(ledger, sinks)
            busy = (time.process_time() - began) * 1000 / len(times)
        show("turn's end to its commit (SQLite)", times)
        sys.stdout.write(f"{'processor time of a commit, all threads':42} mean {busy:.4f} ms\n")


if __name__ == "__main__":
    asyncio.run(main())
