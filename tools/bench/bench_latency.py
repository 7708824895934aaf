"""`make bench-latency`: what early replies win at the caller's ear, and what they cost; writes the table of
docs/latency.md.

Each variant of `haiku_first` plays the same calls against a service of its own with the sandbox's profile `measured`
and 70 ms of network, one variant after the other, round after round, so that a machine that grows slower is slower for
all of them. Times are the caller's own: its last voiced sample to the first audible one of the reply.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from agent.ledger.tables import sessions
from agent.policy.policies import DEFAULT_PATH
from tests.support.paths import ROOT
from tests.support.stack import clip, running_stack, sample
from voice_loadtest.caller import CallOptions
from voice_loadtest.quantiles import nearest_rank
from voice_loadtest.run import run_load
from voice_loadtest.script import Speak

VARIANTS: Final[tuple[int | None, ...]] = (None, 70, 50, 30)
"""Thresholds in percent at which the model is asked early; None: when the turn is over."""
CALLS: Final = (
    ("room_01", "room_02", "room_03", "room_05"),
    ("order_01", "order_02", "order_03", "order_04"),
    ("billing_01", "billing_02", "billing_04", "billing_05"),
    ("smalltalk_01", "smalltalk_02", "smalltalk_03", "smalltalk_04"),
)
NETWORK_MS: Final = 70.0
TABLE: Final = ROOT / "docs" / "latency.md"
BEGIN, END = "<!-- early replies -->", "<!-- end of early replies -->"


@dataclass
class Variant:
    """What one threshold came to. Milliseconds."""

    percent: int | None
    waited: list[float] = field(default_factory=list[float])
    stages: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    became: Counter[str] = field(default_factory=Counter[str])
    calls: int = 0
    usd: float = 0.0
    unanswered: int = 0

    def row(self) -> str:
        """A line of the table."""
        p50, p95, p99 = nearest_rank(self.waited, 0.5, 0.95, 0.99)
        stages = [f"{nearest_rank(self.stages.get(name) or [0.0], 0.5)[0]:.0f}" for name in ("stt", "llm", "tts")]
        guesses = sum(self.became[name] for name in ("taken", "resumed", "changed", "failed", "dropped"))
        name = "off" if self.percent is None else f"{self.percent} %"
        return (
            f"| {name} | {len(self.waited)} | {p50:.0f} / {p95:.0f} / {p99:.0f} | {' / '.join(stages)} |"
            f" {self.became['taken']} of {guesses} | ${self.usd / max(1, self.calls):.5f} |"
        )


def policies(folder: Path, percent: int | None) -> Path:
    """The shipped policies, everybody on `haiku_first`, which begins its replies at this threshold."""
    name = 'name = "haiku_first"'
    knob = "" if percent is None else f"\nearly_replies = {{ threshold_percent = {percent} }}"
    made = folder / "policies.toml"
    shipped = DEFAULT_PATH.read_text().replace("haiku_first = 95\nsonnet_first = 5", "haiku_first = 100")
    made.write_text(shipped.replace(name, name + knob, 1))
    return made


async def play(variant: Variant, callers: int, seed: int) -> None:
    """One round: every caller makes one call."""
    with tempfile.TemporaryDirectory() as folder:
        file = policies(Path(folder), variant.percent)
        async with running_stack("measured", seed=seed, policies_file=file) as stack:
            load = await run_load(
                callers,
                lambda number: [Speak(clip(name)) for name in CALLS[(number + seed) % len(CALLS)]],
                CallOptions(url=stack.url, gap_s=0.3),
                network_ms=NETWORK_MS,
                stagger_s=0.4,
            )
            await stack.quiet()
            await stack.wiring.ledger.flush(timeout_s=10)
            text = await stack.metrics()
            async with stack.wiring.ledger.engine.connect() as connection:
                spent = (await connection.execute(select(func.sum(sessions.c.cost_nano_usd)))).scalar_one()
    variant.calls += callers
    variant.usd += (spent or 0) / 1e9
    for turn in load.turns:
        if not turn.answered or turn.voice_to_voice_ms is None:
            variant.unanswered += 1
            continue
        variant.waited.append(turn.voice_to_voice_ms)
        for name, value in turn.stages.items():
            if value is not None:
                variant.stages.setdefault(name, []).append(value)
    for outcome in ("taken", "resumed", "changed", "failed", "dropped", "switched_off"):
        variant.became[outcome] += int(sample(text, "voice_agent_early_replies_total", outcome=outcome))


def table(variants: Sequence[Variant]) -> str:
    """The table and where it was measured."""
    lines = [
        "| asked at | turns | caller waits, ms p50 / p95 / p99 | stt / llm / tts, ms p50 | guesses taken | a call |",
        "|---|--:|--:|--:|--:|--:|",
        *(variant.row() for variant in variants),
        "",
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; sandbox, profile"
        f" `measured`, network {NETWORK_MS:.0f} ms; {sum(variant.unanswered for variant in variants)} turns without"
        " an answer.",
    ]
    return "\n".join(lines)


async def measure(rounds: int, callers: int) -> list[Variant]:
    """All variants, round after round."""
    variants = [Variant(percent) for percent in VARIANTS]
    for seed in range(1, rounds + 1):
        for variant in variants:
            await play(variant, callers, seed)
    return variants


def main() -> None:
    """Measures and prints; `--write` puts the table into docs/latency.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=13, help="of every variant")
    parser.add_argument("--callers", type=int, default=4, help="at a time; each makes one call of four turns")
    parser.add_argument("--write", action="store_true", help="write docs/latency.md")
    options = parser.parse_args()
    text = table(asyncio.run(measure(options.rounds, options.callers)))
    print(text)
    if options.write:
        page = TABLE.read_text()
        head, _, rest = page.partition(BEGIN)
        TABLE.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
