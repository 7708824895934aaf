"""The database is gone under calls, and comes back: nobody's line is lost, and no finished turn.

`make failover` takes it away for 30 seconds under 20 calls; FAILOVER_S and FAILOVER_CALLS say how long and how many.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import sys
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import PostgresServer
from tests.support.ledger_setup import LedgerSetup
from tests.support.replicas import Returning, dial_to, long_calls, running_replicas
from tests.support.stack import Stack, running_stack
from tests.support.websocket_client import START, dial, ending, say, token_of, until

OUTAGE_S = float(os.environ.get("FAILOVER_S", "3"))
CALLS = int(os.environ.get("FAILOVER_CALLS", "4"))


@pytest.mark.slow
@pytest.mark.deploy
async def test_a_failover_of_the_database_loses_no_call_and_no_finished_turn(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url, done = postgres.new_database(), asyncio.Event()
    during = 0
    async with running_replicas(2, url, tmp_path, budgets_file=long_calls(tmp_path)) as replicas:
        callers = [Returning([replica.url for replica in replicas], seed, pause_s=0.5) for seed in range(CALLS)]
        async with asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(caller.talk(done))
            await asyncio.gather(*(caller.finished_a_turn() for caller in callers))
            await asyncio.to_thread(postgres.stop)
            before = sum(len(caller.told) for caller in callers)
            try:
                await asyncio.gather(
                    asyncio.sleep(OUTAGE_S), *(caller.finished_a_turn() for caller in callers for _ in range(2))
                )
                during = sum(len(caller.told) for caller in callers) - before
            finally:
                await asyncio.to_thread(postgres.start)
            await asyncio.gather(*(caller.finished_a_turn() for caller in callers))
            done.set()
        for replica in replicas:
            await replica.stop()
    assert [wait for caller in callers for wait in caller.silences] == [], "no line was lost"
    stored = await LedgerSetup(url).turns_of_sessions()
    for caller in callers:
        assert set(caller.told) <= set(stored[caller.session_id]), "a finished turn is lost"
        assert stored[caller.session_id] == list(range(1, len(stored[caller.session_id]) + 1))
    assert during >= CALLS
    sys.stdout.write(f"\n{{'outage_s': {OUTAGE_S}, 'calls': {CALLS}, 'turns_while_it_was_gone': {during}}}\n")


async def refused(line: Any) -> tuple[str, float]:
    """The answer to a client that comes back while nothing can be looked up."""
    await line.send(START)
    error = await until(line, "error")
    assert (await ending(line))[1] == 4429
    return error["code"], error["retry_after_s"]


async def goes_on(again: Callable[[], Any], ready: dict[str, Any]) -> None:
    """Comes back until the call is open, as often as the server says; its next turn is the second one."""
    async with asyncio.timeout(30):
        while True:
            async with again() as line:
                await line.send(START)
                answer = json.loads(await line.recv())
                if answer["type"] == "session.ready":
                    assert (answer["session_id"], answer["resumed"]) == (ready["session_id"], True)
                    await say(line, "are you still there")
                    assert (await until(line, "transcript.final"))["turn"] == 2
                    return
                assert answer["code"] == "ledger"
            await asyncio.sleep(answer["retry_after_s"])


@contextmanager
def stopped(server: PostgresServer) -> Generator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def suspended(server: PostgresServer) -> Generator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.freeze(thaw=True)


@pytest.mark.slow
@pytest.mark.parametrize("away", [stopped, suspended], ids=["stopped", "suspended"])
async def test_a_client_that_comes_back_elsewhere_while_the_database_is_away_waits_and_goes_on(
    postgres: PostgresServer, tmp_path: Path, away: Callable[[PostgresServer], Any]
) -> None:
    """Its call is in one process; the other one cannot look it up."""
    url = postgres.new_database()
    async with running_replicas(2, url, tmp_path, session_lease_s=2) as (one, other):
        async with dial_to(one.url, await Returning([one.url], 1).token(random.Random(1))) as first:
            await first.send(START)
            ready = await until(first, "session.ready", 30)
            await say(first, "hello")
            await until(first, "turn.metrics", 30)
            first.transport.abort()
        with away(postgres):
            async with dial_to(other.url, ready["resume_token"]) as line:
                assert await refused(line) == ("ledger", 2.0)
        await goes_on(lambda: dial_to(other.url, ready["resume_token"]), ready)


@pytest.mark.slow
async def test_with_a_locked_file_a_client_that_comes_back_after_the_grace_time_waits_and_goes_on(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ledger.db"
    async with running_stack(resume_grace_s=0.2, database_url=f"sqlite+aiosqlite:///{file}") as stack:
        ready = await _gone(stack)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")  # as a backup or a command that takes its time
            async with dial(stack, ready["resume_token"]) as line:
                assert await refused(line) == ("ledger", 2.0)
            other.execute("ROLLBACK")
        await goes_on(lambda: dial(stack, ready["resume_token"]), ready)


async def _gone(stack: Stack) -> dict[str, Any]:
    """A call of one turn whose client has been away for longer than the grace time; its `session.ready`."""
    async with dial(stack, await token_of(stack)) as first:
        await first.send(START)
        ready = await until(first, "session.ready")
        await say(first, "hello")
        await until(first, "turn.metrics")
        first.transport.abort()
    await stack.quiet()
    return ready
