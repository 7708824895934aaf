"""Who speaks: barge-in, pause and resume, supersede, failures of a turn, and what counts as heard."""

from __future__ import annotations

import asyncio

import pytest

from agent.core.audio import duration_s
from agent.core.calls import CallOutcome, ErrorKind, Service
from agent.session.commands import PlaybackState, ReportPlayback
from agent.session.events import (
    ClauseStarted,
    CostUpdated,
    ReplyCleared,
    ReplyCompleted,
    ReplyPaused,
    ReplyResumed,
    ReplyStarted,
    SpeechRequested,
    TranscriptUpdated,
    TurnMeasured,
    TurnStarted,
)
from agent.telemetry.events import BargedIn, CallFinished, DeadAir, PlaybackStarted, TurnFinished
from agent.telemetry.timeline import TurnOutcome
from tests.support.direct_transport import DirectTransport
from tests.support.session import ScriptedModel, ScriptedVoice, SessionHarness, running, silence, voice
from tests.support.virtual_time import run_virtual


def long_reply() -> ScriptedModel:
    return ScriptedModel([["We have two rooms with a view of the sea. "], ["Of course. "]])


def outcomes(harness: SessionHarness) -> list[TurnOutcome]:
    return [event.record.outcome for event in harness.all(TurnFinished)]


def calls(harness: SessionHarness, service: Service) -> list[CallOutcome]:
    return [event.call.outcome for event in harness.all(CallFinished) if event.call.service == service]


async def ask(harness: SessionHarness, caller: DirectTransport, text: str = "which rooms") -> None:
    await caller.speak(voice(0.6))
    await caller.speak(silence(0.3))
    harness.stt.says(text)


def report(turn: int, state: PlaybackState, played_s: float = 0.0, **more: float) -> ReportPlayback:
    clause, ear_s = more.get("clause"), more.get("ear_s")
    return ReportPlayback(turn, state, played_s, None if clause is None else int(clause), ear_s)


def test_a_word_over_the_reply_takes_the_turn_and_only_what_was_heard_counts() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(llm=long_reply(), tts=ScriptedVoice(seconds=4.0))) as harness:
            caller = await harness.call()
            await ask(harness, caller)
            await caller.get(ReplyStarted)
            await asyncio.sleep(2.0)
            await caller.speak(voice(0.4))
            paused = await caller.get(ReplyPaused)
            assert caller.all(ReplyCleared) == []
            harness.stt.starts("stop")
            cleared = await caller.get(ReplyCleared)
            assert paused.turn == cleared.turn == 1
            assert 0 < len(cleared.heard) < len("We have two rooms with a view of the sea.")
            assert "We have two rooms with a view of the sea.".startswith(cleared.heard)
            assert caller.cleared == 1
            await caller.get(TurnMeasured)
            harness.stt.says("stop please")
            await caller.get(TurnMeasured, 2)
            caller.hang_up()
        assert outcomes(harness) == [TurnOutcome.INTERRUPTED, TurnOutcome.REPLIED]
        assert len(harness.all(BargedIn)) == 1
        assert caller.all(ReplyResumed) == []
        told = [message.text for message in harness.llm.prompts[1].messages]
        assert any(cleared.heard in text for text in told)
        assert not any("of the sea" in text for text in told)

    run_virtual(scenario())


def test_a_noise_over_the_reply_pauses_it_and_it_goes_on() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(llm=long_reply())) as harness:
            caller = await harness.call()
            await ask(harness, caller)
            await caller.get(ReplyStarted)
            await asyncio.sleep(0.5)
            await caller.speak(voice(0.3))
            await caller.get(ReplyPaused)
            await caller.speak(silence(1.0))
            await caller.get(ReplyResumed)
            await caller.get(TurnMeasured)
            caller.hang_up()
        times = {type(event): at for at, event in caller.events}
        assert times[ReplyResumed] - times[ReplyPaused] == pytest.approx(harness.limits.barge_in_word_s)
        # what was held plays later by as long as it was held
        assert times[TurnMeasured] - times[ReplyStarted] > 2.0 + harness.limits.barge_in_word_s - 0.01
        assert outcomes(harness) == [TurnOutcome.REPLIED]
        assert caller.all(ReplyCleared) == []

    run_virtual(scenario())


@pytest.mark.parametrize("thinks_s", [0.0, 3.0])
def test_who_goes_on_speaking_before_the_reply_supersedes_it(thinks_s: float) -> None:
    async def scenario() -> None:
        llm = ScriptedModel([[thinks_s, "One. "], ["Two. "]])
        async with running(SessionHarness(llm=llm)) as harness:
            caller = await harness.call()
            caller.type("a table")
            if thinks_s:
                await asyncio.sleep(1.0)
            caller.type("a table for two")
            await caller.get(TurnMeasured, 2)
            caller.hang_up()
        assert outcomes(harness) == [TurnOutcome.SUPERSEDED, TurnOutcome.TYPED]
        assert [event.text for event in caller.all(TurnStarted)] == ["a table", "a table for two"]
        assert {event.turn for event in caller.all(ReplyStarted)} == {2}
        assert caller.cleared == 0

    run_virtual(scenario())


def test_tentative_words_stop_nothing_and_sure_ones_do() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(llm=ScriptedModel([[5.0, "One. "]]))) as harness:
            caller = await harness.call()
            await ask(harness, caller, "a table")
            await caller.get(TurnStarted)
            await caller.speak(voice(0.3))
            await asyncio.sleep(1.0)
            assert outcomes(harness) == []
            harness.stt.starts("for two")
            assert (await caller.get(TranscriptUpdated)).text == "for two"
            await asyncio.sleep(0.1)
            assert outcomes(harness) == [TurnOutcome.SUPERSEDED]
            assert calls(harness, "llm") == ["cancelled"]
            caller.hang_up()

    run_virtual(scenario())


@pytest.mark.parametrize("spoken", [True, False])
@pytest.mark.parametrize(
    ("reply", "voice_fails", "outcome"),
    [
        ([ErrorKind.REFUSED], None, TurnOutcome.APOLOGY),
        (["We have two rooms. "], ErrorKind.TIMEOUT, TurnOutcome.APOLOGY),
        (["We have two rooms for you. ", 0.5, ErrorKind.REFUSED], None, TurnOutcome.CUT_SHORT),
    ],
)
def test_a_turn_whose_provider_fails_ends_and_the_next_one_is_answered(
    reply: list[str | float | ErrorKind], voice_fails: ErrorKind | None, outcome: TurnOutcome, spoken: bool
) -> None:
    async def scenario() -> None:
        voice = ScriptedVoice(seconds=0.3, fails=voice_fails)
        async with running(SessionHarness(llm=ScriptedModel([reply]), tts=voice)) as harness:
            caller = await harness.call()
            if spoken:
                await ask(harness, caller)
            else:
                caller.type("which rooms")
            record = (await caller.get(TurnMeasured)).record
            assert record.outcome is (outcome if spoken else TurnOutcome.TYPED_FAILED)
            apologies = [event for event in caller.all(ClauseStarted) if event.text == "I am sorry."]
            assert len(apologies) == (outcome is TurnOutcome.APOLOGY)
            harness.llm.replies, harness.tts.fails = [["Yes. "]], None
            caller.type("hello?")
            assert (await caller.get(TurnMeasured, 2)).record.outcome is TurnOutcome.TYPED
            caller.hang_up()

    run_virtual(scenario())


@pytest.mark.parametrize(("spoken", "outcome"), [(True, TurnOutcome.FAILED), (False, TurnOutcome.TYPED_FAILED)])
def test_a_fault_of_our_own_costs_one_turn_and_not_the_call(spoken: bool, outcome: TurnOutcome) -> None:
    async def scenario() -> None:
        async with running(SessionHarness(llm=ScriptedModel([[LookupError("a fault of our own")]]))) as harness:
            caller = await harness.call()
            if spoken:
                await ask(harness, caller)
            else:
                caller.type("hello")
            await caller.get(ReplyCompleted)
            assert (await caller.get(TurnMeasured)).record.outcome is outcome
            assert not caller.session.ended.is_set()
            caller.hang_up()

    run_virtual(scenario())


def test_reports_decide_when_a_turn_ends_and_what_was_heard() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(llm=long_reply(), tts=ScriptedVoice(seconds=4.0))) as harness:
            caller = await harness.call(playback_reports=True)
            await ask(harness, caller)
            await caller.get(ReplyCompleted)
            caller.do(report(1, "started", ear_s=0.6))
            caller.do(report(1, "started", ear_s=0.7))  # told twice, counted once
            await asyncio.sleep(1.0)
            caller.do(report(1, "paused", 1.0))
            await asyncio.sleep(30.0)
            assert outcomes(harness) == []  # it stands still
            caller.do(report(1, "resumed", 1.0))
            caller.do(report(1, "finished", 4.0))
            await caller.get(TurnMeasured)
            caller.hang_up()
        assert outcomes(harness) == [TurnOutcome.REPLIED]
        assert [event.ear_s for event in harness.all(PlaybackStarted)] == [0.6]

    run_virtual(scenario())


def test_a_late_report_corrects_what_was_heard_of_the_last_reply_and_one_of_an_older_reply_changes_nothing() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(llm=long_reply(), tts=ScriptedVoice(seconds=4.0))) as harness:
            caller = await harness.call(playback_reports=True)
            caller.type("which rooms")
            await caller.get(ReplyStarted)
            caller.do(report(1, "started"))
            await asyncio.sleep(3.0)
            await caller.speak(voice(0.3))
            harness.stt.starts("stop")
            heard = (await caller.get(ReplyCleared)).heard
            await caller.get(TurnMeasured)
            caller.do(report(1, "cleared", 1.0))  # less had been audible than the server thought
            caller.do(report(7, "finished", 4.0))
            harness.stt.says("stop")
            await caller.get(ReplyCompleted, 2)
            caller.do(report(1, "finished", 4.0))
            caller.do(report(2, "finished", 4.0))
            await caller.get(TurnMeasured, 2)
            caller.hang_up()
        remembered = " ".join(message.text for message in harness.llm.prompts[1].messages)
        assert heard.startswith("We have two rooms")
        assert heard not in remembered
        assert "We have" in remembered

    run_virtual(scenario())


def test_a_client_that_promised_reports_and_sends_none_is_followed_by_the_clock() -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call(playback_reports=True)
            caller.type("hello")
            await caller.get(TurnMeasured)
            caller.hang_up()
        times = {type(event): at for at, event in caller.events}
        assert 2.0 <= times[TurnMeasured] - times[ReplyStarted] < 4.5

    run_virtual(scenario())


def test_a_client_that_speaks_itself_reports_its_clauses() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(tts=ScriptedVoice(by_client=True))) as harness:
            caller = await harness.call(browser_speech=True, playback_reports=True)
            caller.type("hello")
            asked = await caller.get(SpeechRequested)
            assert (asked.turn, asked.clause, asked.text) == (1, 0, "Of course.")
            caller.do(report(1, "started", clause=0))
            await asyncio.sleep(0.2)
            caller.do(report(1, "started", clause=9))  # there is none
            caller.do(report(1, "finished", clause=0))
            assert (await caller.get(TurnMeasured)).record.outcome is TurnOutcome.TYPED
            caller.hang_up()
        assert caller.audio == b""

    run_virtual(scenario())


def test_silence_that_a_caller_sat_through_is_counted_for_spoken_turns() -> None:
    async def scenario() -> None:
        async with running(SessionHarness(llm=ScriptedModel([[2.0, "Yes. "]]))) as harness:
            caller = await harness.call()
            await ask(harness, caller)
            await caller.get(TurnMeasured)
            caller.hang_up()
        (dead,) = harness.all(DeadAir)
        assert dead.seconds == pytest.approx(2.4, abs=0.3)

    run_virtual(scenario())


@pytest.mark.parametrize("shown", [True, False])
def test_what_a_session_costs_is_shown_where_it_may_be(shown: bool) -> None:
    async def scenario() -> None:
        async with running(SessionHarness(show_cost=shown)) as harness:
            caller = await harness.call()
            caller.type("hello")
            await caller.get(TurnMeasured)
            await asyncio.sleep(0)
            costs = caller.all(CostUpdated)
            assert len(costs) == shown
            if shown:
                assert costs[0].usd == pytest.approx(sum(costs[0].by_service.values()))
            caller.hang_up()

    run_virtual(scenario())


@pytest.mark.parametrize("spoken", [True, False])
def test_whatever_breaks_in_a_turn_the_caller_hears_that_there_is_no_answer(spoken: bool) -> None:
    broken = ScriptedModel([[AttributeError("CURRENCY_FORMS")], ["Of course. "]])

    async def scenario() -> None:
        async with running(SessionHarness(llm=broken)) as harness:
            caller = await harness.call()
            if spoken:
                await ask(harness, caller)
            else:
                caller.type("which rooms")
            await caller.get(TurnMeasured)
            assert [clause.text for clause in caller.all(ClauseStarted)] == ["I am sorry."]
            assert duration_s(len(caller.audio)) == pytest.approx(1.0, abs=0.1)
            caller.type("and now")
            await caller.get(TurnMeasured, 2)
            caller.hang_up()
        failed = TurnOutcome.FAILED if spoken else TurnOutcome.TYPED_FAILED
        assert outcomes(harness) == [failed, TurnOutcome.TYPED]

    run_virtual(scenario())


def test_what_breaks_after_the_reply_has_begun_adds_nothing_to_it() -> None:
    broken = ScriptedModel([["We have two rooms. ", 1.0, ValueError("later")]])

    async def scenario() -> None:
        async with running(SessionHarness(llm=broken)) as harness:
            caller = await harness.call()
            await ask(harness, caller)
            await caller.get(TurnMeasured)
            assert [clause.text for clause in caller.all(ClauseStarted)] == ["We have two rooms."]
            caller.hang_up()
        assert outcomes(harness) == [TurnOutcome.FAILED]

    run_virtual(scenario())
