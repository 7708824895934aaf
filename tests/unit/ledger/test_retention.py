"""What is forgotten: a caller on request, and what is old."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from agent.ledger.retention import forget, prune
from agent.ledger.tables import assignments, charges, memory_events, sessions, turns
from agent.telemetry.events import SessionStarted, TurnFinished
from tests.support.factories import NOON, ended, finished, said, session, turn
from tests.support.ledger_setup import LedgerSetup, open_setup


async def test_forgetting_a_caller_leaves_the_money(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        for name, subject in (("s1", "ada"), ("s2", "bob"), ("s3", "ada")):
            who = session(name, subject=subject)
            stack.sinks.handle(SessionStarted(who))
            stack.sinks.handle(finished(who, said()))
            stack.ledger.record_memory(name, 0, b'{"said": "my secret"}')
            stack.ledger.record_tool(name, 0, b'{"content": "my secret"}')
            stack.sinks.handle(TurnFinished(who, turn(1)))
        assert await stack.ledger.flush(timeout_s=20)

        counts = await forget(stack.ledger.engine, "ada")
        assert counts == {"sessions": 2, "turns": 2, "fallbacks": 0, "memory_events": 2, "tool_events": 2, "charges": 2}
        stack.sinks.handle(TurnFinished(session("s3", subject="ada"), turn(2)))  # the call is still running
        stack.ledger.record_memory("s3", 1, b'{"said": "another secret"}')
        stack.sinks.handle(finished(session("s3", subject="ada"), said()))
        assert await stack.ledger.flush(timeout_s=20)

        assert [row["session_id"] for row in await stack.rows(turns)] == ["s2"]
        assert [row["session_id"] for row in await stack.rows(memory_events)] == ["s2"]
        stored = await stack.rows(charges)
        assert sorted(str(row["session_id"]) for row in stored) == ["None", "None", "None", "s2"]
        assert sum(row["nano_usd"] for row in stored) == 4 * 4_480_000
        assert stack.sample("ledger_dropped_total", table="turns") == 0  # lost rows page somebody; these are none
        assert (await forget(stack.ledger.engine, "nobody"))["sessions"] == 0


async def test_retention_deletes_what_is_old_and_nothing_else(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        for name in ("s1", "s2"):
            who = session(name)
            for event in (SessionStarted(who), finished(who, said()), TurnFinished(who, turn(1)), ended(who)):
                stack.sinks.handle(event)
            stack.ledger.record_memory(name, 0, b"{}")
        assert await stack.ledger.flush(timeout_s=20)
        assert sum((await prune(stack.ledger.engine, NOON)).values()) == 0
        gone = await prune(stack.ledger.engine, NOON + timedelta(seconds=1))
        assert (gone["sessions"], gone["turns"], gone["charges"]) == (2, 2, 2)
        assert await stack.count(sessions) == 0


async def test_who_decided_what_outlives_callers_and_retention(database_url: str) -> None:
    first = {"tier": "free", "revision": 1, "at": NOON, "weights": {"haiku_first": 100}, "cause": "first start"}
    async with open_setup(database_url) as stack:
        stack.sinks.handle(SessionStarted(session()))
        assert await stack.ledger.flush(timeout_s=20)
        async with stack.ledger.engine.begin() as connection:
            await connection.execute(assignments.insert(), first | {"actor": "policy file", "reason": ""})
        before = await stack.rows(assignments)
        await forget(stack.ledger.engine, "ada")
        await prune(stack.ledger.engine, NOON + timedelta(days=3_650))
        assert await stack.rows(assignments) == before != []


async def test_retention_runs_by_itself(database_url: str) -> None:
    writer = LedgerSetup(database_url)
    async with writer.ledger:
        writer.sinks.handle(SessionStarted(session()))
        assert await writer.ledger.flush(timeout_s=20)
    async with open_setup(database_url, retention_days=30, clock=lambda: NOON + timedelta(days=31)) as stack:
        async with asyncio.timeout(20):
            while await stack.count(sessions):
                pass
