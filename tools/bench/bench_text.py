"""Time of the text path of a turn: reading aloud and cutting per delta of the model, routing per turn.

Run it with `python -m tools.bench.bench_text` or as a file; it prints one line per measurement (best of 30 runs).
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable

from agent.policy.policies import load_policies
from agent.policy.routing import load_terms, route
from agent.turn.clauses import ClauseCutter

REPLY = (
    "Sure, I can help you with that. We have 2 rooms at $120.50 per night, from 2:30 p.m. on March 3rd. Would you like "
    "me to book the larger one for Dr. Smith? You can also call 555-123-4567 or see example.com/rooms. "
) * 3
INPUT = "Could you tell me whether the room with the balcony is free on Friday"


def best_us(work: Callable[[], object], runs: int = 30) -> float:
    """The shortest of some runs, in microseconds."""
    times: list[float] = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) * 1e6


def main() -> None:
    """Measures and prints."""
    deltas = re.findall(r".{1,4}", REPLY)
    policy, terms = load_policies().policies["haiku_first"], load_terms()

    def speak() -> None:
        cutter = ClauseCutter()
        for delta in deltas:
            cutter.feed(delta)
        cutter.finish()

    def choose() -> None:
        route(policy, text=INPUT, recent_turns=[INPUT, INPUT], system_escalates=False, terms=terms)

    reply = best_us(speak)
    sys.stdout.write(
        f"reply of {len(REPLY)} characters: {reply / 1000:.2f} ms, {reply / len(deltas):.1f} us per delta\n"
    )
    sys.stdout.write(f"route of a turn over {len(terms)} terms: {best_us(choose):.1f} us\n")


if __name__ == "__main__":
    main()
