from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

import pytest

from agent.billing.pricing import utc_now
from agent.core.calls import Fallback, Unit
from agent.ledger.database import create_engine, migrate
from agent.ledger.rows import LedgerRow
from agent.ledger.tables import charges, fallbacks, memory_events, metadata, sessions, turns
from agent.telemetry.events import Cause, FellBack, SessionStarted, TurnFinished
from tests.support.factories import NOON, call, ended, finished, heard, said, session, thought, turn
from tests.support.ledger_setup import LedgerSetup, open_setup
from tests.support.paths import ROOT


async def test_a_session_is_stored_with_its_turns_charges_and_cost(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        who = session()
        for event in (
            SessionStarted(who),
            finished(who, heard(10), turn=None),
            finished(who, thought()),
            finished(who, said()),
            FellBack(who, Fallback("tts", "elevenlabs", "openai", "timeout", 101.0)),
            TurnFinished(who, turn(1, calls=(thought(), said()))),
        ):
            stack.sinks.handle(event)
        assert await stack.ledger.flush_turn("s1", 1, timeout_s=20)
        stack.sinks.handle(ended(who, turns=1))
        assert await stack.ledger.flush(timeout_s=20)

        [kept] = await stack.rows(sessions)
        stored = await stack.rows(charges)
        assert kept["outcome"] == "completed"
        assert kept["ended_at"] == NOON
        assert kept["cost_nano_usd"] == sum(row["nano_usd"] for row in stored)
        assert kept["cost_nano_usd"] == 1_083_333 + 50_000 + 40_000 + 25_000 + 4_480_000
        assert {(row["unit"], row["quantity"]) for row in stored} == {
            ("audio_samples", 160_000),
            ("input_tokens", 500),
            ("cache_read_tokens", 4_000),
            ("output_tokens", 50),
            ("characters", 112),
        }
        assert len({row["call_id"] for row in stored}) == 3
        [move] = await stack.rows(fallbacks)
        assert (move["from_provider"], move["to_provider"], move["reason"]) == ("elevenlabs", "openai", "timeout")
        [done] = await stack.rows(turns)
        assert done["stt_s"] == pytest.approx(0.44)
        assert done["over_budget"] == []
        assert done["timeline"]["marks"]["audio_sent"] == pytest.approx(1100)
        assert [entry["provider"] for entry in done["timeline"]["calls"]] == ["anthropic", "elevenlabs"]


async def test_checkpoints_of_one_stream_add_up(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        who = session()
        stack.sinks.handle(SessionStarted(who))
        for _ in range(6):
            stack.sinks.handle(finished(who, heard(10), turn=None))
        assert await stack.ledger.flush(timeout_s=20)
        assert await stack.ledger.session_cost("s1") == stack.money.running_cost("s1").nano_usd == 6 * 1_083_333


async def test_a_charge_may_belong_to_no_session(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        stack.sinks.handle(finished(None, thought(output=1), Cause.PROBE, turn=None))
        assert await stack.ledger.flush(timeout_s=20)
        assert {(row["session_id"], row["tier"], row["cause"]) for row in await stack.rows(charges)} == {
            (None, None, "probe")
        }


async def test_unknown_models_are_stored_unpriced(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        who = session()
        stack.sinks.handle(SessionStarted(who))
        stack.sinks.handle(finished(who, thought("claude-haiku-9")))
        assert await stack.ledger.flush(timeout_s=20)
        stored = await stack.rows(charges)
        assert len(stored) == 3
        assert all(row["nano_usd"] is None and row["price_version"] is None for row in stored)


async def test_memory_events_come_back_in_order(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        stack.sinks.handle(SessionStarted(session()))
        events: list[dict[str, Any]] = [{"node": n, "text": "Grüße, 東京"} for n in range(30)]
        for seq, event in enumerate(events):
            stack.ledger.record_memory("s1", seq, json.dumps(event).encode())
        stack.ledger.record_memory("s1", 3, b'{"node": "written twice"}')
        assert await stack.ledger.flush(timeout_s=20)
        assert await stack.ledger.memory_events("s1") == events


async def test_rows_that_come_one_by_one_share_their_commits(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        stack.sinks.handle(SessionStarted(session()))
        assert await stack.ledger.flush(timeout_s=20)
        before, began = stack.sample("ledger_commit_seconds_count"), time.monotonic()
        for seq in range(5):
            stack.ledger.record_memory("s1", seq, b'{"node": 1}')
            assert await stack.ledger.flush(timeout_s=20)
        taken = time.monotonic() - began
        commits = stack.sample("ledger_commit_seconds_count") - before
        assert commits == 5
        assert taken >= (commits - 1) * 0.05  # so that with more callers there are more rows in each, not more of them


async def test_rows_that_nobody_waits_for_are_gathered_for_longer(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        stack.sinks.handle(SessionStarted(session()))
        assert await stack.ledger.flush(timeout_s=20)
        before, began = stack.sample("ledger_commit_seconds_count"), time.monotonic()
        for number in range(1, 41):
            stack.sinks.handle(TurnFinished(session(), turn(number)))
            await asyncio.sleep(0.01)
        assert await stack.ledger.flush_turn("s1", 40, timeout_s=20)
        taken = time.monotonic() - began
        assert stack.sample("ledger_commit_seconds_count") - before <= taken / 0.2 + 2


async def test_a_batch_that_is_written_twice_changes_nothing(database_url: str) -> None:
    from agent.ledger import writer

    stack = LedgerSetup(database_url)
    kept: list[LedgerRow] = []
    real = stack.ledger.record
    stack.ledger.record = lambda row: (kept.append(row), real(row))[1]  # type: ignore[method-assign]
    async with stack.ledger:
        who = session()
        for event in (SessionStarted(who), finished(who, said()), TurnFinished(who, turn(1)), ended(who)):
            stack.sinks.handle(event)
        assert await stack.ledger.flush(timeout_s=20)
        before = [await stack.rows(table) for table in metadata.sorted_tables]
        async with stack.ledger.engine.begin() as connection:
            await writer.write(connection, kept, writer.Owner(stack.ledger.owner, utc_now()))
        assert [await stack.rows(table) for table in metadata.sorted_tables] == before


async def test_a_row_that_cannot_be_stored_is_dropped_alone_and_counted(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        stack.sinks.handle(SessionStarted(session()))
        stack.ledger.record(
            LedgerRow("memory_events", "s1", {"session_id": "s1", "seq": 0, "at": "not a time", "event": {}})
        )
        stack.sinks.handle(TurnFinished(session(), turn(1)))
        assert await stack.ledger.flush_turn("s1", 1, timeout_s=20)
        assert await stack.count(memory_events) == 0
        assert stack.sample("ledger_dropped_total", table="memory_events") == 1
        assert stack.ledger.reachable


async def test_what_the_database_is_asked_to_hold_may_be_hostile(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        who = session("'; drop table turns; --", subject="x" * 5_000)
        stack.sinks.handle(SessionStarted(who))
        stack.sinks.handle(TurnFinished(who, turn(1)))
        zero = session("s\x00", subject="nul")  # PostgreSQL has no NUL in text
        stack.sinks.handle(SessionStarted(zero))
        stack.sinks.handle(TurnFinished(zero, turn(1)))
        await stack.ledger.flush(timeout_s=20)
        stored = await stack.count(turns)
        lost = sum(stack.sample("ledger_dropped_total", table=table) for table in ("sessions", "turns"))
        assert stored >= 1
        assert stored * 2 + lost == 4


async def test_a_provider_that_reports_nonsense_costs_one_charge_and_not_the_ledger(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        who = session()
        stack.sinks.handle(SessionStarted(who))
        for quantity in (2**62, 2**70):  # an amount and a quantity that no BIGINT holds
            nonsense = call("llm", "anthropic", "claude-haiku-5-5", {Unit.OUTPUT_TOKENS: quantity})
            stack.sinks.handle(finished(who, nonsense))
        stack.sinks.handle(finished(who, said()))
        stack.sinks.handle(TurnFinished(who, turn(1, model="\ud800")))  # half of a character
        stack.sinks.handle(TurnFinished(who, turn(2)))
        assert await stack.ledger.flush_turn("s1", 2, timeout_s=20)
        assert [row["unit"] for row in await stack.rows(charges)] == [Unit.CHARACTERS]
        assert [row["turn"] for row in await stack.rows(turns)] == [2]
        assert stack.sample("ledger_dropped_total", table="charges") == 2
        assert stack.sample("ledger_dropped_total", table="turns") == 1
        assert stack.ledger.reachable


async def test_replicas_that_start_together_migrate_once(database_url: str) -> None:
    script = (
        "import asyncio, sys; from agent.ledger.database import create_engine, migrate;"
        "print(asyncio.run(migrate(create_engine(sys.argv[1]))))"
    )
    replicas = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, database_url, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    answers = await asyncio.gather(*(replica.communicate() for replica in replicas))
    assert [replica.returncode for replica in replicas] == [0, 0, 0], answers
    assert len({revision for revision, _ in answers}) == 1
    engine = create_engine(database_url)
    assert (await migrate(engine)).encode() == answers[0][0].strip()
    await engine.dispose()


async def test_the_migrations_make_the_declared_tables(database_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = create_engine(database_url)
    await migrate(engine)
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda plain: compare_metadata(MigrationContext.configure(plain, opts={"compare_type": True}), metadata)
        )
    await engine.dispose()
    assert differences == []


async def test_quantities_and_amounts_may_be_large(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        stack.sinks.handle(finished(None, call("tts", "elevenlabs", "eleven_v3", {Unit.CHARACTERS: 10**12})))
        assert await stack.ledger.flush(timeout_s=20)
        [stored] = await stack.rows(charges)
        assert stored["nano_usd"] == 80_000 * 10**12
