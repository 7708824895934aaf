"""Replies that begin as the prompt asks: what is heard, remembered and told, also where the caller speaks into it."""

from __future__ import annotations

import asyncio

import pytest

from agent.core import clock
from agent.session.early_voice import EarlyVoiceChoice
from agent.session.events import ClauseStarted, ReplyCleared, ReplyStarted, TurnMeasured
from agent.telemetry.events import CallFinished, Cause, Guessed, GuessOutcome, TurnFinished
from agent.telemetry.timeline import TurnOutcome
from agent.turn.asked_openings import AskedOpenings
from agent.turn.clauses import FirstWords
from tests.support.direct_transport import DirectTransport
from tests.support.session import ScriptedModel, SessionHarness, running, silence, voice
from tests.support.simulated_calls import MeasuredVoice
from tests.support.virtual_time import run_virtual

ASKED = AskedOpenings("en")
FIRST = FirstWords(ASKED.which, 24, ASKED)


def asking(*replies: str) -> SessionHarness:
    """A session whose openings are recorded; other clauses take the voice's time."""
    return SessionHarness(
        llm=ScriptedModel([[0.1, reply] for reply in replies]),
        tts=MeasuredVoice(recorded=True),
        early_replies=True,
        early_voice=EarlyVoiceChoice(0.3),
        first_words=FIRST,
    )


async def ask(harness: SessionHarness, caller: DirectTransport, text: str, turn: int = 1) -> None:
    """Says it, is thought to be done, is done, and hears the reply to its end."""
    await begin(harness, caller, text)
    await caller.get(TurnMeasured, turn)


async def begin(harness: SessionHarness, caller: DirectTransport, text: str) -> None:
    await caller.speak(voice(0.6))
    await caller.speak(silence(0.2))
    harness.stt.likely(text, 0.7)
    await asyncio.sleep(0.25)
    harness.stt.says(text)


def test_the_same_opening_is_not_heard_twice_in_a_row() -> None:
    async def scenario() -> None:
        async with running(asking("Sure. For how many?", "Sure, on which day?", "Sure. It is booked.")) as harness:
            caller = await harness.call()
            for turn, text in enumerate(("a room please", "for two people", "tomorrow"), 1):
                await ask(harness, caller, text, turn)
            caller.hang_up()
        said = [(event.turn, event.text) for event in caller.all(ClauseStarted)]
        assert said == [
            (1, "Sure."), (1, "For how many?"), (2, "On which day?"), (3, "Sure."), (3, "It is booked."),
        ]  # fmt: skip
        assert "Sure, on" not in harness.tts.spoken and harness.tts.spoken.count("Sure.") == 2
        told = [message.text for message in harness.llm.prompts[-1].messages if message.role == "assistant"]
        assert told == ["Sure. For how many?", "On which day?"]
        assert [event.outcome for event in harness.all(Guessed)] == [GuessOutcome.TAKEN] * 3
        assert {event.cause for event in harness.all(CallFinished)} == {Cause.SERVED}

    run_virtual(scenario())


def test_the_opening_is_heard_at_the_first_words_and_the_rest_follows_without_a_gap() -> None:
    async def scenario() -> None:
        async with running(asking("Of course. We have a large room for two.")) as harness:
            caller = await harness.call()
            await caller.speak(voice(0.6))
            await caller.speak(silence(0.3))
            ended = clock.now()
            harness.stt.says("a room please")
            await caller.get(ReplyStarted)
            assert clock.now() - ended == pytest.approx(0.1, abs=0.02)  # the model alone
            await caller.get(TurnMeasured)
            caller.hang_up()
        [turn] = harness.all(TurnFinished)
        assert turn.record.outcome is TurnOutcome.REPLIED
        assert turn.record.stages["tts"] == pytest.approx(0.0, abs=0.02)

    run_virtual(scenario())


def test_who_speaks_into_the_opening_has_heard_no_more_than_it() -> None:
    async def scenario() -> None:
        async with running(asking("Of course. We have a large room for two.", "Okay. For three then.")) as harness:
            caller = await harness.call()
            await begin(harness, caller, "a room please")
            await caller.get(ReplyStarted)
            await caller.speak(voice(0.3))
            harness.stt.starts("no wait for three")
            cleared = await caller.get(ReplyCleared)
            assert "Of course.".startswith(cleared.heard)
            await caller.get(TurnMeasured)
            harness.stt.says("no wait for three")
            await caller.get(TurnMeasured, 2)
            caller.hang_up()
        outcomes = [event.record.outcome for event in harness.all(TurnFinished)]
        assert outcomes == [TurnOutcome.INTERRUPTED, TurnOutcome.REPLIED]
        asked = harness.llm.prompts[-1].messages
        assert not any("large room" in message.text for message in asked)
        assert [event.text for event in caller.all(ClauseStarted) if event.turn == 2] == ["Okay.", "For three then."]

    run_virtual(scenario())
