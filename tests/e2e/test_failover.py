"""The database is gone under calls, and comes back: nobody's line is lost, and no finished turn.

`make failover` takes it away for 30 seconds under 20 calls; FAILOVER_S and FAILOVER_CALLS say how long and how many.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.databases import PostgresServer
from tests.support.ledger_setup import LedgerSetup
from tests.support.replicas import Returning, long_calls, running_replicas

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
