"""A caller who speaks on as the reply begins was not done: the end of the turn was a mistake, and is counted."""

from __future__ import annotations

import pytest

from agent.ledger.rows import timeline_of
from agent.session.events import ReplyStarted, TurnMeasured
from agent.telemetry.events import TurnFinished
from agent.telemetry.timeline import TurnOutcome
from tests.support.session import ScriptedModel, ScriptedVoice, SessionHarness, running, silence, voice
from tests.support.virtual_time import run_virtual


@pytest.mark.parametrize(
    ("pause_s", "typed", "talked_over"), [(0.1, False, True), (1.0, False, False), (0.1, True, False)]
)
def test_a_false_end_of_turn_is_told_from_an_interruption(pause_s: float, typed: bool, talked_over: bool) -> None:
    async def scenario() -> None:
        llm = ScriptedModel([["We have two rooms with a view of the sea. "], ["Of course. "]])
        async with running(SessionHarness(llm=llm, tts=ScriptedVoice(seconds=6.0))) as harness:
            caller = await harness.call()
            if typed:
                caller.type("my number is")
            else:
                await caller.speak(voice(0.5) + silence(0.3))
                harness.stt.says("so my number is five five five.")
            await caller.get(ReplyStarted)
            await caller.speak(silence(pause_s) + voice(0.4))
            harness.stt.starts("one two three")
            await caller.speak(silence(0.3))
            harness.stt.says("one two three four five six seven eight nine zero")
            await caller.get(TurnMeasured, 2)
            caller.hang_up()
        first = harness.all(TurnFinished)[0].record
        assert first.outcome is TurnOutcome.INTERRUPTED
        assert first.talked_over is talked_over
        assert timeline_of(first).get("talked_over", False) is talked_over

    run_virtual(scenario())
