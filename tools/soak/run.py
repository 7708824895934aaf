"""One service, callers who come and go for as long as is asked for, and what the process holds meanwhile."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.paths import CLIPS, ROOT
from tools.bench.processes import start, wait_for
from tools.soak.history import fill
from tools.soak.pool import descriptors_of, fill_pool
from tools.soak.trend import Trend
from voice_loadtest.audio import load_wav
from voice_loadtest.caller import Caller, CallOptions
from voice_loadtest.pacing import Clockwork
from voice_loadtest.protocol import CallError, http_client
from voice_loadtest.script import Speak, Step, Type, Wait
from voice_loadtest.stack.ports import free_ports

SAMPLE_S: Final = 5.0
WARM_SHARE: Final = 1 / 3  # of the time in which caches fill, and nothing is judged
SETTLE_S: Final = 20.0  # from the last call's end to the last look
LONG_MINUTES: Final = 60.0  # from here on a slope has to be 0 within its error
FILLING_MB: Final = 0.02  # a call, while pools and caches fill: a session that is kept holds ten times as much
KEPT_BLOCKS: Final = 100  # a call: a session that is kept holds about a thousand
GARBAGE_BLOCKS: Final = 40_000  # wait at most for the collector, which calls alone hurry
KEPT_DESCRIPTORS: Final = 4  # connections to providers that wait for the next call; there were as many before
SPOKEN: Final = ("room_01", "room_03", "smalltalk_01", "order_04")
FIGURES: Final = {
    "memory_mb": ("process_resident_memory_bytes", 1e-6),
    "descriptors": ("process_open_fds", 1.0),
    "tasks": ("voice_agent_tasks", 1.0),
    "blocks": ("voice_agent_memory_blocks", 1.0),
}


@dataclass(slots=True)
class Soak:
    """What was seen."""

    minutes: float
    calls: int
    trends: Mapping[str, Trend] = field(default_factory=dict[str, Trend])
    late: Mapping[str, Trend] = field(default_factory=dict[str, Trend])
    """The same for the last half of that time: what fills up to a bound grows less there, what leaks does not."""
    before: Mapping[str, float] = field(default_factory=dict[str, float])
    """Figures without a call, after a first round of calls."""
    after: Mapping[str, float] = field(default_factory=dict[str, float])
    """Figures without a call, at the end."""
    ended: Counter[str] = field(default_factory=Counter[str])
    turns: int = 0

    def judge(self, times_s: Sequence[float], looks: Sequence[Mapping[str, float]]) -> None:
        """Takes what was seen under calls. Raises ValueError for too few looks."""
        half = len(times_s) // 2
        self.trends = {name: Trend.of(times_s, [one[name] for one in looks]) for name in FIGURES}
        self.late = {name: Trend.of(times_s[half:], [one[name] for one in looks[half:]]) for name in FIGURES}

    @property
    def faults(self) -> list[str]:
        """What grew, and what calls have left behind."""
        found = [
            f"{name} grows: {one.growth} an hour, {self.late[name].growth} in the last half of the time"
            for name, one in self.trends.items()
            if one.grows(self._allowed_h(name))
        ]
        blocks = GARBAGE_BLOCKS + KEPT_BLOCKS * self.ended.total()
        kept = {"descriptors": KEPT_DESCRIPTORS, "tasks": 0, "blocks": blocks}
        found += [
            f"{name}: {self.before[name]:g} before the calls, {self.after[name]:g} after them"
            for name, more in kept.items()
            if self.after[name] > self.before[name] + more
        ]
        if set(self.ended) - {"1000"}:
            found.append(f"calls ended otherwise: {dict(self.ended)}")
        return found

    def _allowed_h(self, name: str) -> float:
        """While pools and caches still fill, what a session that stayed would exceed many times; in hours nothing."""
        if self.minutes >= LONG_MINUTES:
            return 0.0
        hours = self.minutes / 60
        calls = self.ended.total()
        filling = {
            "memory_mb": FILLING_MB * calls / hours,
            "descriptors": KEPT_DESCRIPTORS / hours,
            "blocks": KEPT_BLOCKS * calls / hours,
        }
        return filling.get(name, 0.0)

    def text(self) -> str:
        """A line for each figure, and what was found."""
        total = self.ended.total()
        calls = f"{self.minutes:g} minutes, {self.calls} calls at a time, {total} in all, {self.turns} turns."
        rows = [
            f"| {name} | {one.mean:.1f} | {one.growth} | {self.late[name].growth} | {self.before[name]:.1f} |"
            f" {self.after[name]:.1f} |"
            for name, one in self.trends.items()
        ]
        head = "| figure | mean under calls | growth an hour | in the last half | idle before | idle after |"
        found = "; ".join(self.faults) or "nothing that grows, and nothing that is left of a call"
        return "\n".join([calls, "", head, "|---|--:|--:|--:|--:|--:|", *rows, "", f"Found: {found}."])


@asynccontextmanager
async def _service() -> AsyncGenerator[tuple[str, str]]:
    """Addresses for callers and operators. Its ledger is that of a service that ran before, its pool is full."""
    cores = set(range(os.cpu_count() or 1))
    ports = free_ports(3)
    sandbox_url, url, operators = (f"http://127.0.0.1:{port}" for port in ports)
    with tempfile.TemporaryDirectory() as folder:
        file, token = Path(folder) / "soak.db", secrets.token_urlsafe()
        database = f"sqlite:///{file}"
        await fill(database)
        settings = {
            "SANDBOX_URL": sandbox_url, "PORT": str(ports[1]), "OPS_PORT": str(ports[2]), "LOG_LEVEL": "warning",
            "UNLIMITED_ADDRESSES": "127.0.0.1", "FREE_LAG_S": "10", "ANY_LAG_S": "10",
            "TOKENS_PER_MINUTE": "100000", "DATABASE_URL": database, "OPERATOR_TOKEN": token,
        }  # fmt: skip
        sandbox = start(["sandbox", "--port", str(ports[0]), "--profile", "instant", "--voice", "tones"], cores)
        service = None
        try:
            await asyncio.to_thread(wait_for, f"{sandbox_url}/control/state")
            named = {f"VOICE_AGENT_{name}": value for name, value in settings.items()}
            service = start(["serve"], cores, ROOT, **named)
            await asyncio.to_thread(wait_for, f"{url}/health/ready")
            async with httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}) as client:
                read = partial(_read, client, f"{operators}/v1/ops/policies")
                await fill_pool(read, partial(descriptors_of, service, file))
            yield url, operators
        finally:
            for process in (service, sandbox):
                if process is not None:
                    process.terminate()
                    process.wait(30)


async def _read(client: httpx.AsyncClient, url: str) -> None:
    (await client.get(url)).raise_for_status()


async def _look(client: httpx.AsyncClient, operators: str) -> dict[str, float]:
    text = (await client.get(f"{operators}/metrics")).raise_for_status().text
    told = {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}
    return {name: told[metric] * scale for name, (metric, scale) in FIGURES.items()}


def _script(dice: random.Random) -> list[Step]:
    """A call of half a minute to a minute: spoken, typed, silent, sometimes broken off by its end."""
    clips = [load_wav(CLIPS / f"{name}.wav") for name in dice.sample(SPOKEN, 2)]
    steps: list[Step] = [Speak(clips[0]), Type("thank you"), Wait(dice.uniform(0, 6)), Speak(clips[1])]
    return steps if dice.random() < 0.8 else [*steps, Type("what rooms do you have"), Wait(0.2)]


class _Lanes:
    """So many calls at a time, each followed by another one."""

    def __init__(self, url: str, soak: Soak, client: httpx.AsyncClient, clockwork: Clockwork) -> None:
        self._url, self._soak, self._client, self._clockwork = url, soak, client, clockwork

    async def call_for(self, seconds: float, seed: int) -> None:
        """Returns when the last call has ended."""
        until = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as group:
            for lane in range(self._soak.calls):
                group.create_task(self._lane(random.Random(seed * 1_000 + lane), until))

    async def _lane(self, dice: random.Random, until: float) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(dice.uniform(0, 5))
        while loop.time() < until:
            caller = Caller(CallOptions(url=self._url, gap_s=0.4), _script(dice), self._clockwork)
            try:
                await caller.connect(self._client)
                record = await caller.converse()
            except CallError as error:
                self._soak.ended[type(error).__name__] += 1
                await asyncio.sleep(1)
                continue
            self._soak.ended[str(record.close_code)] += 1
            self._soak.turns += len(record.turns)


async def soak(minutes: float, calls: int) -> Soak:
    """Calls for so many minutes, and looks every five seconds."""
    seen, loop = Soak(minutes, calls), asyncio.get_running_loop()
    times: list[float] = []
    looks: list[dict[str, float]] = []
    clockwork = Clockwork(0.0)
    async with _service() as (url, operators), http_client(url) as client, asyncio.TaskGroup() as group:
        running = group.create_task(clockwork.run())
        lanes = _Lanes(url, seen, client, clockwork)
        await lanes.call_for(10.0, 0)
        await asyncio.sleep(SETTLE_S)
        seen.before = await _look(client, operators)
        talking, began = group.create_task(lanes.call_for(60 * minutes, 1)), loop.time()
        while not talking.done():
            await asyncio.wait({talking}, timeout=SAMPLE_S)
            if WARM_SHARE * 60 * minutes <= loop.time() - began <= 60 * minutes:
                looks.append(await _look(client, operators))
                times.append(loop.time() - began)
        await asyncio.sleep(SETTLE_S)
        seen.after = await _look(client, operators)
        running.cancel()
    seen.judge(times, looks)
    return seen


def write(page: Path, text: str, begin: str, end: str) -> None:
    """Puts the figures between two marks of a page."""
    head, _, rest = page.read_text().partition(begin)
    page.write_text(f"{head}{begin}\n{text}\n{end}{rest.partition(end)[2]}")


def printed_in(text: str) -> str:
    """What a run has printed, out of everything that was written with it. Raises ValueError where it has not."""
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines) if " calls at a time, " in line), None)
    if first is None:
        raise ValueError("no run has ended there")
    last = max(number for number, line in enumerate(lines) if line.startswith(("|", "Found: ")))
    return "\n".join(lines[first : last + 1])
