"""The ledger while its database cannot be reached, and what it refuses at the start."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from agent.core.errors import ConfigurationError
from agent.ledger import ledger as ledger_module
from agent.ledger.database import create_engine
from agent.ledger.tables import sessions, turns
from agent.telemetry.events import SessionStarted, TurnFinished
from tests.support.databases import PostgresServer
from tests.support.factories import ended, session, turn
from tests.support.ledger_setup import LedgerSetup, open_setup, until_reachable


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


def _read_only(postgres: PostgresServer, url: str, *, back: bool = False) -> None:
    """As a replica is before it is promoted."""
    name = url.rpartition("/")[2]
    postgres.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = {'off' if back else 'on'}")
    postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


@pytest.mark.parametrize("kind", ["frozen", "read only", "connections cut"])
async def test_whatever_a_failover_looks_like_no_finished_turn_is_lost(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(ledger_module, "_LAST_RETRY_S", 0.2)
    monkeypatch.setattr(ledger_module, "_COMMIT_S", 1.0)
    stack = LedgerSetup(url := postgres.new_database())
    async with stack.ledger:
        stack.sinks.handle(SessionStarted(session()))
        stack.sinks.handle(TurnFinished(session(), turn(1)))
        assert await stack.ledger.flush_turn("s1", 1, timeout_s=20)
        match kind:
            case "frozen":
                postgres.freeze()
            case "read only":
                await asyncio.to_thread(_read_only, postgres, url)
            case _:
                postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname <> 'postgres'")
        try:
            for number in range(2, 12):
                stack.sinks.handle(TurnFinished(session(), turn(number)))
            if kind != "connections cut":  # which is mended at the next try
                await until_reachable(stack, expected=False)
        finally:
            postgres.freeze(thaw=True)
        if kind == "read only":
            await asyncio.to_thread(_read_only, postgres, url, back=True)
        stack.sinks.handle(TurnFinished(session(), turn(12)))
        async with asyncio.timeout(30):
            while not await stack.ledger.flush_turn("s1", 12):  # noqa: ASYNC110  (each try is told at once)
                await asyncio.sleep(0.05)
        assert [row["turn"] for row in await stack.rows(turns)] == list(range(1, 13))
        assert stack.sample("ledger_dropped_total", table="turns") == 0


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
