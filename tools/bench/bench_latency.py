"""`make bench-latency`: what the knobs of speed win at the caller's ear, and what they cost; writes the tables of
docs/latency.md.

The scenes of a group play the same calls, each against a service and a sandbox of its own, in processes that stay for
the whole group, one after the other, round after round, so that a machine that grows slower is slower for all of them.
Times are the caller's own: its last voiced sample to the first audible one of the reply. Each scene plays one round; of
`--minutes` each group has its share, and begins no further round when that is over. Parts that were measured apart
(`--only`, `--seed`, `--save`) are put together by `--from`.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT
from tests.support.stack import sample
from tools.bench.latency_results import COUNTED, Measured, Results, TurnWait, joined, save, tables
from tools.bench.latency_scenes import GROUPS, OUTSIDE, LatencyScene, SceneGroup, said
from tools.bench.latency_stack import LatencyStack, latency_stack, spent
from voice_loadtest.caller import CallOptions
from voice_loadtest.run import run_load
from voice_loadtest.script import Speak

NETWORK_MS: Final = 70.0
LEARNERS: Final = (
    8  # callers before stalls begin: what a model and a voice usually take is known in a service that runs
)
STARTED_TOGETHER: Final = 3  # programs load for seconds
TABLE: Final = ROOT / "docs" / "latency.md"
BEGIN, END = "<!-- early replies -->", "<!-- end of early replies -->"


async def play(stack: LatencyStack, measured: Measured, callers: int, number: int) -> None:
    """One round: every caller makes one call."""
    scene = measured.scene
    async with stack.watched(measured.load):
        load = await run_load(
            callers,
            lambda caller: [Speak(one) for one in said(scene, caller + number)],
            CallOptions(url=stack.url, gap_s=0.3),
            network_ms=NETWORK_MS,
            stagger_s=4.0 / callers,
        )
    await stack.quiet()
    measured.calls.extend(record.session_id for record in load.records)
    for turn in load.turns:
        measured.counted["too early"] += turn.outcome in ("superseded", "interrupted")
        if not turn.answered or turn.voice_to_voice_ms is None:
            measured.counted["unanswered"] += 1
            continue
        stages = {name: value for name, value in turn.stages.items() if value is not None}
        measured.turns.append(TurnWait(turn.voice_to_voice_ms, stages, turn.gap_ms))


def counted(text: str) -> dict[str, int]:
    """What of the service's metrics stands in the tables."""
    calls = "voice_agent_api_calls_total"
    found = {
        "talked over": sample(text, "voice_agent_talked_over_turns_total"),
        "clauses": sample(text, calls, service="tts", outcome="ok"),
        "clauses from memory": sample(text, calls, provider="cache"),
    }
    for metric, names in COUNTED:
        for name in names:
            found[f"{metric} {name}"] = sample(text, f"voice_agent_{metric}_total", outcome=name)
    return {name: int(value) for name, value in found.items()}


async def begin_stalls(stack: LatencyStack, scene: LatencyScene) -> None:
    """From now on calls of a provider stall; before, the process learns what is usual."""
    await run_load(
        LEARNERS,
        lambda caller: [Speak(one) for one in said(LatencyScene("learning"), caller)],
        CallOptions(url=stack.url, gap_s=0.3),
        stagger_s=0.3,
    )
    await stack.quiet()
    await stack.add_fault(provider=scene.stalling, kind="stall", probability=scene.stalls)


async def measure(group: SceneGroup, callers: int, deadline: float, seed: int, rounds: int) -> list[Measured]:
    """All scenes of a group, round after round; the first one whatever the time."""
    scenes = group.scenes * group.copies
    found = [Measured(scene) for scene in scenes]
    async with AsyncExitStack() as open_stacks:
        seeds = [seed + 100 * (place // len(group.scenes)) for place in range(len(scenes))]
        few = asyncio.Semaphore(STARTED_TOGETHER)

        async def opened(scene: LatencyScene, own: int) -> LatencyStack:
            async with few:
                return await open_stacks.enter_async_context(latency_stack(scene, own))

        stacks = await asyncio.gather(*(opened(*pair) for pair in zip(scenes, seeds, strict=True)))
        for stack, scene in zip(stacks, scenes, strict=True):
            if scene.stalls:
                await begin_stalls(stack, scene)
        before = [counted(await stack.metrics()) for stack in stacks]

        async def played(first: int, last: int) -> None:
            for number in range(rounds):
                if number and time.monotonic() > deadline:
                    return
                for stack, measured, own in list(zip(stacks, found, seeds, strict=True))[first:last]:
                    await play(stack, measured, callers, number + own)

        if group.together:
            await asyncio.gather(*(played(place, place + 1) for place in range(len(stacks))))
        else:
            await played(0, len(stacks))
        for stack, measured, earlier in zip(stacks, found, before, strict=True):
            now = counted(await stack.metrics())
            measured.counted.update({name: now[name] - earlier[name] for name in now})
            await stack.end()
            measured.usd, measured.wasted_usd = spent(stack.database, measured.calls)
    for place, copy in enumerate(found[len(group.scenes) :]):
        found[place % len(group.scenes)].add(copy.plain())
    return found[: len(group.scenes)]


def names(parts: str, text: str) -> bool:
    """Whether one of these parts, which a bar divides, is in a text."""
    return any(part.lower() in text.lower() for part in parts.split("|"))


def without(group: SceneGroup, skipped: str) -> SceneGroup:
    """The group without scenes that are skipped by name."""
    if not skipped:
        return group
    return replace(group, scenes=tuple(scene for scene in group.scenes if not names(skipped, scene.name)))


def plays_of(group: SceneGroup) -> int:
    """How often one scene after the other plays."""
    return group.rounds * (1 if group.together else len(group.scenes))


async def measure_all(options: argparse.Namespace) -> Results:
    """The groups one after the other, each with its share of the time that is left; at most `callers` at a time."""
    deadline = time.monotonic() + 60 * options.minutes
    left = [without(group, options.skip) for group in GROUPS if names(options.only, group.title)]
    if not OUTSIDE.exists():
        print(f"{OUTSIDE} is not here: no outside recordings are played")
        left = [group for group in left if not any(scene.outside for scene in group.scenes)]
    results: Results = []
    while left:
        now, group = time.monotonic(), left[0]
        until = now + plays_of(group) / sum(map(plays_of, left)) * (deadline - now)
        callers, rounds = min(group.callers, options.callers), min(group.rounds, options.rounds)
        results.append((group, await measure(group, callers, until, options.seed, rounds)))
        if options.save:
            save(results, options.save)
        del left[0]
    return results


def main() -> None:
    """Measures and prints; `--write` puts the tables into docs/latency.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=50, help="at a time at most; each makes one call of four turns")
    parser.add_argument("--rounds", type=int, default=1000, help="of each group at most")
    parser.add_argument(
        "--minutes", type=float, default=25.0, help="after these no further round is begun; --minutes 0: one round"
    )
    parser.add_argument("--only", default="", help="groups with this in their title, or with one of several: a|b")
    parser.add_argument("--skip", default="", help="leave scenes out whose name has this, or one of several: a|b")
    parser.add_argument("--seed", type=int, default=1, help="of the sandboxes")
    parser.add_argument("--save", type=Path, help="keep what was measured in this file")
    parser.add_argument("--from", dest="parts", type=Path, nargs="+", help="measure nothing: the tables of these files")
    parser.add_argument("--write", action="store_true", help="write docs/latency.md")
    options = parser.parse_args()
    results = joined(options.parts) if options.parts else asyncio.run(measure_all(options))
    text = tables(results)
    print(text)
    if options.write:
        page = TABLE.read_text()
        head, _, rest = page.partition(BEGIN)
        TABLE.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
