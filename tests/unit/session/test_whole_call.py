"""A whole call over a transport that is no WebSocket: the session and the turn know nothing of the wire."""

from __future__ import annotations

import asyncio

import pytest

from agent.session.commands import SayText
from agent.session.events import (
    ClauseStarted,
    MemoryUpdated,
    ReplyCompleted,
    ReplyStarted,
    SessionClosed,
    TranscriptUpdated,
    TurnMeasured,
    TurnStarted,
)
from agent.session.transport import CloseReason
from agent.telemetry.events import CallFinished, SessionEnded, SessionOutcome, TurnFinished
from agent.telemetry.timeline import TurnOutcome
from tests.support.paths import ROOT
from tests.support.session import ScriptedModel, SessionHarness, running, silence, voice
from tests.support.virtual_time import run_virtual


def test_a_test_transport_carries_a_whole_call() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(llm=ScriptedModel([["We have two rooms. "]]))) as harness:
            caller = await harness.call()
            await caller.speak(voice(0.8))
            harness.stt.starts("what rooms")
            await caller.speak(silence(0.3))
            harness.stt.says("what rooms do you have")
            started = await caller.get(TurnStarted)
            assert (started.turn, started.text, started.spoken) == (1, "what rooms do you have", True)
            record = (await caller.get(TurnMeasured)).record
            assert (record.outcome, record.model, record.rule) == (TurnOutcome.REPLIED, "haiku", "default")
            assert record.voice_to_voice_s is not None
            assert 0.3 < record.voice_to_voice_s < 0.6
            caller.type("and breakfast?")
            await caller.get(TurnMeasured, 2)
            caller.hang_up()
            closed = await caller.get(SessionClosed)
            assert (closed.outcome, closed.turns) == (SessionOutcome.COMPLETED, 2)
        kinds = [type(event) for _, event in caller.events]
        assert kinds[:5] == [TranscriptUpdated, TurnStarted, ClauseStarted, ReplyStarted, ReplyCompleted]
        assert MemoryUpdated in kinds
        assert kinds[-1] is SessionClosed
        assert caller.closed is CloseReason.COMPLETED
        assert len(caller.audio) == 2 * len(voice(2.0))
        (ended,) = harness.all(SessionEnded)
        assert ended.cost_usd > 0
        assert len(harness.all(TurnFinished)) == 2

    run_virtual(scenario())


def test_a_call_is_charged_when_it_ends_and_not_with_its_turn() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call()
            caller.type("hello")
            await caller.get(ReplyCompleted)
            assert harness.all(TurnFinished) == []  # it plays for 2 s more
            charged = [event.call.service for event in harness.all(CallFinished)]
            assert sorted(charged) == ["llm", "tts"]
            assert caller.session.parts.spending.usd > 0
            await caller.get(TurnMeasured)
            assert len(harness.all(CallFinished)) == 2
            caller.hang_up()

    run_virtual(scenario())


def test_a_text_that_claims_to_be_spoken_counts_only_where_a_voice_was_heard() -> None:
    """Else anybody could type turns into the figures that decide on policies."""

    async def scenario() -> None:
        async with running(SessionHarness(llm=ScriptedModel([["Yes. "], ["Yes. "]]))) as harness:
            caller = await harness.call()
            caller.do(SayText("no voice was heard", spoken=True))
            record = (await caller.get(TurnMeasured)).record
            assert (record.spoken, record.owed, record.voice_to_voice_s) == (False, False, None)
            assert record.outcome is TurnOutcome.TYPED
            await caller.speak(voice(0.8))
            caller.do(SayText("a voice was heard", spoken=True))
            record = (await caller.get(TurnMeasured, 2)).record
            assert (record.spoken, record.owed) == (True, True)
            caller.hang_up()

    run_virtual(scenario())


@pytest.mark.parametrize("late_s", [0.3, 2.0, 4.5])
def test_a_client_that_tells_late_what_it_heard_makes_no_turn_slow(late_s: float) -> None:
    """What its own recogniser takes is its claim: no more of it counts than the budget of the stage."""

    async def scenario() -> None:
        async with running(SessionHarness(llm=ScriptedModel([["Yes. "]]))) as harness:
            caller = await harness.call()
            await caller.speak(voice(0.8))
            await asyncio.sleep(late_s)
            caller.do(SayText("a voice was heard", spoken=True))
            record = (await caller.get(TurnMeasured)).record
            budget = caller.session.parts.budgets.latency.seconds()["stt"]
            assert record.spoken
            assert record.stages["stt"] == pytest.approx(min(late_s, budget), abs=0.1)
            assert not record.slow
            caller.hang_up()

    run_virtual(scenario())


def test_the_proof_of_the_seam_is_short() -> None:
    proof = (ROOT / "tests" / "support" / "direct_transport.py").read_text()
    assert len(proof.splitlines()) < 100
    assert "agent.transport" not in proof
