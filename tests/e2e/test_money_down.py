"""The database goes away in the middle of calls: nobody hears it, what fits is kept, what does not is counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from statistics import median
from typing import Any

import pytest

from agent.ledger.ledger import Ledger
from agent.server import wiring
from tests.support.billing import read_books
from tests.support.databases import PostgresServer
from tests.support.stack import Stack, clip, running_stack, sample
from voice_loadtest.caller import CallOptions
from voice_loadtest.records import CallerTurn, CallRecord
from voice_loadtest.run import run_load
from voice_loadtest.script import Speak, Step, Type

CALLERS = 6
TURNS = 6


def script(number: int) -> list[Step]:
    return [Type("Good morning"), Type("hello"), Speak(clip("smalltalk_01"))] * 2


async def reachable(stack: Stack, expected: bool) -> None:
    async with asyncio.timeout(30):
        while stack.wiring.ledger.reachable is not expected:  # noqa: ASYNC110  (there is no event for it)
            await asyncio.sleep(0.02)


async def calls_while_it_is_down(stack: Stack, postgres: PostgresServer) -> list[CallRecord]:
    """Stops PostgreSQL when the first callers have had a turn, and starts it when all have hung up."""
    begun = asyncio.Event()

    def note(turn: CallerTurn, call: CallRecord) -> None:
        begun.set()

    options = CallOptions(url=stack.url, gap_s=0.1)
    async with asyncio.TaskGroup() as group:
        load = group.create_task(run_load(CALLERS, script, options, stagger_s=0.2, on_turn=note))
        await begun.wait()
        await asyncio.to_thread(postgres.stop)
    await stack.quiet()
    assert not stack.wiring.ledger.reachable
    return load.result().records


@pytest.mark.slow
@pytest.mark.parametrize("spool_rows", [50_000, 90])
async def test_calls_go_on_without_their_database(
    spool_rows: int, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "Ledger", partial(Ledger, spool_rows=spool_rows))
    settings: dict[str, Any] = {"database_url": postgres.new_database(), "free_lag_s": 10.0, "any_lag_s": 10.0}
    running = True
    try:
        async with running_stack("instant", **settings) as stack:
            records = await calls_while_it_is_down(stack, postgres)
            running = False
            waiting = sample(await stack.metrics(), "voice_agent_ledger_queue_rows")
            await asyncio.to_thread(postgres.start)
            running = True
            await reachable(stack, True)
            assert await stack.wiring.ledger.flush(20)
            books = await read_books(stack.wiring.ledger.engine)
            text = await stack.metrics()
    finally:
        if not running:
            postgres.start()

    turns = [turn for record in records for turn in record.turns]
    assert len(turns) == CALLERS * TURNS
    assert all(turn.answered and turn.measured for turn in turns), Counter(turn.outcome for turn in turns)
    waits = [turn.response_ms for turn in turns if turn.response_ms is not None]
    assert median(waits) < 1_000
    metric = "voice_agent_ledger_dropped_total"
    dropped = {table: sample(text, metric, table=table) for table in ("sessions", "turns", "charges")}
    assert waiting > 0
    assert dropped["sessions"] == 0
    assert len(books.sessions) == CALLERS
    assert all(row.outcome == "completed" for row in books.sessions)
    assert len(books.turns) + dropped["turns"] == CALLERS * TURNS
    spent = Counter[str]()
    for row in books.charges:
        spent[row.session_id] += row.nano_usd
    assert {row.id: row.cost_nano_usd for row in books.sessions} == {row.id: spent[row.id] for row in books.sessions}
    if spool_rows == 50_000:
        assert sum(dropped.values()) == 0
        assert books.total / 1e9 == pytest.approx(sample(text, "voice_agent_cost_usd_total"), rel=1e-9)
    else:
        assert dropped["turns"] > 0
        assert dropped["charges"] > 0
