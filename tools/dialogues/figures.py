"""How long callers wait for turns with tools, beside those without: the sample call of the front desk, many times."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tests.support.paths import ROOT
from tests.support.stack import clip, running_stack
from voice_loadtest.script import Speak

AT_ONCE: Final = 3


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
    """Voice-to-voice of spoken turns: those that used a tool, those that did not, and what tools took of the first."""

    tools: WaitQuantiles
    others: WaitQuantiles
    tool_time: WaitQuantiles
    without_tool_time: WaitQuantiles


async def measure(calls: int) -> Figures:
    """Plays the sample call "Books a room" so many times, `AT_ONCE` at once, with the measured latencies.

    Each is a process with a database of its own: they all want the same room.
    """
    turns: list[tuple[float, float | None]] = []
    for start in range(0, calls, AT_ONCE):
        for found in await asyncio.gather(*map(_one, range(start, min(calls, start + AT_ONCE)))):
            turns += found
    used = [(whole, tool) for whole, tool in turns if tool is not None]
    return Figures(
        WaitQuantiles.of([whole for whole, _ in used]),
        WaitQuantiles.of([whole for whole, tool in turns if tool is None]),
        WaitQuantiles.of([tool for _, tool in used]),
        WaitQuantiles.of([whole - tool for whole, tool in used]),
    )


async def _one(seed: int) -> list[tuple[float, float | None]]:
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tools.dialogues.figures", str(seed)),
            cwd=ROOT,
            env=os.environ | {"FRONT_DESK_DB": str(Path(folder) / "desk.db")},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
    return [(whole, tool) for whole, tool in json.loads(out.splitlines()[-1])]


async def _call(seed: int) -> list[tuple[float, float | None]]:
    """Milliseconds from the caller's last sound to the answer, and what tools took of them, of each spoken turn."""
    desk = ROOT / "examples" / "front_desk"
    async with running_stack("measured", seed=seed, agents_dir=desk, agent="front_desk") as stack:
        record = await stack.call([Speak(clip(f"room_0{number}")) for number in range(1, 7)])
    return [
        (turn.server_voice_to_voice_ms, turn.stages.get("tool"))
        for turn in record.turns
        if turn.server_voice_to_voice_ms is not None
    ]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_call(int(sys.argv[1])))))
