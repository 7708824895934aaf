"""What `make bench-cpu` makes of its measurements: a row for each kind of work, with the ratio of two services."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import psutil

FRAMES_S: Final = 50.0  # of 20 ms, of every microphone


@dataclass(frozen=True, slots=True)
class Window:
    """One measurement: what a service used while so many calls of one kind ran."""

    cpu_s: float
    seconds: float
    calls: int
    turns: int
    chunks: float  # of 50 ms of reply
    memory: int  # bytes that are resident, at its end

    @property
    def call_share(self) -> float:
        """Of one core, for each call."""
        return self.cpu_s / self.seconds / self.calls


@dataclass(slots=True)
class Subject:
    """A service that is measured."""

    name: str
    url: str
    process: psutil.Popen
    memory: int = 0  # before the first call
    windows: dict[str, list[Window]] = field(default_factory=dict[str, list[Window]])


@dataclass(frozen=True, slots=True)
class Costs:
    """What is told of one service."""

    nobody_share: float  # of a core, without a call
    mute_share: float  # of a core, for each call whose client sends no audio
    silent_us: float  # for each frame of digital silence
    room_us: float  # for each frame of a quiet room
    speech_us: float  # for each frame of speech
    turn_ms: float  # for each typed turn and its reply
    talking_share: float  # of a core, for each call that talks all the time
    turns_s: float  # turns a second of such a call
    memory_mb: float  # for each call, the most of all kinds

    @staticmethod
    def of(subject: Subject) -> Costs:
        """The medians of all rounds."""

        def median(kind: str, value: Callable[[Window], float]) -> float:
            return statistics.median(value(window) for window in subject.windows[kind])

        nobody = median("nobody", lambda window: window.cpu_s / window.seconds)

        def share(kind: str) -> float:
            return median(kind, lambda window: (window.cpu_s / window.seconds - nobody) / window.calls)

        silent = share("silent")
        return Costs(
            nobody_share=nobody,
            mute_share=share("mute"),
            silent_us=silent / FRAMES_S * 1e6,
            room_us=share("room") / FRAMES_S * 1e6,
            speech_us=share("speech") / FRAMES_S * 1e6,
            turn_ms=median("typed", lambda window: _turn_ms(window, nobody, silent)),
            talking_share=share("talking"),
            turns_s=median("talking", lambda window: window.turns / window.seconds / window.calls),
            memory_mb=max(
                (window.memory - subject.memory) / window.calls / 1e6
                for kind in ("mute", "speech", "talking")
                for window in subject.windows[kind]
            ),
        )


def _turn_ms(window: Window, nobody: float, silent: float) -> float:
    rest = window.cpu_s - window.seconds * (nobody + silent * window.calls)
    return rest / max(1, window.turns) * 1000


ROWS: Final[tuple[tuple[str, Callable[[Costs], float], str], ...]] = (
    ("nobody calls: of a core", lambda costs: costs.nobody_share * 100, "{:.2f} %"),
    ("a call without audio: of a core", lambda costs: costs.mute_share * 100, "{:.3f} %"),
    ("a frame of 20 ms, digital silence", lambda costs: costs.silent_us, "{:.0f} µs"),
    ("a frame of a quiet room", lambda costs: costs.room_us, "{:.0f} µs"),
    ("a frame of speech", lambda costs: costs.speech_us, "{:.0f} µs"),
    ("a typed turn with its reply", lambda costs: costs.turn_ms, "{:.1f} ms"),
    ("a call that talks all the time: of a core", lambda costs: costs.talking_share * 100, "{:.2f} %"),
    ("memory of a call", lambda costs: costs.memory_mb, "{:.2f} MB"),
)


def table(subjects: Sequence[Subject], rounds: int, calls: int, seconds: float) -> str:
    """The table and where it was measured."""
    costs = [Costs.of(subject) for subject in subjects]
    names = [subject.name for subject in subjects]
    ratio = len(costs) == 2
    lines = [
        f"| what | {' | '.join(names)} |{' ratio |' if ratio else ''}",
        f"|---|{'--:|' * (len(names) + ratio)}",
    ]
    for name, value, form in ROWS:
        cells = [form.format(value(cost)) for cost in costs]
        if ratio:
            before, now = value(costs[0]), value(costs[1])
            cells.append(f"{now / before:.2f}" if before > 0 else "–")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; median of {rounds} rounds"
        f" of {seconds:g} s,\n{calls} calls at a time, {costs[-1].turns_s:.2f} turns a second of a talking call;"
        " against the sandbox (profile `instant`).",
    ]
    return "\n".join(lines)
