"""Time that memory takes of a turn, by length of the call, and what a two-hour call holds.

Run it with `python -m tests.bench.bench_memory`. A turn is heard(), context() at 4,000 tokens and answered(). The words
are our own, of mixed subjects with values in every turn, so that states, topics and the index all grow.
"""

from __future__ import annotations

import json
import platform
import random
import sys
import time
import tracemalloc
from statistics import median, quantiles

from agent.memory import Conversation, context
from agent.memory.words import tokens_of

SUBJECTS = ("hotel", "restaurant", "train", "taxi", "invoice", "parcel", "haircut", "weather", "flight", "concert")
NAMES = ("Sino", "Harbour Grill", "Warkworth House", "Bella Napoli", "Dr. Patel", "Lakeside Lodge")
SYSTEM = "You are the agent of this line. Answer in one or two short sentences. " * 8
TWO_HOURS = 480  # turns, at 15 seconds each


def one_turn(conversation: Conversation, number: int, chance: random.Random) -> tuple[float, int]:
    """Seconds of one turn's memory work, and the tokens of its context."""
    subject, name = chance.choice(SUBJECTS), chance.choice(NAMES)
    said = chance.choice(
        (
            f"I also need a {subject} with {name} on Friday for {number % 7 + 2} people at {number % 12 + 1} pm",
            f"What about the first {subject}, how much was it?",
            "Yes please, that sounds good.",
            f"Actually make it {number % 9 + 1} instead.",
        )
    )
    reply = f"The {subject} at {name} costs ${number + 20}, reference QK{1000 + number}. Shall I book it for you?"
    start = time.perf_counter()
    conversation.heard(said)
    made = context(conversation, system=SYSTEM, utterance=said, budget_tokens=4_000)
    conversation.answered(reply, interrupted=number % 11 == 0)
    took = time.perf_counter() - start
    return took, tokens_of(made.memory) + sum(made.tokens[part] for part in ("system", "recent", "utterance"))


def main() -> None:
    """Measures and prints."""
    write = sys.stdout.write
    write(f"Python {platform.python_version()}, {platform.machine()}\n")
    for length in (50, 200, TWO_HOURS):
        times: list[float] = []
        used: list[int] = []
        for seed in range(5):
            chance, conversation = random.Random(seed), Conversation()
            for number in range(length):
                took, tokens = one_turn(conversation, number, chance)
                if number >= length - 20:
                    times.append(took * 1e3)
                    used.append(tokens)
        write(
            f"{length:4} turns: median {median(times):.2f} ms, p95 {quantiles(times, n=20)[-1]:.2f} ms a turn, "
            f"{median(used):.0f} tokens of context\n"
        )
    tracemalloc.start()
    conversation, chance = Conversation(), random.Random(9)
    for number in range(TWO_HOURS):
        one_turn(conversation, number, chance)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    log = conversation.events_since(0)
    size = sum(len(json.dumps(event)) for event in log)
    start = time.perf_counter()
    Conversation.restore(log)
    restored = time.perf_counter() - start
    write(
        f"two hours ({TWO_HOURS} turns): {held / 1e6:.1f} MB held with the log, {len(log)} events of "
        f"{size / 1e3:.0f} kB, restored in {restored * 1e3:.0f} ms; {len(conversation.graph.states)} states, "
        f"{len(conversation.graph.topics)} topics, {conversation.graph.folded} questions folded\n"
    )


if __name__ == "__main__":
    main()
