"""`make bench-latency`: what the knobs of speed win at the caller's ear, and what they cost; writes the tables of
docs/latency.md.

The scenes of a group play the same calls, each against a service and a sandbox of its own that stay for the whole
group, one after the other, round after round, so that a machine that grows slower is slower for all of them. Times are
the caller's own: its last voiced sample to the first audible one of the reply. Each scene plays one round; of
`--minutes` each group has its share, and begins no further round when that is over.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from agent.ledger.tables import charges, sessions
from tests.support.paths import ROOT
from tests.support.stack import Stack, running_stack, sample
from tools.bench.latency_scenes import GROUPS, OUTSIDE, LatencyScene, SceneGroup, keep_openings_only, policies, said
from voice_loadtest.caller import CallOptions
from voice_loadtest.quantiles import nearest_rank
from voice_loadtest.run import run_load
from voice_loadtest.script import Speak
from voice_sandbox.faults import FaultKind, FaultRule

NETWORK_MS: Final = 70.0
LEARNERS: Final = 6  # callers before stalls begin: what a model usually takes is known in a service that runs
TABLE: Final = ROOT / "docs" / "latency.md"
BEGIN, END = "<!-- early replies -->", "<!-- end of early replies -->"
GUESSES: Final = ("taken", "resumed", "changed", "failed", "dropped")
MADE: Final = ("won", "lost", "failed", "cancelled")
HEAD: Final = (
    "| | turns | caller waits, ms p50 / p95 / p99 | stt / llm / tts, ms p50 | llm, ms p99 |\n|---|--:|--:|--:|--:|\n"
)
PRICE: Final = (
    "| | guesses taken | voices taken | second calls won | clauses from memory | too early / talked over | a call |"
    " in vain |\n|---|--:|--:|--:|--:|--:|--:|--:|\n"
)
VOICES: Final = ("taken", "changed", "dropped", "failed")
COUNTED: Final = (("early_replies", GUESSES), ("early_voices", VOICES), ("hedges", MADE))


@dataclass
class Measured:
    """What one scene came to. Milliseconds."""

    scene: LatencyScene
    waited: list[float] = field(default_factory=list[float])
    stages: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    counted: Counter[str] = field(default_factory=Counter[str])
    calls: int = 0
    usd: float = 0.0
    wasted_usd: float = 0.0
    talked_over: int = 0
    unanswered: int = 0
    too_early: int = 0

    def row(self) -> str:
        """A line of the table."""
        p50, p95, p99 = nearest_rank(self.waited or [0.0], 0.5, 0.95, 0.99)
        stages = [f"{nearest_rank(self.stages.get(name) or [0.0], 0.5)[0]:.0f}" for name in ("stt", "llm", "tts")]
        worst = nearest_rank(self.stages.get("llm") or [0.0], 0.99)[0]
        return (
            f"| {self.scene.name} | {len(self.waited)} | {p50:.0f} / {p95:.0f} / {p99:.0f} | {' / '.join(stages)} |"
            f" {worst:.0f} |"
        )

    @property
    def usd_a_call(self) -> float:
        """What one call came to."""
        return self.usd / max(1, self.calls)

    def price(self, first: Measured) -> str:
        """A line of the table of what that cost, beside the first one of its group."""
        turns = len(self.waited) + self.unanswered
        more = self.usd_a_call / first.usd_a_call - 1 if first.usd_a_call else 0.0
        clauses = self.counted["clauses"]
        return (
            f"| {self.scene.name} | {self._of('early_replies', ('taken',), GUESSES)} |"
            f" {self._of('early_voices', ('taken',), VOICES)} | {self._of('hedges', ('won',), MADE)} |"
            f" {self.counted['clauses from memory'] / clauses if clauses else 0.0:.0%} |"
            f" {self.too_early} / {self.talked_over} of {turns} | ${self.usd_a_call:.5f} ({more:+.1%}) |"
            f" {self.wasted_usd / self.usd if self.usd else 0.0:.1%} |"
        )

    def _of(self, metric: str, good: Iterable[str], every: Iterable[str]) -> str:
        part, whole = (sum(self.counted[f"{metric} {name}"] for name in names) for names in (good, every))
        return f"{part} of {whole}" if whole else "none"


async def play(stack: Stack, measured: Measured, callers: int, number: int) -> None:
    """One round: every caller makes one call."""
    scene = measured.scene
    load = await run_load(
        callers,
        lambda caller: [Speak(one) for one in said(scene, caller + number)],
        CallOptions(url=stack.url, gap_s=0.3),
        network_ms=NETWORK_MS,
        stagger_s=4.0 / callers,
    )
    await stack.quiet()
    measured.calls += callers
    for turn in load.turns:
        measured.too_early += turn.outcome in ("superseded", "interrupted")
        if not turn.answered or turn.voice_to_voice_ms is None:
            measured.unanswered += 1
            continue
        measured.waited.append(turn.voice_to_voice_ms)
        for name, value in turn.stages.items():
            if value is not None:
                measured.stages.setdefault(name, []).append(value)


async def spent(stack: Stack) -> tuple[float, float]:
    """Dollars of all calls so far, and those of them that were paid in vain to be sooner."""
    await stack.wiring.ledger.migrated.wait()
    await stack.wiring.ledger.flush(timeout_s=10)
    vain = charges.c.cause.in_(("speculation", "hedge"))
    async with stack.wiring.ledger.engine.connect() as connection:
        nano = (await connection.execute(select(func.sum(sessions.c.cost_nano_usd)))).scalar_one()
        wasted = (await connection.execute(select(func.sum(charges.c.nano_usd)).where(vain))).scalar_one()
    return (nano or 0) / 1e9, (wasted or 0) / 1e9


async def measure(group: SceneGroup, callers: int, deadline: float) -> list[Measured]:
    """All scenes of a group, round after round; the first one whatever the time."""
    found = [Measured(scene) for scene in group.scenes]
    async with AsyncExitStack() as open_stacks:
        stacks: list[Stack] = []
        before: list[tuple[float, float]] = []
        for scene in group.scenes:
            folder = open_stacks.enter_context(tempfile.TemporaryDirectory())
            file = policies(Path(folder), scene)
            own = [OUTSIDE] if scene.outside else []
            running = running_stack(scene.profile, seed=1, policies_file=file, early_ends=scene.early, clips=own)
            stacks.append(stack := await open_stacks.enter_async_context(running))
            if scene.new_words:
                keep_openings_only(stack.wiring.providers.cache)
            if scene.stalls:
                await run_load(
                    LEARNERS,
                    lambda caller: [Speak(one) for one in said(LatencyScene("learning"), caller)],
                    CallOptions(url=stack.url, gap_s=0.3),
                    stagger_s=0.3,
                )
                await stack.quiet()
                rule = FaultRule(provider="anthropic", kind=FaultKind.STALL, probability=scene.stalls)
                stack.sandbox.world.faults.add(rule)
            before.append(await spent(stack))
        for number in range(group.rounds):
            plays = [play(*pair, callers, number) for pair in zip(stacks, found, strict=True)]
            if group.together:
                await asyncio.gather(*plays)
                continue
            for one in plays:
                if number == 0 or time.monotonic() < deadline:
                    await one
                else:
                    one.close()
        for stack, measured, earlier in zip(stacks, found, before, strict=True):
            now = await spent(stack)
            measured.usd, measured.wasted_usd = now[0] - earlier[0], now[1] - earlier[1]
            text = await stack.metrics()
            measured.talked_over = int(sample(text, "voice_agent_talked_over_turns_total"))
            calls = "voice_agent_api_calls_total"
            measured.counted["clauses"] = int(sample(text, calls, service="tts", outcome="ok"))
            measured.counted["clauses from memory"] = int(sample(text, calls, provider="cache"))
            for metric, names in COUNTED:
                for name in names:
                    count = sample(text, f"voice_agent_{metric}_total", outcome=name)
                    measured.counted[f"{metric} {name}"] += int(count)
    return found


def tables(results: list[tuple[SceneGroup, list[Measured]]]) -> str:
    """The tables and where they were measured."""
    parts: list[str] = []
    for group, measured in results:
        if shown := [one for one in measured if one.waited]:
            parts.append(f"**{group.title}**")
            parts.append(HEAD + "\n".join(one.row() for one in shown))
            parts.append(PRICE + "\n".join(one.price(measured[0]) for one in shown))
    unanswered = sum(one.unanswered for _, measured in results for one in measured)
    parts.append(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; sandbox, network"
        f" {NETWORK_MS:.0f} ms; {unanswered} turns without an answer."
    )
    return "\n\n".join(parts)


def plays_of(group: SceneGroup) -> int:
    """How often one scene after the other plays."""
    return group.rounds * (1 if group.together else len(group.scenes))


async def measure_all(callers: int, deadline: float, only: str) -> list[tuple[SceneGroup, list[Measured]]]:
    """The groups one after the other, each with its share of the time that is left; at most `callers` at a time."""
    left = [group for group in GROUPS if only.lower() in group.title.lower()]
    if not OUTSIDE.exists():
        print(f"{OUTSIDE} is not here: no outside recordings are played")
        left = [group for group in left if not any(scene.outside for scene in group.scenes)]
    results: list[tuple[SceneGroup, list[Measured]]] = []
    while left:
        now, group = time.monotonic(), left[0]
        share = plays_of(group) / sum(map(plays_of, left))
        results.append((group, await measure(group, min(group.callers, callers), now + share * (deadline - now))))
        del left[0]
    return results


def main() -> None:
    """Measures and prints; `--write` puts the tables into docs/latency.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=50, help="at a time at most; each makes one call of four turns")
    parser.add_argument(
        "--minutes", type=float, default=11.0, help="after these no further round is begun; --minutes 0: one round"
    )
    parser.add_argument("--only", default="", help="groups with this in their title")
    parser.add_argument("--write", action="store_true", help="write docs/latency.md")
    options = parser.parse_args()
    deadline = time.monotonic() + 60 * options.minutes
    text = tables(asyncio.run(measure_all(options.callers, deadline, options.only)))
    print(text)
    if options.write:
        page = TABLE.read_text()
        head, _, rest = page.partition(BEGIN)
        TABLE.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
