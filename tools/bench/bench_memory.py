"""Time that memory takes of a turn, by length of the call, and what two-hour calls hold.

Times are told thrice: the process's own processor time, in which waiting for a core does not count; the same for the
best of some identical runs of each turn, which leaves out most of what other work on the machine costs through shared
caches; and the wall's. Run it with `python -m tools.bench.bench_memory`; `make eval` tells the row of 200 turns. A turn
is heard(), context() and answered(). The words are our own, of mixed subjects with values in every turn, so that
states, topics and the index all grow.
"""

from __future__ import annotations

import json
import platform
import random
import re
import sys
import time
import tracemalloc
from dataclasses import dataclass
from statistics import median

from agent.memory import Claim, Conversation, NotesRequest, context
from agent.memory.context import RECALL_TOKENS
from agent.memory.words import tokens_of
from voice_loadtest.quantiles import nearest_rank

SUBJECTS = ("hotel", "restaurant", "train", "taxi", "invoice", "parcel", "haircut", "weather", "flight", "concert")
NAMES = ("Sino", "Harbour Grill", "Warkworth House", "Bella Napoli", "Dr. Patel", "Lakeside Lodge")
SYSTEM = "You are the agent of this line. Answer in one or two short sentences. " * 8
TWO_HOURS = 480  # turns, at 15 seconds each
TWO_FAST_HOURS = 1_440  # turns, at 5 seconds each: enough to fold


def one_turn(conversation: Conversation, number: int, chance: random.Random, budget: int) -> tuple[float, float, int]:
    """Seconds of one turn's memory work, of processor time and of the wall, and the tokens of its context."""
    subject, name = chance.choice(SUBJECTS), chance.choice(NAMES)
    said = chance.choice(
        (
            f"I also need a {subject} with {name} on Friday for {number % 7 + 2} people at {number % 12 + 1} pm",
            f"What about the first {subject}, how much was it?",
            "Yes please, that sounds good.",
            f"Actually make it {number % 9 + 1} instead.",
        )
    )
    reply = chance.choice(
        (
            f"The {subject} at {name} costs ${number + 20}, reference QK{1000 + number}. Shall I book it for you?",
            f"Your {subject} at {name} is booked for Friday at 7 pm. The reference is QK{1000 + number}.",
            f"Your {subject} at {name} has been cancelled.",
        )
    )
    start, seen = time.process_time_ns(), time.perf_counter()
    conversation.heard(said)
    made = context(
        conversation,
        system=SYSTEM,
        utterance=said,
        budget_tokens=budget,
        recall_tokens=RECALL_TOKENS,
        cache_from_tokens=4_096,
    )
    conversation.answered(reply, interrupted=number % 11 == 0)
    took, passed = (time.process_time_ns() - start) / 1e9, time.perf_counter() - seen
    tokens = tokens_of(made.memory) + sum(made.tokens[part] for part in ("system", "recent", "utterance"))
    return took, passed, tokens


def main() -> None:
    """Measures and prints."""
    write = sys.stdout.write
    write(f"Python {platform.python_version()}, {platform.machine()}\n")
    for length in (50, 200, TWO_HOURS, TWO_FAST_HOURS):
        for budget in (4_000, 8_000):
            write(turn_time(length, budget))
    for length in (TWO_HOURS, TWO_FAST_HOURS):
        write(two_hours(length))


RUNS = 4  # of the same turns
CALLS, LAST = 5, 20  # calls that are measured, and of how many of their last turns


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """Milliseconds of memory's work in a turn (median, p95) and tokens of its context (median)."""

    processor: tuple[float, float]
    best: tuple[float, float]
    """Each turn counted by the fastest of its runs."""
    wall: tuple[float, float]
    tokens: float


def turn_times(length: int, budget: int, *, noted: bool = False) -> TurnTimes:
    """The last turns of some calls of so many turns, each call played `RUNS` times over.

    With `noted` the small model's facts are in the notes as well; checking them is beside the turn and not timed.
    """
    times: list[list[float]] = []
    walls: list[float] = []
    used: list[int] = []
    for run in range(RUNS):
        times.append([])
        for seed in range(CALLS):
            chance, conversation = random.Random(seed), Conversation()
            for number in range(length):
                took, passed, tokens = one_turn(conversation, number, chance, budget)
                if number >= length - LAST:
                    times[run].append(took * 1e3)
                    walls.append(passed * 1e3)
                    used.append(tokens)
                if noted:
                    note(conversation, number)
    every = [took for run in times for took in run]
    best = [min(same) for same in zip(*times, strict=True)]
    return TurnTimes(_p50_p95(every), _p50_p95(best), _p50_p95(walls), median(used))


def note(conversation: Conversation, number: int) -> None:
    """What a small model would write of a price that was told in the newest turn."""
    told = re.match(r"The (.+?) costs (\S+), reference (\w+)\.", conversation.graph.questions[-1].answer or "")
    if told:
        thing, price, reference = told.groups()
        claims = [
            Claim(thing, "price", price, number, "agent"),
            Claim(thing, "reference", reference, number, "agent"),
        ]
        conversation.noted(NotesRequest(number, ""), claims)


def _p50_p95(values: list[float]) -> tuple[float, float]:
    p50, p95 = nearest_rank(values, 0.5, 0.95)
    return p50, p95


def turn_time(length: int, budget: int) -> str:
    """One line on calls of so many turns."""
    times = turn_times(length, budget)
    (p50, p95), (best50, best95), (wall50, wall95) = times.processor, times.best, times.wall
    return (
        f"{length:4} turns, budget {budget}: median {p50:.2f} ms, p95 {p95:.2f} ms a turn (best of {RUNS}"
        f" {best50:.2f} and {best95:.2f}, wall {wall50:.2f} and {wall95:.2f}), {times.tokens:.0f} tokens of context\n"
    )


def two_hours(length: int) -> str:
    """What a call of so many turns holds, and whether a value that any slot ever took is lost."""
    conversation, chance = Conversation(), random.Random(9)
    slowest = max(one_turn(conversation, number, chance, 4_000)[0] for number in range(length))
    log = conversation.events_since(0)
    size = sum(len(json.dumps(event)) for event in log)
    start = time.perf_counter()
    graph = Conversation.restore(log).graph
    restored = time.perf_counter() - start
    taken = {(act["state"], act["text"]) for event in log for act in event.get("acts", ())}
    kept = {(state.id, slot.value) for state in graph.states for slot in (*state.slots, *state.past)}
    return (
        f"two hours ({length} turns): {held(length) / 1e6:.1f} MB held, {len(log)} events of {size / 1e3:.0f} kB in "
        f"the ledger, restored in {restored * 1e3:.0f} ms; slowest turn {slowest * 1e3:.1f} ms; {len(graph.questions)} "
        f"questions and {graph.folded} folded, {len(graph.topics)} topics, {len(graph.states)} states; "
        f"{len(taken - kept)} of {len(taken)} acts lost\n"
    )


def held(length: int) -> int:
    """Bytes that a call of so many turns holds; as in the service, events are dropped once they are stored."""
    tracemalloc.start()
    conversation, chance = Conversation(), random.Random(9)
    for number in range(length):
        one_turn(conversation, number, chance, 4_000)
        conversation.forget_events(conversation.event_count)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size


if __name__ == "__main__":
    main()
