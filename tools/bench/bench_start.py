"""Measures how long a warm `make run` takes to the talk page, and to the first call that it would take.

make bench-start
make bench-start ARGS=--clone   # from `git clone` to the first reply that is heard, with all set-up
"""

from __future__ import annotations

import asyncio
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
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from tests.support.stack import clip
from voice_loadtest.caller import CallOptions
from voice_loadtest.run import run_load
from voice_loadtest.script import Speak
from voice_loadtest.stack.ports import free_ports

ROOT: Final = Path(__file__).parents[2]
LIMIT_S: Final = 60.0
SET_UP_LIMIT_S: Final = 900.0  # packages come from a registry
POLL_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class StartTimes:
    """Seconds from the command to the first 200 of each."""

    page_s: float
    ready_s: float


@click.command()
@click.option("--runs", type=click.IntRange(1, 100), default=5, show_default=True, help="Starts; one more warms up.")
@click.option("--command", default="make --no-print-directory run", show_default=True, help="What is started.")
@click.option("--clone", is_flag=True, help="Once, in a fresh clone, to the first reply that is heard.")
def main(runs: int, command: str, clone: bool) -> None:
    """Start the service again and again, and print the seconds to the page and to readiness."""
    if clone:
        click.echo(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}; seconds since `git clone` began:")
        with tempfile.TemporaryDirectory() as folder:
            for name, seconds in first_reply(command.split(), Path(folder)).items():
                click.echo(f"{seconds:8.1f}  {name}")
        return
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
    page = free_ports(1)[0]
    began = time.monotonic()
    with _running(command, folder, page, ROOT) as process:
        page_s = _wait(f"http://127.0.0.1:{page}/", began, process)
        return StartTimes(page_s, _wait(f"http://127.0.0.1:{page}/health/ready", began, process))


def first_reply(command: list[str], folder: Path) -> dict[str, float]:
    """Seconds from `git clone` of this repository's last commit to each step of a first call: what was reached → when.

    A caller says one recorded sentence as soon as the service is ready. Raises TimeoutError, or ClickException where
    no reply was heard.
    """
    page = free_ports(1)[0]
    began = time.monotonic()
    subprocess.run(["git", "clone", "--quiet", ROOT, folder / "clone"], check=True)
    reached = {"cloned": time.monotonic() - began}
    with _running(command, folder, page, folder / "clone") as process:
        reached["page"] = _wait(f"http://127.0.0.1:{page}/", began, process, SET_UP_LIMIT_S)
        reached["ready for calls"] = _wait(f"http://127.0.0.1:{page}/health/ready", began, process)
        heard = _first_sounds(f"http://127.0.0.1:{page}")
    for name, at in heard.items():
        reached[name] = at - began
    return reached


def _first_sounds(url: str) -> dict[str, float]:
    """When a caller heard the greeting's first sound and the first reply's. Raises ClickException."""
    load = asyncio.run(run_load(1, lambda _: [Speak(clip("room_01"))], CallOptions(url=url)))
    heard: dict[str, float] = {}
    for turn in load.turns:
        if turn.first_audio_at is not None:
            heard.setdefault("greeting heard" if turn.greets else "first reply heard", turn.first_audio_at)
    if "first reply heard" not in heard:
        raise click.ClickException("no reply was heard: " + "; ".join(map(str, load.records[0].errors)))
    return heard


@contextlib.contextmanager
def _running(command: list[str], folder: Path, page: int, checkout: Path) -> Generator[subprocess.Popen[bytes]]:
    """The service of a checkout with this port for its page; ended after the block, with its children."""
    operations, sandbox = free_ports(2)
    environment = {
        # flags and ARGS of the `make` that began this are not for the one that is started
        **{name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES")},
        "VOICE_AGENT_PORT": str(page),
        "VOICE_AGENT_OPS_PORT": str(operations),
        "VOICE_AGENT_DATABASE_URL": f"sqlite:///{folder / 'bench.db'}",
        "ARGS": f"--sandbox-port {sandbox}",
    }
    process = _begin(command, environment, checkout)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself, which is said
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _begin(command: list[str], environment: Mapping[str, str], checkout: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=checkout,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that its children can be stopped with it
    )


def _wait(url: str, began: float, process: subprocess.Popen[bytes], limit_s: float = LIMIT_S) -> float:
    """Seconds from `began` to the first 200, polled until `limit_s` seconds after this call. Raises TimeoutError."""
    asked = time.monotonic()
    while (taken := time.monotonic() - asked) < limit_s:
        if process.poll() is not None:
            raise click.ClickException(f"it stopped with status {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
                answer.read()
            return time.monotonic() - began
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_S)
    raise TimeoutError(f"{url} did not answer within {taken:.0f} s")


if __name__ == "__main__":
    main()
