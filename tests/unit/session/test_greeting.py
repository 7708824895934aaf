"""An agent that speaks first, and says a goodbye of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from agent.core.resumed_state import ResumedState
from agent.session.events import ClauseStarted, SessionClosed, TurnMeasured
from agent.telemetry.events import TurnFinished
from agent.telemetry.timeline import TurnOutcome
from tests.support.session import PREMIUM, SessionHarness, limits, running
from tests.support.virtual_time import run_virtual

HELLO = "Good day, the Bay Hotel."


def outcomes(harness: SessionHarness) -> list[tuple[int, TurnOutcome]]:
    return [(event.record.turn, event.record.outcome) for event in harness.all(TurnFinished)]


def test_a_greeting_is_spoken_first_costs_no_model_and_is_remembered() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(greeting=HELLO)) as harness:
            caller = await harness.call()
            await caller.get(TurnMeasured)
            assert [event.text for event in caller.all(ClauseStarted)] == [HELLO]
            caller.type("hello")
            await caller.get(TurnMeasured, 2)
            (prompt,) = harness.llm.prompts
            assert any(message.role == "assistant" and message.text == HELLO for message in prompt.messages)
        assert outcomes(harness) == [(0, TurnOutcome.GREETING), (1, TurnOutcome.TYPED)]
        assert not any(event.record.owed for event in harness.all(TurnFinished))

    run_virtual(scenario())


def test_a_greeting_can_be_interrupted() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(greeting=HELLO)) as harness:
            caller = await harness.call()
            await asyncio.sleep(0.5)
            caller.type("a room, please")
            await caller.get(TurnMeasured, 2)
        assert outcomes(harness) == [(0, TurnOutcome.INTERRUPTED), (1, TurnOutcome.TYPED)]

    run_virtual(scenario())


def test_who_comes_back_is_not_greeted_again() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(greeting=HELLO)) as harness:
            caller = await harness.call()
            await asyncio.sleep(0.5)
            caller.lose()
            await asyncio.sleep(1.0)
            known = caller.session.parts.info.session_id
            await caller.connect(harness.registry, replace(PREMIUM, session_id=known))
            await asyncio.sleep(5.0)
            assert len(caller.all(ClauseStarted)) == 1
        harness = SessionHarness(greeting=HELLO, past={"s1": ResumedState(turns=2, policy="haiku_first")})
        async with running(harness):
            caller = await harness.call(replace(PREMIUM, session_id="s1", resume=True))
            await asyncio.sleep(5.0)
            assert caller.all(ClauseStarted) == []

    run_virtual(scenario())


def test_an_own_goodbye_is_said_where_the_service_hangs_up() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(hang_up="Until soon.", limits=limits(idle_s=5.0))) as harness:
            caller = await harness.call()
            await caller.get(SessionClosed)
            assert [event.text for event in caller.all(ClauseStarted)] == ["Until soon."]
        assert [outcome for _, outcome in outcomes(harness)] == [TurnOutcome.GOODBYE]

    run_virtual(scenario())
