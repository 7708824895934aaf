"""Writes turns of 20 sessions at once and prints each after its flush, until it is killed. Takes a database URL."""

from __future__ import annotations

import asyncio
import sys

from agent.billing.prices import load_prices
from agent.billing.pricing import PricingSink
from agent.ledger.ledger import Ledger
from agent.ledger.sink import LedgerSink
from agent.telemetry.events import SessionStarted, Sinks, TurnFinished
from agent.telemetry.exposition import Metrics
from tests.support.factories import BUDGETS, finished, said, session, thought, turn


async def talk(name: str, ledger: Ledger, sinks: Sinks) -> None:
    """One session that never ends; a turn is announced only when the ledger has it."""
    who = session(name)
    sinks.handle(SessionStarted(who))
    for number in range(1, 1_000_000):
        sinks.handle(finished(who, thought(), turn=number))
        sinks.handle(finished(who, said(number), turn=number))
        sinks.handle(TurnFinished(who, turn(number)))
        if await ledger.flush_turn(name, number, timeout_s=30):
            sys.stdout.write(f"{name} {number}\n")
            sys.stdout.flush()


async def main(url: str) -> None:
    metrics = Metrics()
    ledger = Ledger(url, metrics)
    keeper = LedgerSink(ledger)
    sinks = Sinks([PricingSink(load_prices(), metrics, BUDGETS, keeper), keeper])
    async with ledger, asyncio.TaskGroup() as calls:
        for number in range(20):
            calls.create_task(talk(f"s{number}", ledger, sinks))


asyncio.run(main(sys.argv[1]))
