"""What it takes to answer in 650 ms, reckoned from the providers' latencies alone; writes a table of docs/latency.md.

Nothing runs: each stage is drawn from the sandbox's profile `measured`, and a knob changes what waits for what. After
the caller's last sound come E, the recogniser's end of turn, G, when the model is asked, L, its first text after that,
C, its first clause, and V, the voice's first sound (0 for a clause that is in memory). The caller hears the reply at

    network + max(E, G + L + C + V)

`python -m tools.bench.latency_arithmetic --write`.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.support.paths import ROOT
from voice_loadtest.quantiles import nearest_rank
from voice_sandbox.latency import PROFILES, LatencySpread
from voice_sandbox.recognizer.early_end import DOCUMENTED
from voice_sandbox.recognizer.turns import LEAST_SILENCE_S

TABLE: Final = ROOT / "docs" / "latency.md"
BEGIN, END = "<!-- arithmetic -->", "<!-- end of arithmetic -->"
DRAWS: Final = 40_000
SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the replies whose first clause is in memory."""
NETWORK_S: Final = 0.07
_MEASURED: Final = PROFILES["measured"]
_CLAUSE: Final = LatencySpread(76, 200)  # 34 characters, 90 at p95, at 450 a second: outside dialogues
_HASTY_CLAUSE: Final = LatencySpread(74, 122)  # cut where a phrase begins: 55 characters at p95


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What runs beside what. Times in seconds.

    asked_at: when the model is asked, from when the turn ends for the recogniser; None: then.
    second: from which quantile of its latency the model is asked a second time (0: at once); None: never.
    """

    name: str
    asked_at: Callable[[float], float] | None = None
    hasty: bool = False
    voice_waits: bool = True
    second: float | None = None


def _early(end: float) -> float:
    return max(LEAST_SILENCE_S, end - DOCUMENTED.lead(0.3))


def _stands(_end: float) -> float:
    return LEAST_SILENCE_S


WAYS: Final = (
    StagePlan("one after the other"),
    StagePlan("asked at Flux's early end, 30 %", _early),
    StagePlan("asked after 60 ms of silence", _stands),
    StagePlan("and first words", _stands, hasty=True),
    StagePlan("and early voice", _stands, hasty=True, voice_waits=False),
    StagePlan("and a second call of the model at 85 %", _stands, hasty=True, voice_waits=False, second=0.85),
    StagePlan("the model always asked twice", _stands, hasty=True, voice_waits=False, second=0.0),
    StagePlan("asked at the last sound", lambda _end: 0.0, hasty=True, voice_waits=False, second=0.85),
)


def waits(way: StagePlan, share: float) -> list[float]:
    """Seconds that callers wait for the first sound, in order of the seed."""
    dice = random.Random(17)
    model, voice = _MEASURED["llm"], _MEASURED["tts"]
    usual = sorted(model.draw(dice) for _ in range(DRAWS))
    late = usual[int(way.second * DRAWS)] if way.second else 0.0
    result: list[float] = []
    for _ in range(DRAWS):
        end, first, other = _MEASURED["stt"].draw(dice), model.draw(dice), model.draw(dice)
        if way.second is not None and first > late:
            first = min(first, late + other)
        clause = (_HASTY_CLAUSE if way.hasty else _CLAUSE).draw(dice)
        asked = end if way.asked_at is None else min(end, way.asked_at(end))
        known, spoken = asked + first + clause, voice.draw(dice)
        if dice.random() < share:
            spoken = 0.0
        began = max(known, end) if way.voice_waits else known
        result.append(NETWORK_S + max(end, began + spoken))
    return result


def table() -> str:
    """p50 / p95 of each way, by the share of first clauses that are in memory."""
    lines = [
        "| ms, p50 / p95 | " + " | ".join(f"{share:.0%} in memory".replace("%", " %") for share in SHARES) + " |",
        "|---|" + "--:|" * len(SHARES),
    ]
    for way in WAYS:
        cells: list[str] = []
        for share in SHARES:
            p50, p95 = (1000 * found for found in nearest_rank(waits(way, share), 0.5, 0.95))
            reached = "**" if p50 <= 650 and p95 <= 1000 else ""
            cells.append(f"{reached}{p50:.0f} / {p95:.0f}{reached}")
        lines.append(f"| {way.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Reckons and prints; `--write` puts the table into docs/latency.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/latency.md")
    text = table()
    print(text)
    if parser.parse_args().write:
        head, _, rest = TABLE.read_text().partition(BEGIN)
        TABLE.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
