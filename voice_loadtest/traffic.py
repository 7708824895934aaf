"""Callers who call one after the other: what demos and game days keep a service busy with."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from voice_loadtest.audio import CallerRecording, load_wav
from voice_loadtest.caller import Caller, CallOptions
from voice_loadtest.pacing import Clockwork
from voice_loadtest.protocol import NO_CAPACITY, CallError, http_client
from voice_loadtest.records import CallRecord
from voice_loadtest.script import Speak, Step
from voice_loadtest.stack.processes import LocalStack

CLIPS: Final = Path(__file__).parents[1] / "voice_sandbox" / "clips"
CONVERSATIONS: Final = {"room": 6, "billing": 5, "order": 6, "smalltalk": 4, "topics": 8}
"""What is talked about, and how many clips there are of it."""
NETWORK_MS: Final = 70.0

MakeCall = Callable[[random.Random], tuple[str, Sequence[Step]]]
"""Dice → what kind of call it is, and what the caller does."""
OnCall = Callable[[float, CallRecord], None]
"""Is told when a call began, by the monotonic clock, and what became of it."""


@dataclass(frozen=True, slots=True)
class CallerPool:
    """So many callers at a time; `premium` is the share of them that has an API key.

    Each waits `pause_s` on average before the next call.
    """

    callers: int
    make_call: MakeCall
    premium: float = 0.5
    pause_s: float = 0.0


@dataclass(slots=True)
class Tally:
    """What came of the calls."""

    calls: Counter[str] = field(default_factory=Counter[str])
    turns: int = 0
    refused: int = 0


class TrafficGenerator:
    """A simulated network between any number of callers and one service."""

    def __init__(
        self, stack: LocalStack, client: httpx.AsyncClient, clockwork: Clockwork, on_call: OnCall | None
    ) -> None:
        self._house = stack
        self._client = client
        self._clockwork = clockwork
        self._on_call = on_call
        self.tally = Tally()

    async def keep_calling(self, crowd: CallerPool, seed: str, going: Callable[[], bool]) -> None:
        """Keeps the crowd's calls up while it is `going`, and lets the last ones end."""
        async with asyncio.TaskGroup() as lanes:
            for number in range(crowd.callers):
                lanes.create_task(self._lane(crowd, random.Random(f"{seed}:{number}"), going))

    async def _lane(self, crowd: CallerPool, dice: random.Random, going: Callable[[], bool]) -> None:
        await asyncio.sleep(dice.uniform(0, 3))
        while going():
            premium = dice.random() < crowd.premium
            kind, script = crowd.make_call(dice)
            if not await self.call(kind, script, premium=premium, gap_s=dice.uniform(0.2, 0.6)):
                await asyncio.sleep(1.0)
            if crowd.pause_s:
                await asyncio.sleep(dice.uniform(0.5, 1.5) * crowd.pause_s)

    async def call(self, kind: str, script: Sequence[Step], *, premium: bool, gap_s: float) -> bool:
        """One call; False when it was refused."""
        options = CallOptions(url=self._house.url, api_key=self._house.api_key if premium else None, gap_s=gap_s)
        began, caller = time.monotonic(), Caller(options, script, self._clockwork)
        try:
            await caller.connect(self._client)
        except CallError:
            self.tally.refused += 1
            return False
        record = await caller.converse()
        if record.close_code == NO_CAPACITY and not record.turns:
            self.tally.refused += 1
            return False
        self.tally.calls[kind] += 1
        self.tally.turns += len(record.turns)
        if self._on_call is not None:
            self._on_call(began, record)
        return True


@asynccontextmanager
async def switchboard(
    stack: LocalStack, network_ms: float = NETWORK_MS, on_call: OnCall | None = None
) -> AsyncGenerator[TrafficGenerator]:
    """Runs the network until the block ends; `on_call` is told about every call that is over."""
    clockwork = Clockwork(network_ms)
    async with http_client(stack.url) as client, asyncio.TaskGroup() as group:
        running = group.create_task(clockwork.run())
        try:
            yield TrafficGenerator(stack, client, clockwork, on_call)
        finally:
            running.cancel()


def conversation(dice: random.Random, least: int, most: int) -> list[Speak]:
    """So many things to say on one subject, in their order."""
    subject, count = dice.choice(list(CONVERSATIONS.items()))
    return [Speak(clip(f"{subject}_{number:02}")) for number in range(1, dice.randint(least, min(most, count)) + 1)]


_CLIPS: Final[dict[str, CallerRecording]] = {}


def clip(name: str) -> CallerRecording:
    """One of the sandbox's clips; each is read once."""
    found = _CLIPS.get(name)
    if found is None:
        found = _CLIPS[name] = load_wav(CLIPS / f"{name}.wav")
    return found
