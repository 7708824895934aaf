"""What is heard over a reply: agreement, echoes and noise let it play on, everything else takes the turn."""

from __future__ import annotations

import pytest

from agent.session.events import EchoNoticed, ReplyCleared, ReplyPaused, ReplyResumed, TurnMeasured, TurnStarted
from agent.telemetry.events import OverlapKind, Overlapped
from agent.telemetry.timeline import TurnOutcome
from tests.support.direct_transport import DirectTransport
from tests.support.session import ScriptedModel, ScriptedVoice, SessionHarness, running, silence, voice
from tests.support.virtual_time import run_virtual

STATEMENT = "The mountain view room is free on Tuesday and it costs ninety dollars. "


def _house(reply: str = STATEMENT) -> SessionHarness:
    return SessionHarness(llm=ScriptedModel([[reply], ["Of course. "]]), tts=ScriptedVoice(seconds=6.0))


async def _playing(harness: SessionHarness) -> DirectTransport:
    """A caller who hears a reply since one second."""
    caller = await harness.call()
    caller.type("what rooms do you have")
    await caller.speak(silence(1.5))
    return caller


async def _over(harness: SessionHarness, caller: DirectTransport, text: str, *, starts: str | None = None) -> None:
    """Says something over the reply."""
    await caller.speak(voice(0.3))
    harness.stt.starts(starts or text)
    await caller.speak(silence(0.2))
    harness.stt.says(text)
    await caller.speak(silence(0.3))


@pytest.mark.parametrize("text", ["uh-huh", "Mm-hmm.", "okay", "Yeah, right.", "I see."])
def test_a_backchannel_lets_the_reply_play_on(text: str) -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            await _over(harness, caller, text)
            assert (await caller.get(TurnMeasured)).record.outcome is TurnOutcome.TYPED
            assert len(caller.all(TurnStarted)) == 1
            assert len(caller.all(ReplyPaused)) == len(caller.all(ReplyResumed)) == 1
            assert [event.kind for event in harness.all(Overlapped)] == [OverlapKind.BACKCHANNEL]
            caller.hang_up()

    run_virtual(scenario())


@pytest.mark.parametrize("text", ["okay but what about Monday", "no", "stop", "yeah book it", "is it quiet"])
def test_other_words_take_the_turn(text: str) -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            await _over(harness, caller, text)
            assert len(caller.all(ReplyCleared)) == 1
            assert caller.all(TurnStarted)[-1].text == text
            assert [event.kind for event in harness.all(Overlapped)] == [OverlapKind.INTERRUPTION]
            caller.hang_up()

    run_virtual(scenario())


def test_agreement_that_goes_on_to_something_takes_the_turn() -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            await _over(harness, caller, "okay then take the other one", starts="okay")
            await caller.speak(silence(0.2))
            assert caller.all(TurnStarted)[-1].text == "okay then take the other one"
            caller.hang_up()

    run_virtual(scenario())


def test_after_a_question_the_same_word_is_the_answer() -> None:
    async def scenario() -> None:
        async with running(harness := _house("Shall I book the mountain view room for you? ")):
            caller = await _playing(harness)
            await _over(harness, caller, "yeah")
            assert caller.all(TurnStarted)[-1].text == "yeah"
            caller.hang_up()

    run_virtual(scenario())


def test_an_echo_interrupts_nothing_costs_nothing_and_is_told_once() -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            for text in ("the mountain", "view room is free", "free on Tuesday and it"):
                await _over(harness, caller, text)
            assert (await caller.get(TurnMeasured)).record.outcome is TurnOutcome.TYPED
            assert len(caller.all(TurnStarted)) == 1
            assert len(harness.llm.prompts) == 1
            assert len(caller.all(EchoNoticed)) == 1
            assert {event.kind for event in harness.all(Overlapped)} == {OverlapKind.ECHO}
            caller.hang_up()

    run_virtual(scenario())


def test_over_an_echo_a_voice_alone_holds_nothing_and_words_of_ones_own_still_take_the_turn() -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            for text in ("the mountain view", "room is free"):
                await _over(harness, caller, text)
            paused = len(caller.all(ReplyPaused))
            await caller.speak(voice(0.3) + silence(0.4))
            assert len(caller.all(ReplyPaused)) == paused
            await _over(harness, caller, "please cancel my reservation")
            assert caller.all(TurnStarted)[-1].text == "please cancel my reservation"
            caller.hang_up()

    run_virtual(scenario())


def test_a_turn_that_begins_with_the_echo_of_its_reply_is_what_the_caller_said() -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await harness.call()
            caller.type("what rooms do you have")
            await caller.speak(silence(0.1))
            await _over(harness, caller, "the mountain no I meant the garden room", starts="the mountain")
            assert caller.all(TurnStarted)[-1].text == "no I meant the garden room"
            caller.hang_up()

    run_virtual(scenario())


def test_a_caller_who_repeats_what_was_heard_keeps_these_words() -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            await caller.speak(silence(1.5))  # "The mountain view room is" was heard
            await _over(harness, caller, "the mountain view room would be too small for us", starts="the mountain")
            assert caller.all(TurnStarted)[-1].text == "the mountain view room would be too small for us"
            caller.hang_up()

    run_virtual(scenario())


def test_the_turn_after_an_echo_is_taken_as_it_is() -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await harness.call()
            caller.type("what rooms do you have")
            await caller.speak(silence(0.1))
            await _over(harness, caller, "the mountain no thanks", starts="the mountain")
            assert caller.all(TurnStarted)[-1].text == "no thanks"
            await caller.speak(silence(8.0))
            await caller.speak(voice(0.3))
            harness.stt.says("the mountain view room after all")
            await caller.speak(silence(0.3))
            assert caller.all(TurnStarted)[-1].text == "the mountain view room after all"
            caller.hang_up()

    run_virtual(scenario())


@pytest.mark.parametrize("text", ["stop", "wait wait", "no thanks", "um wait"])
def test_over_an_echo_a_word_that_demands_the_turn_takes_it_at_once(text: str) -> None:
    """It is no echo where the reply does not have it; the caller does not wait for the end of the turn."""

    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            for echo in ("the mountain view", "room is free"):
                await _over(harness, caller, echo)
            await caller.speak(voice(0.3))
            harness.stt.starts(text)
            await caller.speak(silence(0.1))
            assert len(caller.all(ReplyCleared)) == 1
            caller.hang_up()

    run_virtual(scenario())


@pytest.mark.parametrize("text", ["sorry", "sorry but"])
def test_over_an_echo_such_a_word_of_the_reply_itself_takes_nothing(text: str) -> None:
    async def scenario() -> None:
        async with running(harness := _house("I am sorry but the view room is free on Tuesday for ninety dollars. ")):
            caller = await _playing(harness)
            for echo in ("the view room", "room is free"):
                await _over(harness, caller, echo)
            await caller.speak(voice(0.3))
            harness.stt.starts(text)
            await caller.speak(silence(0.1))
            assert caller.all(ReplyCleared) == []
            caller.hang_up()

    run_virtual(scenario())


def test_noise_resumes_and_is_counted() -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            await caller.speak(voice(0.3) + silence(1.0))
            assert len(caller.all(ReplyResumed)) == 1
            assert [event.kind for event in harness.all(Overlapped)] == [OverlapKind.NOISE]
            caller.hang_up()

    run_virtual(scenario())


def test_a_reply_that_was_held_in_vain_twice_plays_on_until_words_come() -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            for _ in range(4):  # a telephone rings, or an echo is cut off by each hold
                await caller.speak(voice(0.3) + silence(0.7))
            assert len(caller.all(ReplyPaused)) == len(caller.all(ReplyResumed)) == 2
            await _over(harness, caller, "please cancel my reservation")
            assert caller.all(TurnStarted)[-1].text == "please cancel my reservation"
            caller.hang_up()

    run_virtual(scenario())


def test_the_next_reply_is_held_again() -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            for _ in range(3):
                await caller.speak(voice(0.3) + silence(0.7))
            caller.type("and what else")
            await caller.speak(silence(1.5))
            await caller.speak(voice(0.3) + silence(0.7))
            assert len(caller.all(ReplyPaused)) == 3
            caller.hang_up()

    run_virtual(scenario())


def test_an_echo_of_a_number_is_known_in_words_and_in_digits() -> None:
    async def scenario(echoed: str) -> None:
        async with running(harness := _house("I have noted it on invoice 4417, which is due on Tuesday. ")):
            caller = await _playing(harness)
            await _over(harness, caller, echoed)
            assert len(caller.all(TurnStarted)) == 1
            assert [event.kind for event in harness.all(Overlapped)] == [OverlapKind.ECHO]
            caller.hang_up()

    run_virtual(scenario("on invoice 4417"))
    run_virtual(scenario("on invoice four four one seven"))


async def _late(harness: SessionHarness, caller: DirectTransport, text: str) -> TurnOutcome:
    """Something is heard, and becomes a turn, just after the reply."""
    await caller.speak(silence(5.0))
    assert not caller.all(ReplyPaused)
    await caller.speak(voice(0.3))
    harness.stt.says(text)
    await caller.speak(silence(8.0))
    return caller.all(TurnMeasured)[-1].record.outcome


def test_an_echo_that_is_known_too_late_is_charged_and_no_good_turn() -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            assert await _late(harness, caller, "and it costs ninety dollars") is TurnOutcome.ECHO
            record = caller.all(TurnMeasured)[-1].record
            assert not record.owed
            assert not record.slow
            assert [call.service for call in record.calls] == ["llm", "tts"]
            assert caller.session.parts.spending.usd > 0
            assert [event.kind for event in harness.all(Overlapped)] == [OverlapKind.ECHO]
            caller.hang_up()

    run_virtual(scenario())


@pytest.mark.parametrize("text", ["what does the mountain view room cost", "ninety dollars", "the room is free"])
def test_a_caller_who_repeats_some_words_has_a_turn_like_any_other(text: str) -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            assert await _late(harness, caller, text) is TurnOutcome.REPLIED
            assert caller.all(TurnMeasured)[-1].record.owed
            assert not harness.all(Overlapped)
            caller.hang_up()

    run_virtual(scenario())


def test_where_the_line_echoes_for_sure_the_end_of_an_echo_is_no_turn() -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            for text in ("the mountain view", "room is free"):
                await _over(harness, caller, text)
            await caller.speak(silence(5.0))
            harness.stt.says("and it costs ninety dollars")
            await caller.speak(silence(1.0))
            assert len(caller.all(TurnStarted)) == len(harness.llm.prompts) == 1
            caller.hang_up()

    run_virtual(scenario())


def test_a_backchannel_is_remembered_as_such() -> None:
    async def scenario() -> None:
        async with running(harness := _house()):
            caller = await _playing(harness)
            await _over(harness, caller, "uh-huh")
            await caller.get(TurnMeasured)
            caller.type("book it")
            await caller.speak(silence(1.0))
            _, told, _ = harness.llm.prompts[-1].messages
            assert told.text == f"{STATEMENT.strip()} [the caller acknowledged this while listening]"
            caller.hang_up()

    run_virtual(scenario())
