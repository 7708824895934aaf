"""`kill -9` of the whole service in the middle of calls: what a caller was told about is in the ledger."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest

from agent.ledger.database import create_engine
from tests.support.billing import ROOMS, TECHNICAL, read_books
from tests.support.paths import ROOT
from tests.support.stack import API_KEY, clip
from voice_loadtest.caller import CallOptions
from voice_loadtest.records import CallerTurn, CallRecord
from voice_loadtest.run import run_load
from voice_loadtest.script import Interrupt, Speak, Step, Type
from voice_loadtest.stack.ports import free_port
from voice_sandbox.server import run_sandbox
from voice_sandbox.state import SandboxOptions

CALLERS = 20
ENOUGH = 30  # turns that callers were told about before the kill, each caller about one at least


@asynccontextmanager
async def service_process(sandbox: str, database: str) -> AsyncGenerator[tuple[str, asyncio.subprocess.Process]]:
    """`voice-agent serve` as a process of its own."""
    port = free_port()
    settings = {
        "PORT": str(port),
        "OPS_PORT": "0",
        "UNLIMITED_ADDRESSES": "127.0.0.1",
        "SANDBOX_URL": sandbox,
        "DATABASE_URL": database,
        "API_KEYS": API_KEY,
        "LOG_LEVEL": "error",
        "FREE_LAG_S": "10",
        "ANY_LAG_S": "10",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VOICE_AGENT_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "agent", "serve"),
        cwd=ROOT,
        env=environment | {f"VOICE_AGENT_{name}": value for name, value in settings.items()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(30), httpx.AsyncClient() as client:
            while not await _answers(client, url):
                assert process.returncode is None, "the service stopped at its start"
        yield url, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/health/live")).status_code == 200
    except httpx.TransportError:
        await asyncio.sleep(0.05)
        return False


def script(number: int) -> list[Step]:
    """Calls that go on for longer than the service lives."""
    typed: list[Step] = [Type("Good morning"), Type(TECHNICAL), Type("hello")]
    spoken: list[Step] = [Speak(clip("smalltalk_01")), Type(ROOMS), Interrupt(clip("barge_02"), after_s=0.4)]
    return (typed if number % 2 else spoken) * 10


@pytest.mark.slow
async def test_kill_9_loses_no_turn_that_a_caller_was_told_about(database_url: str) -> None:
    told: list[tuple[str, CallerTurn]] = []
    enough = asyncio.Event()

    def note(turn: CallerTurn, call: CallRecord) -> None:
        if turn.measured:
            told.append((call.session_id, turn))
        if len(told) >= ENOUGH and len({session for session, _ in told}) == CALLERS:
            enough.set()

    async with (
        run_sandbox(SandboxOptions(port=0, profile="instant")) as sandbox,
        service_process(sandbox.url, database_url) as (url, process),
        asyncio.TaskGroup() as group,
    ):
        options = CallOptions(url=url, gap_s=0.05)
        load = group.create_task(run_load(CALLERS, script, options, on_turn=note))
        async with asyncio.timeout(60):
            await enough.wait()
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        records = (await load).records

    engine = create_engine(database_url)
    books = await read_books(engine)
    await engine.dispose()
    promised = {
        (record.session_id, turn.turn): turn.trace_id for record in records for turn in record.turns if turn.measured
    }
    stored = {(row.session_id, row.turn): row.trace_id for row in books.turns}
    assert len(promised) >= ENOUGH
    assert {record.session_id for record in records if record.ready} == {row.id for row in books.sessions}
    assert {key: stored.get(key) for key in promised} == promised
    replies = {(record.session_id, turn.turn) for record in records for turn in record.turns if turn.answered}
    charged = {(row.session_id, row.turn) for row in books.charges if row.service == "llm"}
    assert replies & promised.keys() <= charged
    spent = {row.id: sum(c.nano_usd for c in books.charges if c.session_id == row.id) for row in books.sessions}
    assert {row.id: row.cost_nano_usd for row in books.sessions} == spent
