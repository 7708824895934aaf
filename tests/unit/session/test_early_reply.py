"""Replies that are begun before the turn is over: when they are taken, what a wasted one costs, what it may not do."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from agent.budgets import Tier
from agent.core import clock
from agent.core.calls import ErrorKind
from agent.providers.base import Message, Prompt
from agent.session.early_reply import LEAST_GUESSES, EarlyReplies, same_request, same_words
from agent.session.events import ClauseStarted, ReplyStarted, TurnMeasured, TurnStarted
from agent.telemetry.events import CallFinished, Cause, Guessed, GuessOutcome, SessionInfo, TurnFinished
from agent.telemetry.timeline import Timeline
from tests.support.direct_transport import DirectTransport
from tests.support.session import ScriptedModel, SessionHarness, running, silence, voice
from tests.support.virtual_time import run_virtual

THINKS_S, LEAD_S = 0.4, 0.25
TURNS = 10  # of a session: more could spend what it may


def guessing(*replies: str, thinks_s: float = THINKS_S) -> SessionHarness:
    """A session that guesses; each reply takes the model so long."""
    return SessionHarness(llm=ScriptedModel([[thinks_s, reply] for reply in replies]), early_replies=True)


def became(harness: SessionHarness) -> list[GuessOutcome]:
    return [event.outcome for event in harness.all(Guessed)]


def causes(harness: SessionHarness) -> list[Cause]:
    return [event.cause for event in harness.all(CallFinished) if event.call.service == "llm"]


def clauses(caller: DirectTransport) -> list[str]:
    return [event.text.strip() for event in caller.all(ClauseStarted)]


async def likely(harness: SessionHarness, caller: DirectTransport, text: str) -> None:
    """The caller speaks, and the recogniser thinks that this was all."""
    await caller.speak(voice(0.6))
    await caller.speak(silence(0.2))
    harness.stt.likely(text)
    await asyncio.sleep(LEAD_S)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("book a room", "Book a room.", True),
        ("Um, book a room", "book a room", True),
        ("book a room", "book two rooms", False),
        ("I'd like that", "I’d like that", False),
        ("", "", True),
        ("não", "nao", False),
    ],
)
def test_case_punctuation_and_fillers_make_no_other_words(one: str, other: str, same: bool) -> None:
    assert same_words(one, other) is same


def test_the_same_words_after_another_conversation_are_another_request() -> None:
    asked = Message("user", "what does it cost")
    prompt = Prompt("system", "", (asked,))
    assert same_request(prompt, Prompt("system", "", (Message("user", "What does it cost?"),)))
    assert not same_request(prompt, Prompt("system", "notes", (asked,)))
    assert not same_request(prompt, Prompt("system", "", (Message("user", "hi"), Message("assistant", "hello"), asked)))


@pytest.mark.parametrize(("early", "waited_s"), [(False, THINKS_S), (True, THINKS_S - LEAD_S)])
def test_a_guess_runs_beside_the_recognisers_doubt(early: bool, waited_s: float) -> None:
    async def scenario() -> None:
        harness = guessing("We have two rooms. ")
        harness.early_replies = early
        async with running(harness):
            caller = await harness.call()
            await likely(harness, caller, "which rooms")
            assert caller.all(ClauseStarted) == caller.all(TurnStarted) == []
            ended = clock.now()
            harness.stt.says("Which rooms?")
            await caller.get(ReplyStarted)
            started = clock.now()
            await caller.get(TurnMeasured)
            caller.hang_up()
        assert started - ended == pytest.approx(waited_s + harness.tts.delay_s, abs=0.02)
        assert len(harness.llm.prompts) == 1
        assert causes(harness) == [Cause.SERVED]
        assert became(harness) == ([GuessOutcome.TAKEN] if early else [])
        [turn] = harness.all(TurnFinished)
        assert turn.record.stages["llm"] == pytest.approx(waited_s, abs=0.02)
        if early:
            assert harness.all(Guessed)[0].lead_s == pytest.approx(LEAD_S, abs=0.01)

    run_virtual(scenario())


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("then", ["the same", "more"])
def test_a_recogniser_without_early_ends_is_judged_by_its_words(settled: bool, then: str) -> None:
    """Nova: results that are final before the turn is, and partial ones that stand."""

    async def scenario() -> None:
        harness = guessing("For one. ", "For two. ")
        harness.likely_after_s = 0.1
        async with running(harness):
            caller = await harness.call()
            await caller.speak(voice(0.6))
            harness.stt.thinks("a room with a")
            await caller.speak(silence(0.15))
            assert harness.llm.prompts == []  # a room with what?
            harness.stt.thinks("a room with a view", settled=settled)
            await caller.speak(silence(0.15))
            assert [prompt.messages[-1].text for prompt in harness.llm.prompts] == ["a room with a view"]
            assert caller.all(ClauseStarted) == caller.all(TurnStarted) == []
            said = "A room with a view." if then == "the same" else "a room with a view for two"
            harness.stt.says(said)
            await caller.get(TurnMeasured)
            caller.hang_up()
        assert clauses(caller) == ["For one." if then == "the same" else "For two."]
        assert became(harness) == [GuessOutcome.TAKEN if then == "the same" else GuessOutcome.CHANGED]

    run_virtual(scenario())


@pytest.mark.parametrize("taken_back", ["resumed", "other words", "another end"])
def test_who_goes_on_is_answered_by_what_was_said_in_all(taken_back: str) -> None:
    async def scenario() -> None:
        async with running(guessing("For one. ", "For two. ")) as harness:
            caller = await harness.call()
            await likely(harness, caller, "a room")
            if taken_back == "resumed":
                harness.stt.resumes("a room")
            elif taken_back == "other words":
                harness.stt.starts("a room for")
            await asyncio.sleep(THINKS_S)
            assert caller.all(ClauseStarted) == []
            harness.stt.says("a room for two")
            await caller.get(TurnMeasured)
            caller.hang_up()
        assert clauses(caller) == ["For two."]
        assert causes(harness) == [Cause.SPECULATION, Cause.SERVED]
        assert became(harness) == [GuessOutcome.CHANGED if taken_back == "another end" else GuessOutcome.RESUMED]
        assert [event.turn for event in harness.all(CallFinished) if event.cause is Cause.SPECULATION] == [None]
        assert [message.text for message in harness.llm.prompts[-1].messages] == ["a room for two"]

    run_virtual(scenario())


def test_a_guess_that_failed_is_asked_again() -> None:
    async def scenario() -> None:
        llm = ScriptedModel([[ErrorKind.OVERLOADED], ["We have two. "]])
        async with running(SessionHarness(llm=llm, early_replies=True)) as harness:
            caller = await harness.call()
            await likely(harness, caller, "which rooms")
            harness.stt.says("which rooms")
            await caller.get(TurnMeasured)
            caller.hang_up()
        assert clauses(caller) == ["We have two."]
        assert became(harness) == [GuessOutcome.FAILED]

    run_virtual(scenario())


def test_a_model_that_may_not_be_asked_early_is_not() -> None:
    async def scenario() -> None:
        harness = guessing("We have two.")
        harness.early_models = ("sonnet",)
        async with running(harness):
            caller = await harness.call()
            await caller.speak(voice(0.6) + silence(0.2))
            harness.stt.likely("which rooms")
            await asyncio.sleep(0.1)
            harness.stt.says("which rooms")
            await caller.get(TurnMeasured)
            caller.hang_up()
        assert became(harness) == []
        assert clauses(caller) == ["We have two."]

    run_virtual(scenario())


def test_nobody_guesses_while_a_reply_plays_or_in_the_middle_of_a_number() -> None:
    async def scenario() -> None:
        async with running(guessing("We have two rooms with a view of the sea. ")) as harness:
            caller = await harness.call()
            harness.stt.likely("my number is four one")
            caller.type("which rooms")
            await caller.get(ReplyStarted)
            harness.stt.likely("uh huh")
            await caller.get(TurnMeasured)
            caller.hang_up()
        assert became(harness) == []
        assert len(harness.llm.prompts) == 1

    run_virtual(scenario())


def test_a_guess_that_was_taken_and_never_read_is_charged_to_its_turn() -> None:
    """The caller speaks on in the moment between the end of the turn and the first look at the reply."""

    async def scenario() -> None:
        harness, timeline = guessing(), Timeline(1, spoken=True)
        model, prompt = ScriptedModel([[30.0, "Never heard. "]]), Prompt("system", "", (Message("user", "which"),))
        async with asyncio.TaskGroup() as group:
            early = EarlyReplies(SessionInfo("s", "ada", Tier.PREMIUM, "p", 1), harness.sinks, group, True)
            early.guess("which", model, prompt)
            await asyncio.sleep(LEAD_S)
            assert early.take(clock.now(), model, prompt, timeline) is not model
            await early.release()
        assert [call.outcome for call in timeline.calls] == ["cancelled"]
        assert causes(harness) == []  # the timeline's observer charges it, once

    run_virtual(scenario())


@pytest.mark.parametrize("leaves", [True, False])
def test_a_guess_ends_with_its_call(leaves: bool) -> None:
    async def scenario() -> None:
        async with running(guessing("We have two. ", thinks_s=30.0)) as harness:
            caller = await harness.call()
            await likely(harness, caller, "which rooms")
            if leaves:
                caller.lose()
                await asyncio.sleep(harness.limits.grace_s + 1)
            else:
                caller.hang_up()
        assert became(harness) == [GuessOutcome.DROPPED]
        assert causes(harness) == [Cause.SPECULATION]

    run_virtual(scenario())


def test_a_session_that_wastes_most_of_its_guesses_makes_no_more() -> None:
    async def scenario() -> None:
        async with running(guessing("Of course. ")) as harness:
            caller = await harness.call()
            for number in range(LEAST_GUESSES + 2):
                await likely(harness, caller, f"room {number}")
                harness.stt.resumes(f"room {number}")
                harness.stt.says(f"room {number} with a view")
                await caller.get(TurnMeasured, number + 1)
            caller.hang_up()
        assert Counter(became(harness)) == {GuessOutcome.RESUMED: LEAST_GUESSES, GuessOutcome.SWITCHED_OFF: 1}

    run_virtual(scenario())
