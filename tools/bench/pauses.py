"""`make pauses`: what the knobs of speed do to callers who pause, and what early ends are worth; writes three tables of
docs/latency.md.

Outside recordings with silence put into their middle, called in virtual time (`tests.support.simulated_calls`): the
result depends on the seeds alone. The same recordings, pauses and latencies for every row.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Final

from tests.support.paths import ROOT
from tests.support.simulated_calls import Knobs, Simulated, call
from tools.bench.latency_scenes import OUTSIDE, OUTSIDE_CLIPS, PAUSES_S, paused
from voice_loadtest.audio import CallerRecording, load_wav
from voice_loadtest.quantiles import nearest_rank
from voice_sandbox.receptionist.openings import FOLLOWS
from voice_sandbox.recognizer.early_end import EarlyEnds

TABLE: Final = ROOT / "docs" / "latency.md"
BEGIN, END = "<!-- pauses -->", "<!-- end of pauses -->"
KNOBS: Final = (
    Knobs("off"),
    Knobs("early, 50 %", threshold=0.5),
    Knobs("early, 30 %", threshold=0.3),
    Knobs("words that stand for 60 ms", stable_s=0.06),
    Knobs("early, 30 %, and early voice, 30 %", threshold=0.3, voice=0.3),
    Knobs("first words", first_words=True),
    Knobs("all of these", threshold=0.3, stable_s=0.06, voice=0.3, first_words=True),
    Knobs(
        "and openings that are asked for", threshold=0.3, stable_s=0.06, voice=0.3, first_words=True, follows=FOLLOWS
    ),
    Knobs("Nova, off", nova=True),
    Knobs("Nova, words that stand for 60 ms", nova=True, stable_s=0.06),
    Knobs("Nova, words that stand for 150 ms", nova=True, stable_s=0.15),
    Knobs("Nova, 60 ms, and first words", nova=True, stable_s=0.06, first_words=True),
)
_FAST: Final = Knobs(
    "fast", threshold=0.3, stable_s=0.06, voice=0.3, first_words=True, asked_twice=True, follows=FOLLOWS
)
_UNASKED: Final = replace(_FAST, name="fast, openings not asked for", follows=None)
SPEEDS: Final = (
    Knobs("off"),
    Knobs("off, half of the clauses in memory", repeated=0.5),
    replace(_FAST, name="fast, but asked once", asked_twice=False),
    _UNASKED,
    replace(_UNASKED, name="the same, half of the clauses in memory", repeated=0.5),
    replace(_FAST, name="fast, a model that follows in 30 %", follows=0.3),
    _FAST,
    replace(_FAST, name="fast, a quarter of the clauses in memory", repeated=0.25),
    replace(_FAST, name="fast, half of the clauses in memory", repeated=0.5),
)
SPEED_BEGIN, SPEED_END = "<!-- speeds -->", "<!-- end of speeds -->"
LEADS_S: Final = (0.0, 0.15, 0.25)
TAKEN_BACK: Final = (0.0, 0.3, 0.6)
LEAD_BEGIN, LEAD_END = "<!-- leads -->", "<!-- end of leads -->"
HEAD: Final = (
    "| knobs | turns | cut off | talked over | waits, ms p50 / p95 | guesses taken |"
    " models asked a turn | voices in vain |\n|---|--:|--:|--:|--:|--:|--:|--:|"
)


def calls() -> list[list[CallerRecording]]:
    """What is said in each call: every recording without a pause once, and with each pause."""
    made: list[list[CallerRecording]] = []
    for pause in (0.0, *PAUSES_S):
        for part in range(3):
            clips = [load_wav(OUTSIDE / f"{name}.wav") for name in OUTSIDE_CLIPS[part::3]]
            made.append([paused(clip, pause) if pause else clip for clip in clips])
    return made


def measure(knobs: Knobs, seeds: int) -> Simulated:
    """All calls, `seeds` times with other latencies."""
    result = Simulated()
    for seed in range(seeds):
        for number, said in enumerate(calls()):
            call(knobs, said, 1000 * seed + number, result)
    return result


def leads(seeds: int) -> str:
    """What an early end is worth, by how early it comes and how often it is taken back: callers who do not pause."""
    lines = [
        "| ms, p50 / p95 | " + " | ".join(f"{share:.0%} taken back".replace("%", " %") for share in TAKEN_BACK) + " |",
        "|---|" + "--:|" * len(TAKEN_BACK),
    ]
    said = calls()[:3]
    for lead in LEADS_S:
        cells: list[str] = []
        for share in TAKEN_BACK:
            result = Simulated()
            for seed in range(4 * seeds):
                for number, clips in enumerate(said):
                    call(Knobs("", threshold=0.3, ends=EarlyEnds(lead, share)), clips, 1000 * seed + number, result)
            p50, p95 = nearest_rank(result.waited, 0.5, 0.95)
            asked = (result.calls.get("llm", 0) + result.wasted.get("llm", 0)) / result.turns
            cells.append(f"{1000 * p50:.0f} / {1000 * p95:.0f} ({asked:.2f})")
        lines.append(f"| {lead * 1000:.0f} ms before the end | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def speeds(seeds: int) -> str:
    """How long callers wait who do not pause."""
    lines = [
        "| knobs | turns | waits, ms p50 / p95 / p99 | guesses taken | models asked a turn |",
        "|---|--:|--:|--:|--:|",
    ]
    for knobs in SPEEDS:
        result = Simulated()
        for seed in range(23 * seeds):
            for number, clips in enumerate(calls()[:3]):
                call(knobs, clips, 1000 * seed + number, result)
        waits = " / ".join(f"{1000 * found:.0f}" for found in nearest_rank(result.waited, 0.5, 0.95, 0.99))
        asked = (result.calls.get("llm", 0) + result.wasted.get("llm", 0)) / result.turns
        guesses = f"{result.taken} of {result.guesses}" if result.guesses else "none"
        lines.append(f"| {knobs.name} | {len(result.waited)} | {waits} | {guesses} | {asked:.2f} |")
    return "\n".join(lines)


def row(knobs: Knobs, result: Simulated) -> str:
    """A line of the table."""
    p50, p95 = nearest_rank(result.waited or [0.0], 0.5, 0.95)
    asked = result.calls.get("llm", 0) + result.wasted.get("llm", 0)
    guesses = f"{result.taken} of {result.guesses}" if result.guesses else "none"
    return (
        f"| {knobs.name} | {result.turns} | {result.cut_off / result.turns:.1%} | {result.talked_over} |"
        f" {1000 * p50:.0f} / {1000 * p95:.0f} | {guesses} | {asked / result.turns:.2f} |"
        f" {result.wasted.get('tts', 0)} |"
    )


def main() -> None:
    """Measures and prints; `--write` puts the table into docs/latency.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how often each recording is called with")
    parser.add_argument("--write", action="store_true", help="write docs/latency.md")
    options = parser.parse_args()
    text = "\n".join([HEAD, *(row(knobs, measure(knobs, options.seeds)) for knobs in KNOBS)])
    early, speed = leads(options.seeds), speeds(options.seeds)
    print("\n\n".join((text, early, speed)))
    if options.write:
        page = _between(TABLE.read_text(), BEGIN, text, END)
        page = _between(page, LEAD_BEGIN, early, LEAD_END)
        TABLE.write_text(_between(page, SPEED_BEGIN, speed, SPEED_END))


def _between(page: str, begin: str, text: str, end: str) -> str:
    head, _, rest = page.partition(begin)
    return f"{head}{begin}\n{text}\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    main()
