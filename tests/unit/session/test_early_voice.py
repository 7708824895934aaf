"""First clauses that are spoken before the turn is over: when, what they win, what a wasted one costs, never heard."""

from __future__ import annotations

import asyncio

import pytest

from agent.core import clock
from agent.core.calls import ErrorKind
from agent.session.early_voice import EarlyVoiceChoice
from agent.session.events import ClauseStarted, ReplyStarted, TurnMeasured
from agent.session.governor import LEAST_ATTEMPTS, Governors, WasteBudget
from agent.telemetry.events import CallFinished, Cause, Knob, TurnFinished, VoiceGuessed, VoiceGuessOutcome
from tests.support.direct_transport import DirectTransport
from tests.support.session import ScriptedModel, ScriptedVoice, SessionHarness, running, silence, voice
from tests.support.virtual_time import run_virtual

THINKS_S, SPEAKS_S, LEAD_S = 0.1, 0.3, 0.25
SURE, UNSURE = 0.7, 0.4


def speaking(*replies: str, fails: ErrorKind | None = None) -> SessionHarness:
    """A session that guesses and speaks."""
    return SessionHarness(
        llm=ScriptedModel([[THINKS_S, reply] for reply in replies]),
        tts=ScriptedVoice(delay_s=SPEAKS_S, fails=fails),
        early_replies=True,
        early_voice=EarlyVoiceChoice(0.6),
    )


async def likely(harness: SessionHarness, caller: DirectTransport, text: str, confidence: float) -> None:
    await caller.speak(voice(0.6))
    await caller.speak(silence(0.2))
    harness.stt.likely(text, confidence)
    await asyncio.sleep(LEAD_S)


def became(harness: SessionHarness) -> list[VoiceGuessOutcome]:
    return [event.outcome for event in harness.all(VoiceGuessed)]


def causes(harness: SessionHarness) -> list[Cause]:
    return [event.cause for event in harness.all(CallFinished) if event.call.service == "tts"]


@pytest.mark.parametrize(
    ("confidence", "waited_s"), [(SURE, THINKS_S + SPEAKS_S - LEAD_S), (UNSURE, SPEAKS_S), (None, SPEAKS_S)]
)
def test_a_clause_is_spoken_early_when_the_recogniser_is_sure_enough(confidence: float | None, waited_s: float) -> None:
    async def scenario() -> None:
        async with running(speaking("We have two rooms. ")) as harness:
            caller = await harness.call()
            await likely(harness, caller, "which rooms", confidence or 0.0)
            assert len(harness.tts.spoken) == (confidence == SURE)
            assert not caller.audio
            assert caller.all(ClauseStarted) == []
            ended = clock.now()
            harness.stt.says("Which rooms?")
            await caller.get(ReplyStarted)
            assert clock.now() - ended == pytest.approx(waited_s, abs=0.02)
            await caller.get(TurnMeasured)
            caller.hang_up()
        assert harness.tts.spoken == ["We have two rooms."]
        assert causes(harness) == [Cause.SERVED]
        assert became(harness) == ([VoiceGuessOutcome.TAKEN] if confidence == SURE else [])
        [turn] = harness.all(TurnFinished)
        stages = {name: seconds or 0.0 for name, seconds in turn.record.stages.items()}
        assert stages["tts"] == pytest.approx(waited_s, abs=0.02)  # what the caller waited for
        assert [call.service for call in turn.record.calls] == ["llm", "tts"]

    run_virtual(scenario())


def test_confidence_that_grows_is_enough() -> None:
    async def scenario() -> None:
        async with running(speaking("We have two rooms. ")) as harness:
            caller = await harness.call()
            await likely(harness, caller, "which rooms", UNSURE)
            assert harness.tts.spoken == []
            harness.stt.thinks("which rooms", confidence=SURE)
            await asyncio.sleep(0.01)
            assert harness.tts.spoken == ["We have two rooms."]
            harness.stt.says("which rooms")
            await caller.get(TurnMeasured)
            caller.hang_up()
        assert became(harness) == [VoiceGuessOutcome.TAKEN]

    run_virtual(scenario())


@pytest.mark.parametrize("how", ["resumed", "changed", "left"])
def test_a_clause_in_vain_is_charged_as_speculation_and_never_heard(how: str) -> None:
    async def scenario() -> None:
        async with running(speaking("For one. ", "For two. ")) as harness:
            caller = await harness.call()
            await likely(harness, caller, "a room", SURE)
            if how == "resumed":
                harness.stt.resumes("a room")
            if how != "left":
                harness.stt.says("a room for two")
                await caller.get(TurnMeasured)
            assert [event.text.strip() for event in caller.all(ClauseStarted)] == ["For two."] * (how != "left")
            caller.hang_up()
        assert became(harness) == [VoiceGuessOutcome.DROPPED]
        assert causes(harness) == [Cause.SPECULATION, Cause.SERVED][: len(harness.tts.spoken)]
        wasted = [event for event in harness.all(CallFinished) if event.cause is Cause.SPECULATION]
        assert {event.turn for event in wasted} == {None}
        assert {event.call.service for event in wasted} == {"llm", "tts"}

    run_virtual(scenario())


def test_a_voice_that_failed_early_is_asked_again() -> None:
    async def scenario() -> None:
        async with running(speaking("We have two rooms. ", fails=ErrorKind.OVERLOADED)) as harness:
            caller = await harness.call()
            await likely(harness, caller, "which rooms", SURE)
            await asyncio.sleep(SPEAKS_S)
            harness.tts.fails = None
            harness.stt.says("which rooms")
            await caller.get(TurnMeasured)
            caller.hang_up()
        assert harness.tts.spoken == ["We have two rooms."] * 2
        assert became(harness) == [VoiceGuessOutcome.FAILED]
        assert causes(harness) == [Cause.RETRY, Cause.SERVED]

    run_virtual(scenario())


def test_the_governor_of_the_voice_leaves_the_model_alone() -> None:
    async def scenario() -> None:
        harness = speaking("Of course. ")
        governor = Governors(harness.sinks, lambda _call: 0).of("p", Knob.EARLY_VOICE, WasteBudget(0.3, 1.0))
        harness.early_voice = EarlyVoiceChoice(0.6, governor)
        async with running(harness):
            caller = await harness.call()
            for _ in range(LEAST_ATTEMPTS):
                governor.attempt(False)
            assert not governor.allows
            await likely(harness, caller, "which rooms", SURE)
            assert len(harness.llm.prompts) == 1
            assert harness.tts.spoken == []
            harness.stt.says("which rooms")
            await caller.get(TurnMeasured)
            caller.hang_up()
        assert became(harness) == []

    run_virtual(scenario())
