"""The life of a session: idle, too long, vanished, cut off and answered again, drained, capped, not heard."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from agent.budgets import GovernorLimits, Tier
from agent.core.calls import ErrorKind
from agent.session.commands import MAX_TEXT, CommandError, EndCall, SayText
from agent.session.dependencies import Limits
from agent.session.events import (
    ClauseStarted,
    ListeningRequested,
    ReplyCleared,
    ReplyStarted,
    SessionClosed,
    TranscriptUpdated,
    TurnMeasured,
    TurnStarted,
    TypingRequested,
)
from agent.session.transport import Capabilities, CloseReason
from agent.telemetry.events import SessionEnded, SessionOutcome, TurnFinished
from agent.telemetry.timeline import TurnOutcome
from tests.support.direct_transport import DirectTransport
from tests.support.factories import BUDGETS
from tests.support.session import ScriptedModel, ScriptedVoice, SessionHarness, limits, running, silence, voice
from tests.support.virtual_time import run_virtual


async def again(caller: DirectTransport, **capabilities: bool) -> DirectTransport:
    """The same caller over a second connection."""
    newer = DirectTransport(Capabilities(**capabilities))
    newer.session = caller.session
    caller.session.attach(newer, newer.capabilities)
    return newer


@pytest.mark.parametrize(
    ("limit", "lasts_s", "outcome"),
    [
        (limits(idle_s=5.0), 5.0, SessionOutcome.IDLE),
        (limits(idle_s=60.0, session_s=20.0), 20.0, SessionOutcome.TOO_LONG),
    ],
)
def test_a_silent_session_ends(limit: Limits, lasts_s: float, outcome: SessionOutcome) -> None:
    async def scenario() -> None:
        async with running(SessionHarness(limits=limit)) as harness:
            caller = await harness.call()
            closed = await caller.get(SessionClosed)
            assert (closed.outcome, closed.turns) == (outcome, 0)
        (ended,) = harness.all(SessionEnded)
        assert ended.duration_s == pytest.approx(lasts_s)
        assert caller.closed is CloseReason(outcome.value)

    run_virtual(scenario())


def test_who_types_or_listens_is_not_idle() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(limits=limits(idle_s=5.0), tts=ScriptedVoice(seconds=8.0))) as harness:
            caller = await harness.call()
            await asyncio.sleep(4.0)
            caller.type("tell me everything")
            await caller.get(TurnMeasured)
            assert not caller.session.ended.is_set()
            await caller.get(SessionClosed)
        (ended,) = harness.all(SessionEnded)
        assert ended.outcome is SessionOutcome.IDLE
        assert ended.duration_s > 4.0 + 8.0

    run_virtual(scenario())


def test_a_caller_who_does_not_come_back_has_vanished() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call()
            await asyncio.sleep(1.0)
            caller.lose()
            await caller.session.ended.wait()
        (ended,) = harness.all(SessionEnded)
        assert (ended.outcome, ended.duration_s) == (SessionOutcome.VANISHED, pytest.approx(11.0))
        assert caller.all(SessionClosed) == []

    run_virtual(scenario())


@pytest.mark.parametrize("wait_s", [1.0, 3.0])
def test_a_reply_that_was_cut_off_is_given_again_after_a_reconnect(wait_s: float) -> None:
    async def scenario() -> None:
        llm = ScriptedModel([[2.0, "We have two rooms. "]])
        async with running(SessionHarness(llm=llm, tts=ScriptedVoice(seconds=4.0))) as harness:
            caller = await harness.call()
            caller.type("which rooms")
            await asyncio.sleep(wait_s)  # before the reply began, or within it
            caller.lose()
            await asyncio.sleep(5.0)
            newer = await again(caller)
            assert (await newer.get(TurnStarted)).text == "which rooms"
            assert (await newer.get(TurnMeasured)).record.turn == 2
            newer.hang_up()
        first, second = (event.record.outcome for event in harness.all(TurnFinished))
        assert first is (TurnOutcome.ABANDONED if wait_s < 2 else TurnOutcome.INTERRUPTED)
        assert second is TurnOutcome.TYPED
        (ended,) = harness.all(SessionEnded)
        assert (ended.outcome, ended.turns) == (SessionOutcome.COMPLETED, 2)

    run_virtual(scenario())


def test_a_reply_that_was_played_is_not_given_again() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call()
            caller.type("hello")
            await caller.get(TurnMeasured)
            caller.lose()
            newer = await again(caller, browser_speech=True)
            await asyncio.sleep(5.0)
            assert newer.events == []
            newer.hang_up()

    run_virtual(scenario())


def test_the_newer_of_two_connections_carries_the_session() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            older = await harness.call()
            newer = await again(older)
            assert older.closed is CloseReason.TAKEN_OVER
            older.lose()  # its socket closes after it was taken over: that is no loss
            await asyncio.sleep(15.0)
            newer.type("hello")
            await newer.get(TurnMeasured)
            newer.hang_up()
            await newer.get(SessionClosed)
        assert older.events == []
        assert len(harness.all(SessionEnded)) == 1

    run_virtual(scenario())


def test_a_draining_session_finishes_its_turn_and_reports_it() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call()
            caller.type("hello")
            await caller.get(ReplyStarted)
            await harness.registry.drain(30.0)
            assert (await caller.get(TurnMeasured)).record.outcome is TurnOutcome.TYPED
            assert [type(event) for _, event in caller.events][-1] is SessionClosed
        assert caller.closed is CloseReason.DRAINED

    run_virtual(scenario())


def test_a_drain_cuts_off_what_takes_longer_than_its_limit() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(tts=ScriptedVoice(seconds=30.0))) as harness:
            caller = await harness.call()
            caller.type("hello")
            await caller.get(ReplyStarted)
            await harness.registry.drain(5.0)
        assert [event.record.outcome for event in harness.all(TurnFinished)] == [TurnOutcome.INTERRUPTED]
        assert len(caller.all(ReplyCleared)) == 1
        assert caller.closed is CloseReason.DRAINED

    run_virtual(scenario())


def test_who_hangs_up_while_a_reply_is_owed_abandons_it() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(llm=ScriptedModel([[9.0, "Yes. "]]))) as harness:
            caller = await harness.call()
            caller.type("hello")
            await asyncio.sleep(1.0)
            caller.hang_up()
            await caller.get(SessionClosed)
        assert [event.record.outcome for event in harness.all(TurnFinished)] == [TurnOutcome.ABANDONED]

    run_virtual(scenario())


@pytest.mark.parametrize("interrupts", [True, False])
def test_a_session_at_its_cap_says_goodbye_and_ends(interrupts: bool) -> None:
    async def scenario() -> None:
        governor = GovernorLimits(step_down_share=None, step_down_policy="economy", hard_cap_usd=0.000_001)
        budget = replace(BUDGETS.tiers[Tier.PREMIUM], governor=governor)
        async with running(SessionHarness(budget=budget)) as harness:
            caller = await harness.call()
            caller.type("hello")
            await caller.get(TurnMeasured)
            caller.type("and now?")
            await caller.until(lambda: any(event.text == "Goodbye." for event in caller.all(ClauseStarted)))
            if interrupts:
                caller.type("wait")
            closed = await caller.get(SessionClosed)
            assert closed.outcome is SessionOutcome.COST_CAP
        assert len(harness.llm.prompts) == 1
        assert caller.closed is CloseReason.COST_CAP

    run_virtual(scenario())


@pytest.mark.parametrize("listens", [True, False])
def test_without_a_recogniser_the_client_listens_or_its_caller_types(listens: bool) -> None:
    async def scenario() -> None:
        wanted, other = (ListeningRequested, TypingRequested) if listens else (TypingRequested, ListeningRequested)
        async with running(SessionHarness()) as harness:
            caller = await harness.call(browser_recogniser=listens)
            await caller.speak(voice(0.4))
            harness.stt.fails(ErrorKind.REFUSED)
            await caller.get(wanted)
            await caller.speak(voice(1.0))
            harness.stt.fails(ErrorKind.REFUSED)
            await asyncio.sleep(1.0)
            assert len(caller.all(wanted)) == 1  # said once
            assert caller.all(other) == []
            caller.do(SayText("a table", spoken=listens))
            assert (await caller.get(TurnStarted)).spoken is listens
            await caller.get(TurnMeasured)
            await caller.speak(voice(1.0))
            harness.stt.starts("hello")  # it listens again
            await caller.get(TranscriptUpdated)
            harness.stt.fails(ErrorKind.REFUSED)
            await caller.get(wanted, 2)
            caller.hang_up()
        assert harness.stt.opened >= 3

    run_virtual(scenario())


def test_where_ears_are_simulated_the_client_is_asked_to_listen_at_once_and_its_ears_count() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(ears_simulated=True)) as harness:
            deaf = await harness.call(browser_recogniser=False)
            await asyncio.sleep(1.0)
            assert deaf.all(ListeningRequested) == []
            deaf.hang_up()
            await deaf.get(SessionClosed)
        async with running(SessionHarness(ears_simulated=True)) as harness:
            caller = await harness.call(browser_recogniser=True)
            assert (await caller.get(ListeningRequested)).reason == "simulated"
            await caller.speak(voice(1.0))
            harness.stt.starts("hello")  # a sample caller is heard
            await caller.get(TranscriptUpdated)
            caller.do(SayText("a table", spoken=True))
            assert (await caller.get(TurnStarted)).spoken
            assert len(caller.all(ListeningRequested)) == 1
            caller.hang_up()

    run_virtual(scenario())


@pytest.mark.parametrize("asked", [True, False])
def test_a_text_that_the_clients_recogniser_heard_belongs_to_the_voice_before_it(asked: bool) -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call(browser_recogniser=True)
            await caller.speak(voice(0.6))
            if asked:
                harness.stt.fails(ErrorKind.REFUSED)
                await caller.get(ListeningRequested)
            await caller.speak(silence(0.5))
            caller.do(SayText("a table", spoken=True))
            record = (await caller.get(TurnMeasured)).record
            assert record.spoken
            assert record.outcome is TurnOutcome.REPLIED
            assert record.voice_to_voice_s is not None
            assert record.voice_to_voice_s > 0.5
            await asyncio.sleep(20.0)
            caller.do(SayText("for two", spoken=True))  # no voice was heard here for long
            record = (await caller.get(TurnMeasured, 2)).record
            if asked:
                assert record.spoken
                assert record.voice_to_voice_s is not None
                assert record.voice_to_voice_s < 0.5
            else:  # nobody's word alone makes a spoken turn: it stays out of the figures that decide
                assert not record.spoken
                assert record.outcome is TurnOutcome.TYPED
                assert record.voice_to_voice_s is None
            caller.hang_up()

    run_virtual(scenario())


@pytest.mark.parametrize("text", ["", "   ", "x" * (MAX_TEXT + 1)])
def test_a_text_that_is_none_is_refused(text: str) -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call()
            with pytest.raises(CommandError) as refused:
                caller.do(SayText(text))
            assert refused.value.code == "bad_text"
            assert "xx" not in str(refused.value)
            caller.do(EndCall())
            caller.do(EndCall())
        assert [event.outcome for event in harness.all(SessionEnded)] == [SessionOutcome.COMPLETED]

    run_virtual(scenario())


def test_a_fault_of_our_own_outside_a_turn_ends_the_session_as_failed_and_records_its_turn() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call()
            await caller.speak(voice(0.4))
            caller.type("hello")
            await caller.get(ReplyStarted)
            harness.stt.fails(LookupError("a fault of our own"))
            assert (await caller.get(SessionClosed)).outcome is SessionOutcome.FAILED
            assert caller.closed is CloseReason.FAILED
            other = await harness.call()  # the process goes on
            other.hang_up()
            await other.get(SessionClosed)
        assert [event.record.outcome for event in harness.all(TurnFinished)] == [TurnOutcome.ABANDONED]

    run_virtual(scenario())


def test_a_session_that_has_spent_its_share_goes_on_with_the_cheaper_voice() -> None:
    async def scenario() -> None:
        governor = GovernorLimits(step_down_share=0.5, step_down_policy="economy", hard_cap_usd=None)
        budget = replace(BUDGETS.tiers[Tier.PREMIUM], session_usd=0.000_001, governor=governor)
        async with running(SessionHarness(budget=budget)) as harness:
            caller = await harness.call()
            caller.type("hello")
            await caller.get(TurnMeasured)
            caller.type("and now?")
            await caller.get(TurnMeasured, 2)
            caller.hang_up()
        assert (len(harness.tts.spoken), len(harness.cheap_tts.spoken)) == (1, 1)

    run_virtual(scenario())
