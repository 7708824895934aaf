"""`make bench`: what the service itself adds to a turn, and what a session costs it in CPU and memory.

Three processes: the service alone on one core, the sandbox (profile `instant`, tones for a voice) and the callers on
the others. The overhead of a turn runs from the end of turn that the recogniser told to the first reply sample at the
caller, less the time that the sandbox itself took for the model's and the voice's first output: it is everything that
the service, its SDKs and four loopback hops add. All clocks are the machine's monotonic one. CPU is that of the
busiest two seconds. A row is marked where the callers were late, or where they and the sandbox filled their cores:
then those two are what was measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from agent.policy.policies import DEFAULT_PATH
from tests.support.paths import CLIPS
from tools.bench.processes import busy, start, wait_for
from voice_loadtest.audio import CallerRecording, load_wav
from voice_loadtest.caller import CallOptions
from voice_loadtest.quantiles import nearest_rank
from voice_loadtest.run import LoadResult, run_load
from voice_loadtest.script import Interrupt, Speak, Step, Type
from voice_loadtest.stack.policies import uncached
from voice_loadtest.stack.ports import free_port

SPOKEN = ("room_01", "room_03", "smalltalk_01", "order_04")
CPU_WINDOW_S = 2.0
FULL = 0.9  # of the cores that sandbox and callers share
LATE_MS = 25.0  # more than a frame


@dataclass(frozen=True, slots=True)
class BenchRow:
    """Results at one number of concurrent sessions."""

    sessions: int
    turns: int
    answered: int  # turns that ended with a reply
    overhead_ms: tuple[float, float, float]  # p50, p95, p99
    cpu_share: float  # of one core
    memory_mb: float  # per session
    others_share: float  # of the cores that sandbox and callers share
    caller_late_ms: float  # how late the load generator itself was

    @property
    def believed(self) -> bool:
        """Whether the service is what was measured."""
        return self.others_share < FULL and self.caller_late_ms < LATE_MS


def overheads(load: LoadResult, moments: list[list[Any]]) -> list[float]:
    """Overhead of each answered turn, in milliseconds."""
    by_session: dict[str, list[tuple[str, str, float]]] = {}
    for session, provider, point, at in moments:
        by_session.setdefault(session, []).append((provider, point, at))
    found: list[float] = []
    for record in load.records:
        told = by_session.get(record.session_id, [])
        ends = [at for _, point, at in told if point == "end_of_turn"]
        for end, turn in zip(ends, record.turns, strict=False):
            taken = _taken(told, end)
            if turn.first_audio_at is not None and taken is not None:
                found.append((turn.first_audio_at - end - taken) * 1000)
    return found


def _taken(told: list[tuple[str, str, float]], end: float) -> float | None:
    """Seconds that the sandbox took for the first outputs after an end of turn; None when it gave none."""
    taken = 0.0
    for provider in ("anthropic", "elevenlabs"):
        asked = [at for name, point, at in told if (name, point) == (provider, "asked") and at > end]
        answered = [at for name, point, at in told if (name, point) == (provider, "answered") and at > end]
        if not asked or not answered:
            return None
        taken += min(answered) - min(asked)
    return taken


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured: the running processes and where they listen."""

    url: str
    sandbox_url: str
    service: psutil.Process
    sandbox: psutil.Process
    shared_cores: int  # that the sandbox and the callers have


class ProcessWatch:
    """The most that was used while it ran: memory of the service, CPU of the service and of the others."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.began_with = self.memory = bench.service.memory_info().rss
        self.cpu_share = self.others_share = 0.0

    async def run(self) -> None:
        """Looks until it is cancelled."""
        bench, callers = self._bench, psutil.Process()
        while True:
            at, service, others = time.monotonic(), busy(bench.service), busy(bench.sandbox) + busy(callers)
            for _ in range(8):
                await asyncio.sleep(CPU_WINDOW_S / 8)
                self.memory = max(self.memory, bench.service.memory_info().rss)
            wall = time.monotonic() - at
            self.cpu_share = max(self.cpu_share, (busy(bench.service) - service) / wall)
            others = busy(bench.sandbox) + busy(callers) - others
            self.others_share = max(self.others_share, others / wall / bench.shared_cores)


async def measure(sessions: int, bench: Bench, clips: list[CallerRecording]) -> BenchRow:
    def script(number: int) -> list[Step]:
        return [Speak(clips[(number + turn) % len(clips)]) for turn in range(10 if sessions < 10 else 3)]

    watch = ProcessWatch(bench)
    watcher = asyncio.create_task(watch.run())
    load = await run_load(sessions, script, CallOptions(url=bench.url, gap_s=0.4), stagger_s=min(0.25, 12.0 / sessions))
    watcher.cancel()
    moments = json.load(urllib.request.urlopen(f"{bench.sandbox_url}/control/moments"))
    values = overheads(load, moments)
    p50, p95, p99 = nearest_rank(values, 0.5, 0.95, 0.99) if values else (0.0, 0.0, 0.0)
    return BenchRow(
        sessions=sessions,
        turns=len(load.turns),
        answered=sum(turn.answered for turn in load.turns),
        overhead_ms=(p50, p95, p99),
        cpu_share=watch.cpu_share,
        others_share=watch.others_share,
        memory_mb=(watch.memory - watch.began_with) / sessions / 1e6,
        caller_late_ms=load.lateness_ms,
    )


async def barge_in(bench: Bench, callers: int = 20) -> list[float]:
    """Milliseconds from the caller's first voiced sample over a reply to the last reply sample it played."""
    clip = load_wav(CLIPS / "barge_02.wav")
    script: list[Step] = [Type("tell me about the rooms"), Interrupt(clip, after_s=1.5)]
    load = await run_load(callers, lambda _: script, CallOptions(url=bench.url), stagger_s=0.3)
    measured = [turn.utterance.barge_in_ms for turn in load.turns if turn.utterance is not None]
    return [value for value in measured if value is not None]


def show(rows: Sequence[BenchRow], barge_ins: Sequence[float]) -> None:
    console = Console(width=120)
    table = Table(
        title="overhead of a turn, CPU of the busiest 2 s, memory; measured against the sandbox (profile instant)"
    )
    for name in ("sessions", "answered", "p50", "p95", "p99", "CPU", "a session", "CPU of others", "callers late", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        p50, p95, p99 = (f"{value:.1f} ms" for value in row.overhead_ms)
        table.add_row(
            str(row.sessions), f"{row.answered}/{row.turns}", p50, p95, p99,
            f"{row.cpu_share:.0%}", f"{row.memory_mb:.2f} MB",
            f"{row.others_share:.0%}", f"{row.caller_late_ms:.0f} ms", "" if row.believed else "[yellow]*[/yellow]",
        )  # fmt: skip
    console.print(table)
    if not all(row.believed for row in rows):
        console.print("[yellow]*[/yellow] the sandbox and the callers were at their limit: not the service's figures")
    p50, p95 = nearest_rank(barge_ins, 0.5, 0.95)
    console.print(
        f"barge-in, caller's first voiced sample to the reply's last: "
        f"p50 {p50:.0f} ms, p95 {p95:.0f} ms ({len(barge_ins)} of them)"
    )
    console.print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 50, 100, 200])
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    cores = set(range(os.cpu_count() or 1))
    others = cores - {0} or cores
    os.sched_setaffinity(0, others)
    clips = [load_wav(CLIPS / f"{name}.wav") for name in SPOKEN]
    sandbox_url = f"http://127.0.0.1:{(sandbox_port := free_port())}"
    url = f"http://127.0.0.1:{(port := free_port())}"
    with tempfile.TemporaryDirectory() as folder:
        sandbox = start(["sandbox", "--port", str(sandbox_port), "--profile", "instant", "--voice", "tones"], others)
        # a phrase out of the audio cache asks no voice, and there would be nothing to take off its turn
        policies = Path(folder) / "policies.toml"
        policies.write_text(uncached(DEFAULT_PATH.read_text()))
        service = start(
            ["serve"], {0}, VOICE_AGENT_POLICIES_FILE=str(policies),
            VOICE_AGENT_SANDBOX_URL=sandbox_url, VOICE_AGENT_PORT=str(port), VOICE_AGENT_MAX_SESSIONS="1000",
            VOICE_AGENT_OPS_PORT="0", VOICE_AGENT_UNLIMITED_ADDRESSES="127.0.0.1",
            VOICE_AGENT_MAX_CONNECTIONS="5000",
            VOICE_AGENT_FREE_LAG_S="10", VOICE_AGENT_ANY_LAG_S="10",
            VOICE_AGENT_LOG_LEVEL="warning", VOICE_AGENT_DATABASE_URL=f"sqlite+aiosqlite:///{folder}/bench.db",
        )  # fmt: skip
        try:
            wait_for(f"{sandbox_url}/control/state")
            wait_for(f"{url}/health/ready")
            bench = Bench(url, sandbox_url, service, sandbox, len(others))
            rows: list[BenchRow] = []
            asyncio.run(measure(3, bench, clips))  # imports, connections and caches
            for sessions in options.sessions:
                print(f"{sessions} sessions ...", file=sys.stderr)
                rows.append(asyncio.run(measure(sessions, bench, clips)))
                print(rows[-1], file=sys.stderr, flush=True)  # also where the run is cut short
            print("barge-in ...", file=sys.stderr)
            barge_ins = asyncio.run(barge_in(bench))
        finally:
            service.terminate()
            sandbox.terminate()
            service.wait(15)
            sandbox.wait(15)
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        show(rows, barge_ins)


if __name__ == "__main__":
    main()
