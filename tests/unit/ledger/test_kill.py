from __future__ import annotations

import asyncio
import subprocess
import sys

from sqlalchemy import select

from agent.ledger.database import create_engine
from agent.ledger.tables import charges, sessions, turns
from tests.support.paths import ROOT

ENOUGH = 300  # turns before the kill


async def test_kill_9_loses_no_finished_turn(database_url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.crash_target",
        database_url,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    told: list[bytes] = []
    async with asyncio.timeout(120):
        while len(told) < ENOUGH:
            told.append(await process.stdout.readline())
            assert told[-1], "the process ended by itself"
        process.kill()
        told += (await process.stdout.read()).splitlines()  # what was still in the pipe was told too
        assert await process.wait() == -9

    promised = {
        (name.decode(), int(number)) for name, number in (line.split() for line in told if len(line.split()) == 2)
    }
    engine = create_engine(database_url)
    async with engine.connect() as connection:
        stored = {(row.session_id, row.turn) for row in await connection.execute(select(turns))}
        spent = list(await connection.execute(select(charges)))
        kept = {row.id: row.cost_nano_usd for row in await connection.execute(select(sessions))}
    await engine.dispose()
    assert len(kept) == 20
    assert len(promised) >= ENOUGH
    assert promised - stored == set()
    # a stored turn has its charges, and a session costs what its charges say
    assert {(row.session_id, row.turn) for row in spent if row.unit == "characters"} >= promised
    assert kept == {name: sum(row.nano_usd for row in spent if row.session_id == name) for name in kept}
