"""`serve --workers`: one command, several processes; one that dies is started again, and its callers go on.

`make rolling` plays it with three processes under 200 calls; ROLLING_CALLS says how many.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.databases import PostgresServer
from tests.support.paths import ROOT
from tests.support.replicas import Replica, Returning, all_completed, environment
from tests.support.websocket_client import START, ending, until
from voice_loadtest.stack.ports import free_ports
from voice_loadtest.typed_caller import dial_to
from voice_sandbox.server import run_sandbox
from voice_sandbox.state import SandboxOptions

CALLS = int(os.environ.get("ROLLING_CALLS", "4"))
WORKERS = 2 if CALLS < 10 else 3

pytestmark = pytest.mark.slow


@pytest.mark.deploy
async def test_workers_share_a_port_have_their_own_metrics_and_are_replaced_without_a_lost_call(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url, targets, done = postgres.new_database(), tmp_path / "targets", asyncio.Event()
    [port, ops_port] = free_ports(2)
    async with run_sandbox(SandboxOptions(port=0, profile="instant")) as sandbox:
        given = environment(
            url, sandbox.url, port, ops_port,
            session_lease_s=5, unlimited_addresses="127.0.0.0/8", drain_s=30,
        )  # fmt: skip
        arguments = ("--workers", str(WORKERS), "--targets", str(targets))
        service = Replica(given, port, ops_port, tmp_path / "log", arguments)
        try:
            await service.start()
            async with asyncio.timeout(240):
                pids = await _until(targets, lambda found: len(found) == WORKERS)
            callers = [Returning([service.url], seed) for seed in range(CALLS)]
            async with asyncio.TaskGroup() as group:
                for caller in callers:
                    group.create_task(caller.talk(done))
                await asyncio.gather(*(caller.finished_a_turn() for caller in callers))
                os.kill(pids[0], signal.SIGKILL)
                async with asyncio.timeout(240):
                    now = await _until(targets, lambda found: pids[0] not in found and len(found) == WORKERS)
                await asyncio.gather(*(caller.finished_a_turn() for caller in callers))
                service.signal(signal.SIGHUP)
                async with asyncio.timeout(240):
                    await _until(targets, lambda found: not set(now) & set(found) and len(found) == WORKERS)
                await asyncio.gather(*(caller.finished_a_turn() for caller in callers))
                done.set()
            service.signal(signal.SIGTERM)
            assert await service.ended() == 0, service.log.read_text()[-2000:]
            assert list(targets.glob("*.json")) == []
            finished = await all_completed(url, callers, service.log)
            waits = [wait for caller in callers for wait in caller.silences]
            assert waits
            figures = {
                "calls": CALLS,
                "turns": finished,
                "returns": len(waits),
                "longest_silence_s": round(max(waits), 2),
            }
            sys.stdout.write(f"\n{figures}\n")
        finally:
            if service.process is not None and service.process.returncode is None:
                service.signal(signal.SIGKILL)
                await service.ended()


async def _until(targets: Path, wanted: Callable[[list[int]], bool]) -> list[int]:
    while True:
        found = await _pids(targets)
        if wanted(found):
            return found
        await asyncio.sleep(0.2)


async def _pids(targets: Path) -> list[int]:
    """The processes that answer on their operations ports, by what they tell of themselves."""
    found: list[int] = []
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        for name, text in _files(targets).items():
            [group] = json.loads(text)
            try:
                answer = await client.get(f"http://{group['targets'][0]}/metrics")
            except httpx.TransportError:
                continue
            assert "voice_agent_active_sessions" in answer.text
            found.append(_listener(int(name)))
    return found


def _files(targets: Path) -> dict[str, str]:
    return {file.stem: file.read_text() for file in sorted(targets.glob("*.json"))}


def _listener(port: int) -> int:
    """The process that listens on a port."""
    for one in psutil.net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid is not None:
            return one.pid
    return -1


async def test_the_processes_of_a_supervisor_that_is_killed_drain_and_end(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    [port, ops_port] = free_ports(2)
    async with run_sandbox(SandboxOptions(port=0, profile="instant")) as sandbox:
        given = environment(postgres.new_database(), sandbox.url, port, ops_port)
        service = Replica(given, port, ops_port, tmp_path / "log", ("--workers", "2", "--targets", str(tmp_path / "t")))
        await service.start()
        assert service.process is not None
        family = psutil.Process(service.process.pid).children(recursive=True)
        try:
            async with asyncio.timeout(120):
                await _until(tmp_path / "t", lambda found: len(found) == 2)
            async with dial_to(service.url, await Returning([service.url], 1).token(random.Random(1))) as line:
                await line.send(START)
                await until(line, "session.ready", 60)
                service.signal(signal.SIGKILL)
                assert (await ending(line))[1] == 1001, "the caller is told to go elsewhere"
            await asyncio.to_thread(psutil.wait_procs, family, timeout=60)
            assert [one for one in family if one.is_running()] == []
            assert list((tmp_path / "t").glob("*.json")) == []
            with socket.socket() as next_one:
                next_one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                next_one.bind(("127.0.0.1", port))
                next_one.listen(1)
        finally:
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()


async def test_several_processes_on_one_sqlite_file_are_refused(tmp_path: Path) -> None:
    ports = free_ports(2)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent", "serve", "--workers", "2",
        cwd=ROOT, stderr=subprocess.PIPE,
        env=environment(f"sqlite:///{tmp_path / 'ledger.db'}", "http://127.0.0.1:1", *ports),
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode == 2 and b"several processes take PostgreSQL" in said
