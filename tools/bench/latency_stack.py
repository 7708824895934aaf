"""The processes of one row of `make bench-latency`: a service and a sandbox of its own; the callers are this one.

So what a caller waits for is no longer what three programs in one event loop make each other wait for. How much of the
processor each of them used stands beside it, and how late the service's own event loop was.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import tempfile
import time
import urllib.request
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from tests.support.stack import sample
from tools.bench.latency_scenes import OUTSIDE, LatencyScene, policies
from tools.bench.processes import busy, start, wait_for
from voice_loadtest.stack.ports import free_port

QUIET_S: Final = 20.0
WINDOW_S: Final = 1.0
LAG: Final = "voice_agent_event_loop_lag_seconds"


@dataclass(slots=True)
class MachineLoad:
    """What was used while a scene played: shares of one core, second by second, and the longest delay of the service's
    event loop in each, in milliseconds.
    """

    service: list[float] = field(default_factory=list[float])
    sandbox: list[float] = field(default_factory=list[float])
    callers: list[float] = field(default_factory=list[float])
    lag_ms: list[float] = field(default_factory=list[float])


@dataclass(frozen=True, slots=True)
class LatencyStack:
    """A running service and its sandbox."""

    url: str
    ops_url: str
    sandbox_url: str
    database: Path
    service: psutil.Popen
    sandbox: psutil.Popen

    async def metrics(self) -> str:
        """What the service says of itself, for Prometheus."""
        return await asyncio.to_thread(_read, f"{self.ops_url}/metrics")

    async def quiet(self) -> None:
        """Returns when every session has ended and was recorded."""
        deadline = time.monotonic() + QUIET_S
        while sample(await self.metrics(), "voice_agent_active_sessions") and time.monotonic() < deadline:
            await asyncio.sleep(0.2)

    async def end(self) -> None:
        """Ends the service, which writes what it still has to write."""
        await asyncio.to_thread(_ended, self.service)

    async def add_fault(self, **rule: Any) -> None:
        """Puts a fault of the sandbox in force."""
        body = json.dumps(rule).encode()
        asked = urllib.request.Request(f"{self.sandbox_url}/control/faults", body, method="POST")
        await asyncio.to_thread(lambda: urllib.request.urlopen(asked, timeout=5).close())

    @asynccontextmanager
    async def watched(self, load: MachineLoad) -> AsyncGenerator[None]:
        """Adds to `load` while the block runs."""
        watch = asyncio.create_task(self._watch(load))
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.wait({watch})

    async def _watch(self, load: MachineLoad) -> None:
        me = psutil.Process()
        while True:
            at, before = time.monotonic(), [busy(one) for one in (self.service, self.sandbox, me)]
            await asyncio.sleep(WINDOW_S)
            wall = time.monotonic() - at
            for shares, one, used in zip(
                (load.service, load.sandbox, load.callers), (self.service, self.sandbox, me), before, strict=True
            ):
                shares.append((busy(one) - used) / wall)
            load.lag_ms.append(1000 * sample(await self.metrics(), LAG))


@asynccontextmanager
async def latency_stack(scene: LatencyScene, seed: int) -> AsyncGenerator[LatencyStack]:
    """A service and a sandbox for this scene, until the block ends. What they wrote is in the database until then."""
    with tempfile.TemporaryDirectory() as folder:
        ports = free_port(), free_port(), free_port()
        sandbox_url, url, ops_url = (f"http://127.0.0.1:{port}" for port in ports)
        asked = ["sandbox", "--port", str(ports[0]), "--profile", scene.profile, "--seed", str(seed)]
        asked += ["--early-taken-back", str(scene.early.taken_back)]
        asked += ["--clips", str(OUTSIDE)] if scene.outside else []
        cores = set(psutil.Process().cpu_affinity())
        with contextlib.ExitStack() as running:
            sandbox = start(asked, cores)
            running.callback(_ended, sandbox)
            database = Path(folder) / "ledger.db"
            service = start(
                ["serve"], cores, module="tools.bench.openings_only" if scene.new_words else "agent",
                VOICE_AGENT_POLICIES_FILE=str(policies(Path(folder), scene)),
                VOICE_AGENT_SANDBOX_URL=sandbox_url, VOICE_AGENT_PORT=str(ports[1]), VOICE_AGENT_OPS_PORT=str(ports[2]),
                VOICE_AGENT_UNLIMITED_ADDRESSES="127.0.0.1",
                VOICE_AGENT_FREE_LAG_S="10", VOICE_AGENT_ANY_LAG_S="10", VOICE_AGENT_LOG_LEVEL="error",
                VOICE_AGENT_DATABASE_URL=f"sqlite+aiosqlite:///{database}",
            )  # fmt: skip
            running.callback(_ended, service)
            await asyncio.to_thread(wait_for, f"{sandbox_url}/control/state")
            await asyncio.to_thread(wait_for, f"{url}/health/ready")
            yield LatencyStack(url, ops_url, sandbox_url, database, service, sandbox)


def spent(database: Path, calls: Collection[str]) -> tuple[float, float]:
    """Dollars of these sessions, and those of them that were paid in vain to be sooner."""
    marks = ",".join("?" * len(calls))
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        nano = connection.execute(
            f"SELECT sum(cost_nano_usd), count(*) FROM sessions WHERE id IN ({marks})", [*calls]
        ).fetchone()
        vain = connection.execute(
            "SELECT sum(nano_usd) FROM charges WHERE cause IN ('speculation', 'hedge')"
            f" AND session_id IN ({marks})", [*calls]
        ).fetchone()  # fmt: skip
    if nano[1] != len(calls):
        raise SystemExit(f"the ledger has {nano[1]} of {len(calls)} sessions")
    return (nano[0] or 0) / 1e9, (vain[0] or 0) / 1e9


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def _ended(process: psutil.Popen) -> None:
    if process.poll() is None:
        process.terminate()
    process.wait(20)
