"""Which session a caller gets: a new one, his own again, one of another process, or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

import pytest

from agent.budgets import Tier
from agent.core import clock
from agent.core.calls import CallRecorder
from agent.core.resumed_state import ResumedState
from agent.providers.base import Prompt, TextDelta
from agent.session.admission import AdmissionError
from agent.session.claims import Claims
from agent.session.events import SessionClosed, TurnMeasured, TurnStarted
from agent.session.transport import Capabilities, CloseReason
from agent.telemetry.events import SessionEnded, SessionOutcome, SessionRefused, TurnFinished
from tests.support.session import PREMIUM, ScriptedModel, SessionHarness, running, voice
from tests.support.virtual_time import run_virtual

BOB = Claims("bob", Tier.FREE, None)
NAMED = replace(PREMIUM, session_id="s1")


def test_a_subject_has_one_session_and_the_newer_one_stays() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(max_sessions=1)) as harness:
            older = await harness.call()
            newer = await harness.call()
            assert (await older.get(SessionClosed)).outcome is SessionOutcome.REPLACED
            assert older.closed is CloseReason.REPLACED
            assert newer.closed is None
            await asyncio.sleep(0)
            assert harness.registry.count == 1
            newer.hang_up()
            await newer.session.ended.wait()

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("max_sessions", "lag_s", "tier", "reason"),
    [
        (1, 0.0, Tier.PREMIUM, "full"),
        (10, 1.5, Tier.FREE, "overloaded"),
        (10, 2.5, Tier.PREMIUM, "overloaded"),
        (10, 1.5, Tier.PREMIUM, None),
    ],
)
def test_who_is_admitted(max_sessions: int, lag_s: float, tier: Tier, reason: str | None) -> None:
    async def scenario() -> None:
        async with running(SessionHarness(max_sessions=max_sessions)) as harness:
            await harness.call(BOB)
            harness.lag_s = lag_s
            assert harness.registry.ready is (max_sessions > 1)
            claims = Claims("eve", tier, None)
            if reason is None:
                await harness.call(claims)
            else:
                with pytest.raises(AdmissionError) as refused:
                    await harness.call(claims)
                assert refused.value.refusal.reason == reason
                assert refused.value.refusal.retry_after_s > 0
        expected = [(reason, "eve")] if reason else []
        assert [(event.reason, event.caller) for event in harness.all(SessionRefused)] == expected

    run_virtual(scenario())


def test_a_server_that_drains_takes_nobody_and_one_that_does_not_run_neither() -> None:
    async def scenario() -> None:
        harness = SessionHarness()
        assert not harness.registry.ready
        async with running(harness):
            assert harness.registry.ready
            caller = await harness.call()
            await harness.registry.drain(10.0)
            assert caller.closed is CloseReason.DRAINED
            assert not harness.registry.ready
            with pytest.raises(AdmissionError) as refused:
                await harness.call(BOB)
            assert refused.value.refusal.reason == "draining"

    run_virtual(scenario())


def test_what_is_typed_after_the_end_begins_no_turn() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call(NAMED)
            caller.session.drain()
            await asyncio.sleep(0.005)
            assert len(harness.all(SessionEnded)) == 1
            caller.type("hello")  # the ledger is waited for, the line is still open
            back = await harness.call(NAMED)
            assert back.session is caller.session
            back.type("hello")
            assert await back.get(SessionClosed)
        assert harness.all(TurnFinished) == caller.all(TurnStarted) == back.all(TurnStarted) == []

    run_virtual(scenario())


@dataclass
class SlowToStop(ScriptedModel):
    """A model whose call takes a second to be cancelled, as a connection does that answers no more."""

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        try:
            async with aclosing(super().reply(session, prompt, recorder)) as said:
                async for delta in said:
                    yield delta
        finally:
            await asyncio.sleep(1.0)


def test_what_is_said_while_the_last_turn_stops_begins_no_other() -> None:
    async def scenario() -> float:
        harness = SessionHarness()
        harness.model = model = SlowToStop(replies=((5.0, "Of course. "),))
        async with running(harness):
            caller = await harness.call()
            await caller.speak(voice(0.5))
            caller.type("hello")
            await asyncio.sleep(0.5)
            caller.hang_up()
            began = clock.now()
            await asyncio.sleep(0.5)
            harness.stt.says("and one more thing")
            await caller.get(SessionClosed)
            took = clock.now() - began
        assert len(model.prompts) == 1, "nothing is asked for nobody"
        assert [event.record.turn for event in harness.all(TurnFinished)] == [1]
        return took

    assert run_virtual(scenario()) < 1.5


def test_sessions_that_are_open_when_the_server_stops_are_ended() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            callers = [await harness.call(), await harness.call(BOB)]
        assert {caller.closed for caller in callers} == {CloseReason.DRAINED}
        assert {event.outcome for event in harness.all(SessionEnded)} == {SessionOutcome.DRAINED}

    run_virtual(scenario())


def test_a_session_is_found_by_its_subject_alone() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call(NAMED)
            assert await harness.registry.join(NAMED, Capabilities()) == (caller.session, True)
            stranger = await harness.call(replace(BOB, session_id="s1"))
            assert stranger.session is not caller.session
            assert stranger.session.parts.info.session_id != "s1"
            assert harness.registry.count == 2

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("known", "down", "resume", "kept", "resumed"),
    [
        (True, False, True, True, True),  # it goes on here
        (True, False, False, False, False),  # its id was used up
        (False, False, True, True, False),  # it never was
        (False, True, False, True, False),  # a new one, as far as its credential says
    ],
)
def test_a_session_of_another_process(known: bool, down: bool, resume: bool, kept: bool, resumed: bool) -> None:
    async def scenario() -> None:
        past = {"s1": ResumedState(turns=4, slow=1)} if known else {}
        async with running(SessionHarness(past=past, history_down=down)) as harness:
            session, was_there = await harness.registry.join(replace(NAMED, resume=resume), Capabilities())
            assert was_there is resumed
            assert (session.parts.info.session_id == "s1") is kept
            caller = await harness.call(replace(NAMED, session_id=session.parts.info.session_id))
            assert caller.session is session
            caller.type("hello")
            assert (await caller.get(TurnStarted)).turn == (5 if resumed else 1)
            await caller.get(TurnMeasured)
            caller.hang_up()

    run_virtual(scenario())


def test_a_caller_who_comes_back_while_nothing_can_be_looked_up_is_told_to_try_again_and_goes_on_then() -> None:
    async def scenario() -> None:
        harness = SessionHarness(past={"s1": ResumedState(turns=4, slow=1)}, history_down=True)
        back = replace(NAMED, resume=True)
        async with running(harness):
            for _ in range(2):
                with pytest.raises(AdmissionError) as refused:
                    await harness.registry.join(back, Capabilities())
                refusal = refused.value.refusal
                assert (refusal.reason, refusal.retry_after_s) == ("ledger", 2.0)
                assert harness.registry.count == 0, "no other call is begun"
            harness.history_down = False
            session, resumed = await harness.registry.join(back, Capabilities())
            assert (session.parts.info.session_id, resumed) == ("s1", True)
        assert [event.reason for event in harness.all(SessionRefused)] == ["ledger", "ledger"]

    run_virtual(scenario())


def test_a_process_without_room_takes_no_call_from_the_one_that_has_it() -> None:
    async def scenario() -> None:
        harness = SessionHarness(max_sessions=1, past={"s1": ResumedState(turns=4, slow=1)})
        back = replace(NAMED, resume=True)
        async with running(harness):
            bob = await harness.call(replace(BOB, tier=Tier.PREMIUM))
            with pytest.raises(AdmissionError) as refused:
                await harness.registry.join(back, Capabilities())
            assert refused.value.refusal.reason == "full"
            assert harness.taken_over == []
            bob.hang_up()
            await bob.session.ended.wait()
            await asyncio.sleep(0)
            session, resumed = await harness.registry.join(back, Capabilities())
            assert (session.parts.info.session_id, resumed) == ("s1", True)
            assert harness.taken_over == ["s1"]
        assert [event.reason for event in harness.all(SessionRefused)] == ["full"]

    run_virtual(scenario())


def test_a_call_that_waits_here_and_may_be_elsewhere_by_now_stays_until_it_can_be_told() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call(NAMED)
            harness.generation = None
            with pytest.raises(AdmissionError) as refused:
                await harness.registry.join(replace(NAMED, resume=True), Capabilities())
            assert refused.value.refusal.reason == "ledger"
            assert harness.registry.count == 1
            harness.generation = 1
            assert await harness.registry.join(NAMED, Capabilities()) == (caller.session, True)

    run_virtual(scenario())


def test_a_stranger_is_one_caller_with_any_number_of_tokens_and_a_member_is_one_at_any_address() -> None:
    stranger, member = Claims("free-1", Tier.FREE, None, address="192.0.2.7"), Claims("eve", Tier.PREMIUM, None)
    assert replace(stranger, subject="free-2").caller == stranger.caller == "192.0.2.7"
    assert replace(stranger, address=None).caller == "free-1"
    assert replace(member, address="192.0.2.7").caller == member.caller == "eve"
