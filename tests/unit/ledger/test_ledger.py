from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from agent.billing.prices import load_prices
from agent.billing.pricing import PricingSink
from agent.core.calls import Fallback, Unit
from agent.core.errors import ConfigurationError
from agent.ledger import ledger as ledger_module
from agent.ledger.database import create_engine, migrate
from agent.ledger.ledger import Ledger
from agent.ledger.retention import forget, prune
from agent.ledger.rows import LedgerRow
from agent.ledger.sink import LedgerSink
from agent.ledger.tables import assignments, charges, fallbacks, memory_events, metadata, sessions, turns
from agent.telemetry.events import Cause, FellBack, SessionStarted, Sinks, TurnFinished
from agent.telemetry.exposition import Metrics
from tests.support.databases import PostgresServer
from tests.support.factories import BUDGETS, NOON, call, ended, finished, heard, said, session, thought, turn
from tests.support.paths import ROOT

BOOK = load_prices()


class LedgerSetup:
    """A ledger with its sinks, as the service wires them."""

    def __init__(self, url: str, **options: Any) -> None:
        self.metrics = Metrics()
        options.setdefault("clock", lambda: NOON)
        self.ledger = Ledger(url, self.metrics, **options)
        keeper = LedgerSink(self.ledger, clock=lambda: NOON)
        self.money = PricingSink(BOOK, self.metrics, BUDGETS, keeper, clock=lambda: NOON)
        self.sinks = Sinks([self.money, keeper])

    def sample(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"voice_agent_{name}", labels) or 0.0

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        async with self.ledger.engine.connect() as connection:
            found = await connection.execute(select(table).order_by(*table.primary_key.columns))
            return [dict(row) for row in found.mappings()]

    async def count(self, table: Any) -> int:
        async with self.ledger.engine.connect() as connection:
            return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


@asynccontextmanager
async def open_setup(url: str, **options: Any) -> AsyncGenerator[LedgerSetup]:
    stack = LedgerSetup(url, **options)
    async with stack.ledger:
        yield stack


async def until_reachable(stack: LedgerSetup, expected: bool) -> None:
    """Waits until the ledger has noticed whether its database is up."""
    async with asyncio.timeout(30):
        while stack.ledger.reachable is not expected:  # noqa: ASYNC110  (there is no event for it)
            await asyncio.sleep(0.005)


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
            await writer.write(connection, kept)
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


async def test_forgetting_a_caller_leaves_the_money(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        for name, subject in (("s1", "ada"), ("s2", "bob"), ("s3", "ada")):
            who = session(name, subject=subject)
            stack.sinks.handle(SessionStarted(who))
            stack.sinks.handle(finished(who, said()))
            stack.ledger.record_memory(name, 0, b'{"said": "my secret"}')
            stack.sinks.handle(TurnFinished(who, turn(1)))
        assert await stack.ledger.flush(timeout_s=20)

        counts = await forget(stack.ledger.engine, "ada")
        assert counts == {"sessions": 2, "turns": 2, "fallbacks": 0, "memory_events": 2, "charges": 2}
        stack.sinks.handle(TurnFinished(session("s3", subject="ada"), turn(2)))  # the call is still running
        stack.ledger.record_memory("s3", 1, b'{"said": "another secret"}')
        stack.sinks.handle(finished(session("s3", subject="ada"), said()))
        assert await stack.ledger.flush(timeout_s=20)

        assert [row["session_id"] for row in await stack.rows(turns)] == ["s2"]
        assert [row["session_id"] for row in await stack.rows(memory_events)] == ["s2"]
        stored = await stack.rows(charges)
        assert sorted(str(row["session_id"]) for row in stored) == ["None", "None", "None", "s2"]
        assert sum(row["nano_usd"] for row in stored) == 4 * 4_480_000
        assert stack.sample("ledger_dropped_total", table="turns") == 1
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


async def test_a_full_spool_refuses_counts_and_keeps_room_for_sessions(tmp_path: Any) -> None:
    stack = LedgerSetup(f"sqlite:///{tmp_path / 'ledger.db'}", spool_rows=10)
    who = session()
    stack.sinks.handle(SessionStarted(who))
    for number in range(1, 31):
        stack.sinks.handle(TurnFinished(who, turn(number)))
    stack.sinks.handle(ended(who, turns=30))
    assert stack.sample("ledger_dropped_total", table="turns") == 21
    assert stack.sample("ledger_dropped_total", table="sessions") == 0
    async with stack.ledger:
        assert not await stack.ledger.flush_turn("s2", 30, timeout_s=0)
        assert await stack.ledger.flush(timeout_s=20)
        assert [row["turn"] for row in await stack.rows(turns)] == list(range(1, 10))
        [kept] = await stack.rows(sessions)
        assert kept["turns"] == 30


async def test_a_database_that_is_down_never_stops_a_call(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_LAST_RETRY_S", 0.2)
    stack = LedgerSetup(postgres.new_database(), spool_rows=50)
    async with stack.ledger:
        who = session()
        stack.sinks.handle(SessionStarted(who))
        stack.sinks.handle(TurnFinished(who, turn(1)))
        assert await stack.ledger.flush_turn("s1", 1, timeout_s=20)
        await asyncio.to_thread(postgres.stop)
        try:
            stack.sinks.handle(TurnFinished(who, turn(2)))
            assert not await stack.ledger.flush_turn("s1", 2, timeout_s=20)
            await until_reachable(stack, expected=False)
            began = time.perf_counter()
            stack.sinks.handle(TurnFinished(who, turn(3)))
            assert not await stack.ledger.flush_turn("s1", 3, timeout_s=60)
            assert time.perf_counter() - began < 30  # it did not wait for the time-out
            assert stack.sample("ledger_write_failures_total") >= 1
            for number in range(4, 104):
                stack.sinks.handle(TurnFinished(who, turn(number)))
            dropped = stack.sample("ledger_dropped_total", table="turns")
            assert dropped == 102 - 50
        finally:
            await asyncio.to_thread(postgres.start)
        await until_reachable(stack, expected=True)
        stack.sinks.handle(TurnFinished(who, turn(200)))
        assert await stack.ledger.flush_turn("s1", 200, timeout_s=20)
        assert [row["turn"] for row in await stack.rows(turns)] == [*range(1, 52), 200]


async def test_a_service_starts_while_its_database_is_down(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "_LAST_RETRY_S", 0.2)
    url = postgres.new_database()
    await asyncio.to_thread(postgres.stop)
    try:
        stack = LedgerSetup(url)
        async with stack.ledger:
            stack.sinks.handle(SessionStarted(session()))
            await until_reachable(stack, expected=False)
            await asyncio.to_thread(postgres.start)
            await until_reachable(stack, expected=True)
            assert await stack.ledger.flush(timeout_s=20)
            assert await stack.count(sessions) == 1
    finally:
        await asyncio.to_thread(_start_if_stopped, postgres)


def _start_if_stopped(postgres: PostgresServer) -> None:
    try:
        postgres.run("pg_ctl", "-D", str(postgres.directory / "data"), "status")
    except subprocess.CalledProcessError:
        postgres.start()


async def test_rows_that_wait_at_the_end_are_written_or_counted(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    stack = LedgerSetup(url)
    async with stack.ledger:
        stack.sinks.handle(SessionStarted(session()))
        stack.sinks.handle(TurnFinished(session(), turn(1)))
    async with open_setup(url) as again:
        assert await again.count(turns) == 1

    file = tmp_path / "lost.db"
    lost = LedgerSetup(f"sqlite:///{file}", drain_s=0.3)
    file.unlink()
    file.mkdir()
    async with lost.ledger:
        lost.sinks.handle(SessionStarted(session()))
    assert lost.sample("ledger_dropped_total", table="sessions") == 1
    for thread in threading.enumerate():  # aiosqlite's thread tells the loop that it has ended; nothing waits for it
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join)


async def test_a_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written: Is a directory"):
        create_engine(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize("url", ["mysql://x/y", "not a url", "oracle://secret:password@host/x"])
def test_a_url_that_cannot_be_used_stops_the_start(url: str) -> None:
    with pytest.raises(ConfigurationError, match="VOICE_AGENT_DATABASE_URL takes sqlite:///") as caught:
        create_engine(url)
    assert "password@host/x" not in str(caught.value)


async def test_quantities_and_amounts_may_be_large(database_url: str) -> None:
    async with open_setup(database_url) as stack:
        stack.sinks.handle(finished(None, call("tts", "elevenlabs", "eleven_v3", {Unit.CHARACTERS: 10**12})))
        assert await stack.ledger.flush(timeout_s=20)
        [stored] = await stack.rows(charges)
        assert stored["nano_usd"] == 80_000 * 10**12
