"""Eager ends, resumptions, ends, interruptions, failures, second answers and early voices at random moments, with tasks
in random order: never two replies, never one to what was taken back, every call paid once, no task left.

`make races` plays 10,000 turns; here is a part of them.
"""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from agent.core.calls import CallRecorder
from agent.providers.base import Prompt
from agent.session.early_voice import KeptCalls
from tests.support.races import TURNS, Race, ShuffledLoop, run_shuffled

SESSIONS = int(os.environ.get("RACES", "400")) // TURNS
PARTS = 8


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_comes_in_whatever_order_there_is_one_reply_to_what_was_said(part: int) -> None:
    _run(range(part, SESSIONS, PARTS))


def test_a_race_is_none_without_tasks_that_change_places() -> None:
    async def scenario() -> tuple[list[int], int]:
        order: list[int] = []

        async def step(number: int) -> None:
            await asyncio.sleep(0)
            order.append(number)

        await asyncio.gather(*(step(number) for number in range(8)))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ShuffledLoop)
        return order, loop.shuffled

    order, shuffled = run_shuffled(scenario(), random.Random(1))
    assert sorted(order) == list(range(8)) != order
    assert shuffled > 0


def _run(seeds: range) -> None:
    races = [Race(seed) for seed in seeds]
    for race in races:
        race.run()
    assert any(race.openings for race in races)


def _same(_one: Prompt, _other: Prompt) -> bool:
    return True


def _to_nobody(_calls: KeptCalls, _owner: CallRecorder) -> None: ...


@pytest.mark.parametrize("taken", ["whatever was said", "without its calls"])
def test_a_race_finds_a_guess_that_is_taken_by_mistake(taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would have to be found is put in: the race is worth its time."""
    if taken == "whatever was said":
        monkeypatch.setattr("agent.session.early_reply.same_request", _same)
    else:
        monkeypatch.setattr(KeptCalls, "hand_over", _to_nobody)
    with pytest.raises(AssertionError):
        _run(range(40))
