from __future__ import annotations

import asyncio

import pytest

from tests.support.scripted_service import Talk, clip, service
from voice_loadtest.caller import CallOptions
from voice_loadtest.run import run_load
from voice_loadtest.script import Speak, Wait


async def answers_twice(talk: Talk) -> None:
    await talk.ready()
    for turn in (1, 2):
        await talk.answer(turn, f"utterance {turn}")
    await talk.goodbye()


async def test_many_callers_are_answered_side_by_side() -> None:
    async with service(answers_twice) as running:
        options = CallOptions(url=running.url, gap_s=0.05)
        result = await run_load(8, lambda _: [Speak(clip("one")), Speak(clip("two"))], options, stagger_s=0.01)
    assert len(running.talks) == 8
    assert len(result.turns) == 16
    assert (result.summary.utterances, result.summary.answered, result.summary.own.count) == (16, 16, 16)
    assert all(record.all_answered for record in result.records)
    assert result.skipped_frames == 0
    # side by side: eight calls one after another would take eight times the longest
    longest = max(talk.arrivals[-1] - talk.arrivals[0] for talk in running.talks)
    assert result.wall_s < 4 * longest


async def test_every_caller_has_its_own_script_and_its_own_record() -> None:
    async def listens(talk: Talk) -> None:
        await talk.ready(session_id=f"s{len(talk.messages)}")
        await talk.goodbye()

    async with service(listens) as running:
        result = await run_load(3, lambda number: [Wait(0.1 * number)], CallOptions(url=running.url), stagger_s=0)
    frames = sorted(talk.frames for talk in running.talks)
    assert frames[0] < frames[1] < frames[2]
    assert [record.close_code for record in result.records] == [1000] * 3


async def test_a_caller_that_does_not_get_through_is_a_record_and_not_the_end_of_the_others() -> None:
    async def nobody(talk: Talk) -> None:
        await asyncio.sleep(0)

    async with service(nobody, status=503, body={"title": "Full"}) as running:
        result = await run_load(2, lambda _: [Speak(clip())], CallOptions(url=running.url), stagger_s=0)
    assert [[fault.code for fault in record.errors] for record in result.records] == [["not_connected"]] * 2
    assert result.summary.answered == 0


async def test_a_load_needs_somebody() -> None:
    with pytest.raises(ValueError, match="at least one caller"):
        await run_load(0, lambda _: [])
