"""What scenes of `make bench-latency` came to, the tables of docs/latency.md, and parts of one run that were measured
apart.
"""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tools.bench.latency_scenes import GROUPS, LatencyScene, SceneGroup
from tools.bench.latency_stack import MachineLoad
from voice_loadtest.quantiles import nearest_rank

GUESSES: Final = ("taken", "resumed", "changed", "failed", "dropped")
MADE: Final = ("won", "lost", "failed", "cancelled")
VOICES: Final = ("taken", "changed", "dropped", "failed")
COUNTED: Final = (("early_replies", GUESSES), ("early_voices", VOICES), ("hedges", MADE))
STAGES: Final = ("stt", "llm", "tts", "send")
HEAD: Final = (
    "| | turns | caller waits, ms p50 / p95 / p99 | stt / llm / tts / rest in the middle | in the slowest 5 % |"
    " llm, ms p99 |\n|---|--:|--:|--:|--:|--:|\n"
)
PRICE: Final = (
    "| | guesses taken | voices taken | second calls won | from memory | too early / talked over | a call |"
    " in vain |\n|---|--:|--:|--:|--:|--:|--:|--:|\n"
)
MACHINE: Final = (
    "| | service / sandbox / callers, of a core | its loop late, ms p50 / p95 / p99 |"
    " gaps over 0.2 s |\n|---|--:|--:|--:|\n"
)
LONG_GAP_MS: Final = 200.0
"""A pause of so long after an opening is heard as one."""


@dataclass(slots=True)
class TurnWait:
    """One answered turn: what the caller waited for it, the stages by the service, silence inside the reply. ms."""

    waited: float
    stages: dict[str, float]
    gap: float = 0.0

    @property
    def rest(self) -> float:
        """What no stage has: the network, and what the service and the machine add."""
        return self.waited - sum(self.stages.get(name, 0.0) for name in STAGES[:3])


@dataclass
class Measured:
    """What one scene came to."""

    scene: LatencyScene
    turns: list[TurnWait] = field(default_factory=list[TurnWait])
    counted: Counter[str] = field(default_factory=Counter[str])
    load: MachineLoad = field(default_factory=MachineLoad)
    calls: list[str] = field(default_factory=list[str])
    usd: float = 0.0
    wasted_usd: float = 0.0

    @property
    def waited(self) -> list[float]:
        return [turn.waited for turn in self.turns]

    @property
    def usd_a_call(self) -> float:
        """What one call came to."""
        return self.usd / max(1, len(self.calls))

    def row(self) -> str:
        """A line of the table of waits."""
        p50, p95, p99 = nearest_rank(self.waited, 0.5, 0.95, 0.99)
        ordered = sorted(self.turns, key=lambda turn: turn.waited)
        middle = ordered[int(0.4 * len(ordered)) : max(1, round(0.6 * len(ordered)))] or ordered
        worst = nearest_rank((turn.stages.get("llm", 0.0) for turn in self.turns), 0.99)[0]
        return (
            f"| {self.scene.name} | {len(self.turns)} | {p50:.0f} / {p95:.0f} / {p99:.0f} | {_mean(middle)} |"
            f" {_mean(ordered[int(0.95 * len(ordered)) :])} | {worst:.0f} |"
        )

    def price(self, first: Measured) -> str:
        """A line of the table of what that cost, beside the first one of its group."""
        turns = len(self.turns) + self.counted["unanswered"]
        more = self.usd_a_call / first.usd_a_call - 1 if first.usd_a_call else 0.0
        clauses = self.counted["clauses"]
        return (
            f"| {self.scene.name} | {self._of('early_replies', ('taken',), GUESSES)} |"
            f" {self._of('early_voices', ('taken',), VOICES)} | {self._of('hedges', ('won',), MADE)} |"
            f" {self.counted['clauses from memory'] / clauses if clauses else 0.0:.0%} |"
            f" {self.counted['too early']} / {self.counted['talked over']} of {turns} |"
            f" ${self.usd_a_call:.5f} ({more:+.1%}) | {self.wasted_usd / self.usd if self.usd else 0.0:.1%} |"
        )

    def machine(self) -> str:
        """A line of the table of what the machine had to do."""
        load = self.load
        shares = " / ".join(f"{_average(one):.0%}" for one in (load.service, load.sandbox, load.callers))
        late = " / ".join(f"{one:.0f}" for one in nearest_rank(load.lag_ms or [0.0], 0.5, 0.95, 0.99))
        gaps = sum(turn.gap > LONG_GAP_MS for turn in self.turns)
        return f"| {self.scene.name} | {shares} | {late} | {gaps} of {len(self.turns)} |"

    def _of(self, metric: str, good: Iterable[str], every: Iterable[str]) -> str:
        part, whole = (sum(self.counted[f"{metric} {name}"] for name in names) for names in (good, every))
        return f"{part} of {whole}" if whole else "none"

    def plain(self) -> dict[str, Any]:
        """Plain data for JSON, which `add` reads."""
        return {
            "scene": self.scene.name,
            "turns": [asdict(turn) for turn in self.turns],
            "counted": dict(self.counted),
            "load": asdict(self.load),
            "calls": self.calls,
            "usd": self.usd,
            "wasted_usd": self.wasted_usd,
        }

    def add(self, part: dict[str, Any]) -> None:
        """Takes in another part of the same scene, as `plain` wrote it."""
        self.turns.extend(TurnWait(**turn) for turn in part["turns"])
        self.counted.update(part["counted"])
        self.calls.extend(part["calls"])
        self.usd, self.wasted_usd = self.usd + part["usd"], self.wasted_usd + part["wasted_usd"]
        for name in ("service", "sandbox", "callers", "lag_ms"):
            getattr(self.load, name).extend(part["load"][name])


Results = list[tuple[SceneGroup, list[Measured]]]


def tables(results: Results) -> str:
    """The tables and where they were measured."""
    parts: list[str] = []
    for group, measured in results:
        if shown := [one for one in measured if one.turns]:
            parts.append(f"**{group.title}**")
            parts.append(HEAD + "\n".join(one.row() for one in shown))
            parts.append(PRICE + "\n".join(one.price(measured[0]) for one in shown))
            parts.append(MACHINE + "\n".join(one.machine() for one in shown))
    unanswered = sum(one.counted["unanswered"] for _, measured in results for one in measured)
    parts.append(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; sandbox, network 70 ms;"
        f" {unanswered} turns without an answer."
    )
    return "\n\n".join(parts)


def save(results: Results, file: Path) -> None:
    """Keeps what was measured, for `joined`."""
    parts = [{"group": group.title, **one.plain()} for group, measured in results for one in measured]
    file.write_text(json.dumps(parts))


def joined(files: Sequence[Path]) -> Results:
    """The parts of these files together, in the order of the groups."""
    parts: list[dict[str, Any]] = [part for file in files for part in json.loads(file.read_text())]
    results: Results = []
    for group in GROUPS:
        found = [Measured(scene) for scene in group.scenes]
        for one in found:
            for part in parts:
                if (part["group"], part["scene"]) == (group.title, one.scene.name):
                    one.add(part)
        if any(one.turns for one in found):
            results.append((group, found))
    return results


def _mean(turns: Sequence[TurnWait]) -> str:
    stages = [_average([turn.stages.get(name, 0.0) for turn in turns]) for name in STAGES[:3]]
    return " / ".join(f"{one:.0f}" for one in (*stages, _average([turn.rest for turn in turns])))


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
