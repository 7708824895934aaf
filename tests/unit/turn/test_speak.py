"""The order and the pace of speaking: one clause ahead of what is heard, and no further."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from agent.core import clock
from agent.core.audio import bytes_for
from agent.core.calls import CallRecorder
from agent.providers.base import Audio, ClientSpeech
from agent.telemetry.stages import Mark
from agent.telemetry.timeline import Timeline
from agent.turn.clauses import Clause, ClauseCut
from agent.turn.playback import Playback
from agent.turn.speak import ClauseBegins, speak
from tests.support.virtual_time import run_virtual


class Voice:
    """Says each clause in 5 s of audio that is there at once; notes when it was asked."""

    provider = "voice"
    model = "test"

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []
        self.open = 0

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        self.asked.append((text, clock.now()))
        self.open += 1
        try:
            for _ in range(5):
                await asyncio.sleep(0.05)
                yield Audio(bytes(bytes_for(1.0)), "elevenlabs")
        finally:
            self.open -= 1


async def four_clauses(first: ClauseCut = ClauseCut.SENTENCE) -> AsyncGenerator[Clause]:
    for index in range(4):
        cut = ClauseCut.SENTENCE if index else first
        yield Clause(index, f"clause {index}", f"clause {index}", cut)


async def play(
    voice: Voice, playback: Playback, timeline: Timeline, first: ClauseCut = ClauseCut.SENTENCE
) -> list[str]:
    order: list[str] = []
    async with (
        aclosing(four_clauses(first)) as clauses,
        aclosing(speak(clauses, voice, "s", playback, timeline)) as speech,
    ):
        async for piece in speech:
            match piece:
                case ClauseBegins(clause):
                    playback.clause(clause.written)
                    order.append(clause.spoken)
                case Audio(pcm):
                    playback.audio(len(pcm), clock.now())
                case ClientSpeech():
                    pass
    return order


def test_a_clause_is_asked_for_when_the_one_before_it_begins_to_play() -> None:
    async def scenario() -> tuple[list[str], list[float], Timeline]:
        voice, timeline = Voice(), Timeline(1, spoken=True)
        order = await play(voice, Playback(reports=False), timeline)
        return order, [round(at, 1) for _, at in voice.asked], timeline

    order, asked, timeline = run_virtual(scenario())
    assert order == ["clause 0", "clause 1", "clause 2", "clause 3"]
    # 0 at once; 1 as soon as 0 is there and plays; 2 when 1 begins (5 s), 3 when 2 begins (10 s)
    assert asked == [0.0, 0.3, 5.1, 10.1] or asked == [0.0, 0.2, 5.1, 10.1]
    assert timeline.marks[Mark.FIRST_AUDIO] < 0.1


@pytest.mark.parametrize(("first", "asked_s"), [(ClauseCut.OPENING, 0.25), (ClauseCut.SENTENCE, 0.45)])
def test_what_follows_on_an_opening_does_not_wait_until_that_plays(first: ClauseCut, asked_s: float) -> None:
    async def scenario() -> list[float]:
        voice, playback = Voice(), Playback(reports=True)
        task = asyncio.create_task(play(voice, playback, Timeline(1, spoken=True), first))
        await asyncio.sleep(0.45)
        playback.report(0.0, clock.now(), playing=True)
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait({task})
        return [at for _, at in voice.asked]

    assert run_virtual(scenario()) == pytest.approx([0.0, asked_s], abs=0.02)


def test_barge_in_closes_the_voice_and_asks_for_no_more() -> None:
    async def scenario() -> tuple[int, int]:
        voice = Voice()
        task = asyncio.create_task(play(voice, Playback(reports=False), Timeline(1, spoken=True)))
        await asyncio.sleep(0.12)
        task.cancel()
        await asyncio.wait({task})
        return voice.open, len(voice.asked)

    assert run_virtual(scenario()) == (0, 1)
