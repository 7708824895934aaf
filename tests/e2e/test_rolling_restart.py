"""A new release under calls: three processes behind HAProxy are restarted one after the other, and no call is lost.

`make rolling` plays it under 200 calls; ROLLING_CALLS says how many.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import PostgresServer
from tests.support.haproxy import needs_haproxy, proxied
from tests.support.replicas import Returning, all_completed, running_replicas

CALLS = int(os.environ.get("ROLLING_CALLS", "4"))
REPLICAS = 3
LONGEST_S = 10.0  # a caller waits for a new process no longer than he would for a slow page

pytestmark = [pytest.mark.slow, pytest.mark.deploy, needs_haproxy]


async def test_a_rolling_restart_loses_no_call(postgres: PostgresServer, tmp_path: Path) -> None:
    url, done = postgres.new_database(), asyncio.Event()
    settings: dict[str, Any] = {"trusted_proxies": "127.0.0.1", "unlimited_addresses": "127.0.0.0/8", "drain_s": 30}
    async with (
        running_replicas(REPLICAS, url, tmp_path, **settings) as replicas,
        proxied(tmp_path, *(replica.url for replica in replicas)) as proxy,
    ):
        callers = [  # each of an address of its own, as the limits of the proxy want it
            Returning(
                [proxy.url], n, options={"ssl": proxy.trusted, "local_addr": (f"127.1.{n // 250}.{n % 250 + 1}", 0)}
            )
            for n in range(CALLS)
        ]
        async with asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(caller.talk(done))
            for replica in replicas:
                await asyncio.gather(*(caller.finished_a_turn() for caller in callers))
                replica.signal(signal.SIGTERM)
                assert await replica.ended() == 0
                await replica.start()
            await asyncio.gather(*(caller.finished_a_turn() for caller in callers))
            done.set()
        for replica in replicas:
            replica.signal(signal.SIGTERM)
            await replica.ended()

    finished = await all_completed(url, callers, *(replica.log for replica in replicas))
    waits = [wait for caller in callers for wait in caller.silences]
    assert waits and max(waits) < LONGEST_S
    figures = {"calls": CALLS, "turns": finished, "returns": len(waits), "longest_silence_s": round(max(waits), 2)}
    sys.stdout.write(f"\n{figures}\n")
