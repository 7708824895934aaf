"""A caller who waits hears that the answer comes; what is measured is the answer."""

from __future__ import annotations

import asyncio

import pytest

from agent.core.calls import ErrorKind
from agent.session.events import FillerSent, ReplyCleared, ReplyStarted, TurnMeasured
from agent.telemetry.stages import Mark
from agent.telemetry.timeline import TurnOutcome, TurnRecord
from agent.turn.turn import Filler, Recording
from tests.support.direct_transport import DirectTransport
from tests.support.session import ScriptedModel, ScriptedVoice, SessionHarness, running, silence, voice
from tests.support.virtual_time import run_virtual

ONE_MOMENT = Filler(Recording("One moment, please.", voice(1.0)), after_s=1.5)
REPLY = "The library is free on Tuesday. "


def _harness(model_s: float = 0.0, voice_s: float = 0.1) -> SessionHarness:
    llm = ScriptedModel([[model_s, REPLY], ["Of course. "]])
    return SessionHarness(llm=llm, tts=ScriptedVoice(seconds=3.0, delay_s=voice_s), filler=ONE_MOMENT)


async def _asks(harness: SessionHarness) -> DirectTransport:
    caller = await harness.call()
    await caller.speak(voice(1.0) + silence(0.4))
    harness.stt.says("is the library free")
    await asyncio.sleep(0)
    return caller


async def _measured(caller: DirectTransport) -> TurnRecord:
    return (await caller.get(TurnMeasured)).record


def _wait_s(record: TurnRecord) -> float:
    """Seconds from the transcript to the answer."""
    return record.marks[Mark.AUDIO_SENT] - record.marks[Mark.TRANSCRIPT_READY]


@pytest.mark.parametrize(("model_s", "voice_s"), [(3.0, 0.1), (0.0, 3.0)])
def test_who_waits_longer_than_the_deadline_hears_so_and_the_wait_is_measured_to_the_answer(
    model_s: float, voice_s: float
) -> None:
    async def scenario() -> None:
        async with running(harness := _harness(model_s, voice_s)):
            caller = await _asks(harness)
            record = await _measured(caller)
            assert caller.all(FillerSent) == [FillerSent(1, "One moment, please.", 0.1)] * 10
            assert len(caller.all(ReplyStarted)) == 1
            assert (record.outcome, record.filler_s) == (TurnOutcome.REPLIED, pytest.approx(1.0))
            assert record.slow
            assert _wait_s(record) == pytest.approx(model_s + voice_s, abs=0.05)
            caller.hang_up()

    run_virtual(scenario())


def test_an_answer_cuts_the_filler_off_and_counts_from_when_it_can_be_heard() -> None:
    async def scenario() -> None:
        async with running(harness := _harness(model_s=1.6)):
            caller = await _asks(harness)
            record = await _measured(caller)
            assert record.filler_s == pytest.approx(0.3)  # the answer came 0.2 s into it
            assert _wait_s(record) == pytest.approx(1.5 + 0.3, abs=0.02)
            caller.hang_up()

    run_virtual(scenario())


@pytest.mark.parametrize("spoken", [True, False])
def test_neither_a_quick_answer_nor_a_typed_question_has_a_filler(*, spoken: bool) -> None:
    async def scenario() -> None:
        async with running(harness := _harness(model_s=0.8 if spoken else 4.0)):
            caller = await (_asks(harness) if spoken else harness.call())
            if not spoken:
                caller.type("is the library free")
            record = await _measured(caller)
            assert (caller.all(FillerSent), record.filler_s) == ([], 0.0)
            caller.hang_up()

    run_virtual(scenario())


def test_a_filler_before_an_apology_does_not_make_it_a_reply_cut_short() -> None:
    async def scenario() -> None:
        harness = SessionHarness(llm=ScriptedModel([[2.0, ErrorKind.OVERLOADED]]), filler=ONE_MOMENT)
        async with running(harness):
            caller = await _asks(harness)
            record = await _measured(caller)
            assert (record.outcome, record.slow) == (TurnOutcome.APOLOGY, True)
            assert 0.5 < record.filler_s < 1.0
            caller.hang_up()

    run_virtual(scenario())


def test_a_caller_who_speaks_on_over_a_filler_has_waited_in_vain() -> None:
    async def scenario() -> None:
        async with running(harness := _harness(model_s=4.0)):
            caller = await _asks(harness)
            await caller.speak(silence(1.8) + voice(0.4))
            harness.stt.starts("never mind, what about Monday")
            await caller.speak(silence(0.2))
            harness.stt.says("never mind, what about Monday")
            await caller.speak(silence(6.0))
            first, second = (event.record for event in caller.all(TurnMeasured))
            assert len(caller.all(ReplyCleared)) == 1
            assert (first.outcome, first.owed, first.slow) == (TurnOutcome.SUPERSEDED, True, True)
            assert second.outcome is TurnOutcome.REPLIED
            caller.hang_up()

    run_virtual(scenario())


def test_nothing_of_a_filler_is_heard_of_the_reply_or_remembered() -> None:
    async def scenario() -> None:
        async with running(harness := _harness(voice_s=3.0)):
            caller = await _asks(harness)
            await caller.speak(silence(4.6))  # the reply began at 3.0: a good half of its 3 s is heard
            await caller.speak(voice(0.3))
            harness.stt.starts("what about Monday")
            await caller.speak(silence(0.2))
            harness.stt.says("what about Monday")
            await caller.speak(silence(1.0))
            (cleared,) = caller.all(ReplyCleared)
            assert cleared.heard == "The library is"
            told = harness.llm.prompts[-1].messages[1].text
            assert told == "The library is [the caller interrupted here]"
            caller.hang_up()

    run_virtual(scenario())
