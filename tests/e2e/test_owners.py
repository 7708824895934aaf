"""Processes that are suspended or killed under calls: one owner a session, no finished turn lost, none stored twice.

`make kills` plays 100 kills under 30 calls; KILLS and KILL_CALLS say how many.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from agent.ledger.database import create_engine
from agent.ledger.tables import charges, memory_events, sessions, turns
from tests.support.databases import PostgresServer
from tests.support.paths import ROOT
from tests.support.replicas import Returning, environment, long_calls, running_replicas
from tests.support.websocket_client import START, ending, say, until
from voice_loadtest.stack.ports import free_ports
from voice_loadtest.typed_caller import dial_to

KILLS = int(os.environ.get("KILLS", "1"))
CALLS = int(os.environ.get("KILL_CALLS", "4"))
LEASE_S = 2
PAUSE_S = 0.0 if KILLS < 10 else 1.0  # of a caller between two turns
SLOW_S = 60.0  # several processes start and work beside the tests

pytestmark = pytest.mark.slow


async def rows(url: str, table: Any) -> list[Any]:
    engine = create_engine(url)
    async with engine.connect() as connection:
        found = list((await connection.execute(select(table).order_by(*table.primary_key.columns))).all())
    await engine.dispose()
    return found


async def test_a_suspended_owner_that_wakes_up_has_lost_its_call_and_writes_nothing(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.new_database()
    async with running_replicas(2, url, tmp_path, session_lease_s=LEASE_S, resume_grace_s=1) as (one, other):
        async with dial_to(one.url, await Returning([one.url], 1).token(random.Random(1))) as first:
            await first.send(START)
            ready = await until(first, "session.ready", SLOW_S)
            await say(first, "I would like to book a room on Friday")
            await until(first, "turn.metrics", SLOW_S)
            one.signal(signal.SIGSTOP)
            await say(first, "this one nobody hears")
            async with dial_to(other.url, ready["resume_token"]) as second:
                await second.send(START)
                again = await until(second, "session.ready", SLOW_S)
                assert (again["session_id"], again["resumed"]) == (ready["session_id"], True)
                assert again["policy"] == ready["policy"]
                await say(second, "thank you")
                assert (await until(second, "turn.metrics", SLOW_S))["turn"] == 2
                await asyncio.sleep(2 * LEASE_S)  # longer than its lease
                one.signal(signal.SIGCONT)
                began = asyncio.get_running_loop().time()
                assert (await ending(first))[1] == 4411
                assert asyncio.get_running_loop().time() - began < 5
                await say(second, "hello")
                assert (await until(second, "turn.metrics", SLOW_S))["turn"] == 3
                await second.send('{"type": "hangup"}')
                assert (await ending(second))[1] == 1000
        one.signal(signal.SIGTERM)
        await one.ended()
    assert [row.turn for row in await rows(url, turns)] == [1, 2, 3]
    heard = [row.event["text"] for row in await rows(url, memory_events) if row.event["kind"] == "heard"]
    assert heard == ["I would like to book a room on Friday", "thank you", "hello"]
    [kept] = await rows(url, sessions)
    assert (kept.outcome, kept.generation) == ("completed", 2)
    assert kept.cost_nano_usd == sum(row.nano_usd for row in await rows(url, charges) if row.session_id == kept.id)


async def test_a_reply_that_a_killed_process_owed_is_given_by_another_one(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.new_database()
    async with running_replicas(2, url, tmp_path, session_lease_s=LEASE_S, resume_grace_s=1) as (one, other):
        async with dial_to(one.url, await Returning([one.url], 1).token(random.Random(1))) as first:
            await first.send(START)
            ready = await until(first, "session.ready", SLOW_S)
            await say(first, "I would like to book a room on Friday")
            await until(first, "turn.metrics", SLOW_S)
            await say(first, "what rooms do you have")
            await until(first, "audio.start", SLOW_S)
            await asyncio.sleep(0.5)  # its question is stored by now, its reply still plays
            one.signal(signal.SIGKILL)
            await ending(first)
        async with dial_to(other.url, ready["resume_token"]) as second:
            await second.send(START)
            assert (await until(second, "session.ready", SLOW_S))["resumed"]
            again = await until(second, "transcript.final", SLOW_S)
            assert (again["turn"], again["text"]) == (2, "what rooms do you have")
            await until(second, "audio.end", SLOW_S)
        other.signal(signal.SIGTERM)  # that client does not come back, and its process drains
        await other.ended()
    assert (await rows(url, sessions))[0].outcome in ("vanished", "drained")


@pytest.mark.timeout(600 + 60 * KILLS)
async def test_kill_9_under_calls_loses_no_finished_turn_and_every_caller_goes_on(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url, done = postgres.new_database(), asyncio.Event()
    budgets = long_calls(tmp_path)
    async with running_replicas(
        2, url, tmp_path, session_lease_s=LEASE_S, resume_grace_s=5, budgets_file=budgets
    ) as replicas:
        urls = [replica.url for replica in replicas]
        callers = [Returning(urls, seed, pause_s=PAUSE_S) for seed in range(CALLS)]
        async with asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(caller.talk(done))
            for kill in range(KILLS):
                await asyncio.gather(*(caller.finished_a_turn() for caller in callers))
                victim = replicas[kill % 2]
                victim.signal(signal.SIGKILL)
                await victim.ended()
                await victim.start()
                sys.stderr.write(f"kill {kill + 1}: {sum(len(caller.told) for caller in callers)} turns\n")
            done.set()
        stored = Counter((row.session_id, row.turn) for row in await rows(url, turns))
        for replica in replicas:
            replica.signal(signal.SIGTERM)
            await replica.ended()
    told = [(caller.session_id, turn) for caller in callers for turn in caller.told]
    ends = Counter(row.outcome for row in await rows(url, sessions))
    assert ([fault for caller in callers for fault in caller.faults], ends) == ([], {"completed": CALLS})
    assert len(told) == len(set(told)), "no number was given twice"
    assert set(told) - set(stored) == set(), "a finished turn is lost"
    assert max(stored.values()) == 1
    for caller in callers:
        numbers = sorted(turn for session_id, turn in stored if session_id == caller.session_id)
        assert numbers == list(range(1, len(numbers) + 1)), "no number is left out"
    waits = [wait for caller in callers for wait in caller.silences]
    assert len(waits) >= KILLS
    figures = {"kills": KILLS, "calls": CALLS, "turns": len(told), "returns": len(waits), "longest_s": max(waits)}
    sys.stdout.write(f"\n{figures}\n")


async def test_a_second_service_on_one_sqlite_file_says_so_at_its_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    async with running_replicas(1, url, tmp_path):
        ports = free_ports(2)
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent", "serve", cwd=ROOT,
            env=environment(url, "http://127.0.0.1:1", *ports), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        _, said = await second.communicate()
        assert second.returncode == 2 and b"SQLite is for one process" in said
