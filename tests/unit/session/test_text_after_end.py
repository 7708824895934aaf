"""Words that come when their call has just ended: nobody answers them, and that is counted."""

from __future__ import annotations

import asyncio

import pytest

from agent.session.commands import SayText
from agent.session.events import TurnMeasured
from agent.telemetry.events import InputDropped, SessionEnded
from tests.support.session import SessionHarness, running
from tests.support.virtual_time import run_virtual


@pytest.mark.parametrize("wait_s", [0.0, 5.0])
def test_words_that_come_as_the_call_ends_are_counted_and_begin_no_turn(wait_s: float) -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call()
            caller.type("which rooms")
            await caller.get(TurnMeasured)
            assert harness.all(InputDropped) == []
            caller.hang_up()
            await asyncio.sleep(wait_s)
            caller.do(SayText("and one more thing"))
        assert [event.kind for event in harness.all(InputDropped)] == ["text_after_end"]
        (ended,) = harness.all(SessionEnded)
        assert ended.turns == 1

    run_virtual(scenario())
