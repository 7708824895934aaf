"""SIGTERM and SIGKILL end what a command started: no sandbox, service or Prometheus is left behind, also while it
still starts.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from voice_loadtest.stack.processes import ALERTMANAGERS

PROC = Path("/proc")
needs_proc = pytest.mark.skipif(not (PROC / "self" / "stat").exists(), reason="there is no /proc here")
needs_monitoring = pytest.mark.skipif(
    not (shutil.which("prometheus") and any(map(shutil.which, ALERTMANAGERS))),
    reason="Prometheus or Alertmanager is not installed",
)


def _parents() -> Iterator[tuple[int, int]]:
    """(process, its parent) of every process that is no zombie."""
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            try:
                state, parent, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            if state != "Z":
                yield int(folder.name), int(parent)


def children(of: int) -> set[int]:
    """The processes that this one has started and that still run."""
    return {process for process, parent in _parents() if parent == of}


def left(processes: set[int]) -> set[int]:
    """Which of these still run."""
    return processes & {process for process, _ in _parents()}


@asynccontextmanager
async def started(folder: Path, *arguments: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """`python -m agent …`, ended after the block."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VOICE_AGENT_")}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "VOICE_AGENT_PORT": "0",
        "VOICE_AGENT_OPS_PORT": "0",
        "VOICE_AGENT_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/ledger.db",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent", *arguments),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def with_children(process: asyncio.subprocess.Process, many: int) -> set[int]:
    """Its children, as soon as there are so many."""
    async with asyncio.timeout(60):
        while len(found := children(process.pid)) < many:
            assert process.returncode is None, f"it ended with {process.returncode}"
            await asyncio.sleep(0.05)
    return found


async def none_is_left(processes: set[int]) -> None:
    async with asyncio.timeout(20):
        while left(processes):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize(
    ("arguments", "many"),
    [
        pytest.param(["run", "--sandbox-port", "0"], 1, id="run, while it starts"),
        pytest.param(["demo", "--port", "0", "--sandbox-port", "0", "--prometheus-port", "0"], 2, id="demo"),
        pytest.param(["gameday", "haiku-slow"], 1, id="gameday, while it starts", marks=needs_monitoring),
        pytest.param(["gameday", "haiku-slow"], 4, id="gameday", marks=needs_monitoring),
    ],
)
async def test_no_child_is_left_behind(
    arguments: Sequence[str], many: int, number: signal.Signals, tmp_path: Path
) -> None:
    folder = tmp_path if arguments[0] == "run" else ROOT
    async with started(folder, *arguments) as process:
        running = await with_children(process, many)
        try:
            process.send_signal(number)
            async with asyncio.timeout(40):
                await process.wait()
            await none_is_left(running)
        finally:
            for child in left(running):
                os.kill(child, signal.SIGKILL)
