"""Measures how long a warm `make run` takes to the talk page, and to the first call that it would take.

make bench-start
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from voice_loadtest.stack.ports import free_ports

ROOT: Final = Path(__file__).parents[2]
LIMIT_S: Final = 60.0
POLL_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class StartTimes:
    """Seconds from the command to the first 200 of each."""

    page_s: float
    ready_s: float


@click.command()
@click.option("--runs", type=click.IntRange(1, 100), default=5, show_default=True, help="Starts; one more warms up.")
@click.option("--command", default="make --no-print-directory run", show_default=True, help="What is started.")
def main(runs: int, command: str) -> None:
    """Start the service again and again, and print the seconds to the page and to readiness."""
    with tempfile.TemporaryDirectory() as folder:
        starts = [start(command.split(), Path(folder)) for _ in range(runs + 1)][1:]
    click.echo(f"{command}: {runs} warm starts, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    for name, seconds in (
        ("page", [one.page_s for one in starts]),
        ("ready", [one.ready_s for one in starts]),
    ):
        click.echo(
            f"{name:>6}  median {statistics.median(seconds):.2f} s   least {min(seconds):.2f}   most {max(seconds):.2f}"
        )


def start(command: list[str], folder: Path) -> StartTimes:
    """One start, from the command to the page and to readiness; all of it is stopped again. Raises TimeoutError."""
    page, operations, sandbox = free_ports(3)
    environment = {
        # flags and ARGS of the `make` that began this are not for the one that is started
        **{name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES")},
        "VOICE_AGENT_PORT": str(page),
        "VOICE_AGENT_OPS_PORT": str(operations),
        "VOICE_AGENT_DATABASE_URL": f"sqlite:///{folder / 'bench.db'}",
        "ARGS": f"--sandbox-port {sandbox}",
    }
    began = time.perf_counter()
    process = _begin(command, environment)
    try:
        page_s = _wait(f"http://127.0.0.1:{page}/", began, process)
        return StartTimes(page_s, _wait(f"http://127.0.0.1:{page}/health/ready", began, process))
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself, which is said
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _begin(command: list[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that its children can be stopped with it
    )


def _wait(url: str, began: float, process: subprocess.Popen[bytes]) -> float:
    while (taken := time.perf_counter() - began) < LIMIT_S:
        if process.poll() is not None:
            raise click.ClickException(f"it stopped with status {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
                answer.read()
            return time.perf_counter() - began
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_S)
    raise TimeoutError(f"{url} did not answer within {taken:.0f} s")


if __name__ == "__main__":
    main()
