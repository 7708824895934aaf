"""Openings that are recorded: spoken once for each voice, charged as clips, and never at a caller's expense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from agent.core.calls import ErrorKind
from agent.providers.audio_cache import AudioCache
from agent.providers.fallback.concurrency import PriorityLimiter
from agent.providers.openings import AGAIN_S, OPENINGS, Openings, OpeningVoice
from tests.support.providers import RecordingRecorder
from tests.support.session import ScriptedVoice
from tests.support.virtual_time import run_virtual


@asynccontextmanager
async def running(openings: Openings) -> AsyncGenerator[None]:
    task = asyncio.create_task(openings.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def voice_of(tts: ScriptedVoice, slots: PriorityLimiter | None = None) -> OpeningVoice:
    return OpeningVoice(tts, "ada", None, slots or PriorityLimiter(4))


def test_each_voice_speaks_them_once_when_the_first_session_wants_them() -> None:
    async def scenario() -> None:
        recorder, tts = RecordingRecorder(), ScriptedVoice(seconds=0.3)
        openings = Openings(AudioCache(), "en", recorder)
        async with running(openings):
            await asyncio.sleep(3600)
            assert tts.spoken == []  # nobody calls: nobody pays
            for _ in range(5):
                openings.want(voice_of(tts))
                assert openings.recorded(voice_of(tts), "Sure,") is None
            await asyncio.sleep(AGAIN_S / 2)
            openings.want(voice_of(tts))
            await asyncio.sleep(AGAIN_S)
            openings.want(voice_of(tts))
            await asyncio.sleep(AGAIN_S)
        assert tts.spoken == list(OPENINGS["en"])
        assert len(recorder.calls) == len(tts.spoken)

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("Sure,", "Sure."),
        ("sure!", "Sure."),
        ("You’re welcome.", "You're welcome."),
        ("You are welcome,", "You're welcome."),
        ("OK.", "Okay."),
        ("Sure thing,", None),
        ("", None),
    ],
)
def test_an_opening_is_known_whatever_mark_it_ends_with(said: str, text: str | None) -> None:
    async def scenario() -> None:
        tts = ScriptedVoice(seconds=0.3)
        openings = Openings(AudioCache(), "en", RecordingRecorder())
        async with running(openings):
            openings.want(voice_of(tts))
            await asyncio.sleep(AGAIN_S)
        assert openings.recorded(voice_of(tts), said) == text
        assert openings.recorded(voice_of(ScriptedVoice(provider="deepgram_tts")), said) is None

    run_virtual(scenario())


def test_a_voice_that_fails_is_asked_again_with_a_later_session() -> None:
    async def scenario() -> None:
        tts = ScriptedVoice(seconds=0.3, fails=ErrorKind.OVERLOADED)
        openings = Openings(AudioCache(), "en", RecordingRecorder())
        async with running(openings):
            for _ in range(10):
                openings.want(voice_of(tts))
                await asyncio.sleep(1.0)
            assert len(tts.spoken) == 1
            tts.fails = None
            await asyncio.sleep(AGAIN_S)
            openings.want(voice_of(tts))
            await asyncio.sleep(AGAIN_S)
        assert openings.recorded(voice_of(tts), "Of course.") == "Of course."

    run_virtual(scenario())


def test_callers_go_first() -> None:
    async def scenario() -> None:
        tts, slots = ScriptedVoice(seconds=0.3), PriorityLimiter(1)
        assert await slots.take(first=False, within_s=0.0)
        openings = Openings(AudioCache(), "en", RecordingRecorder())
        async with running(openings):
            openings.want(voice_of(tts, slots))
            await asyncio.sleep(AGAIN_S * 2)
        assert tts.spoken == []
        assert slots.free == 0

    run_virtual(scenario())


def test_a_language_without_openings_has_none() -> None:
    async def scenario() -> None:
        tts = ScriptedVoice()
        openings = Openings(AudioCache(), "fi", RecordingRecorder())
        async with running(openings):
            openings.want(voice_of(tts))
            await asyncio.sleep(AGAIN_S)
        assert tts.spoken == []

    run_virtual(scenario())
