"""How long callers wait for turns with tools, beside those without: the sample call of the front desk, many times."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tests.support.paths import ROOT
from tests.support.stack import clip, running_stack
from voice_loadtest.script import Speak

AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class WaitQuantiles:
    """Milliseconds."""

    count: int
    p50: float
    p95: float

    @classmethod
    def of(cls, values: Sequence[float]) -> WaitQuantiles:
        if not values:
            return cls(0, 0.0, 0.0)
        return cls(len(values), float(np.quantile(values, 0.5)), float(np.quantile(values, 0.95)))


@dataclass(frozen=True, slots=True)
class Figures:
    """Voice-to-voice of spoken turns: those that used a tool, those that did not, and what tools took of the first.

    `same_words` are the sentences of the first, said to an agent that has no tools.
    """

    tools: WaitQuantiles
    same_words: WaitQuantiles
    others: WaitQuantiles
    tool_time: WaitQuantiles
    without_tool_time: WaitQuantiles


@dataclass(frozen=True, slots=True)
class MeasuredTurn:
    """One spoken turn: milliseconds from the caller's last sound to the answer, and what tools took of them."""

    number: int
    whole: float
    tool: float | None


async def measure(calls: int) -> Figures:
    """Plays the sample call "Books a room" so many times, `AT_ONCE` at once, with the measured latencies.

    Each is a process with a database of its own: they all want the same room.
    """
    turns, plain = await _played("front_desk", calls), await _played("receptionist", calls)
    used = [turn for turn in turns if turn.tool is not None]
    numbers = {turn.number for turn in used}
    return Figures(
        WaitQuantiles.of([turn.whole for turn in used]),
        WaitQuantiles.of([turn.whole for turn in plain if turn.number in numbers]),
        WaitQuantiles.of([turn.whole for turn in turns if turn.tool is None]),
        WaitQuantiles.of([turn.tool or 0.0 for turn in used]),
        WaitQuantiles.of([turn.whole - (turn.tool or 0.0) for turn in used]),
    )


async def _played(agent: str, calls: int) -> list[MeasuredTurn]:
    turns: list[MeasuredTurn] = []
    for start in range(0, calls, AT_ONCE):
        seeds = range(start, min(calls, start + AT_ONCE))
        for found in await asyncio.gather(*(_one(agent, seed) for seed in seeds)):
            turns += found
    return turns


async def _one(agent: str, seed: int) -> list[MeasuredTurn]:
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tools.dialogues.figures", agent, str(seed)),
            cwd=ROOT,
            env=os.environ | {"FRONT_DESK_DB": str(Path(folder) / "desk.db")},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
    return [MeasuredTurn(*turn) for turn in json.loads(out.splitlines()[-1])]


async def _call(agent: str, seed: int) -> list[MeasuredTurn]:
    """The spoken turns of one call."""
    desk = ROOT / "examples" / "front_desk"
    async with running_stack("measured", seed=seed, agents_dir=desk, agent=agent) as stack:
        record = await stack.call([Speak(clip(f"room_0{number}")) for number in range(1, 7)])
    return [
        MeasuredTurn(number, turn.server_voice_to_voice_ms, turn.stages.get("tool"))
        for number, turn in enumerate(record.turns, 1)
        if turn.server_voice_to_voice_ms is not None
    ]


if __name__ == "__main__":
    print(json.dumps([astuple(turn) for turn in asyncio.run(_call(sys.argv[1], int(sys.argv[2])))]))
