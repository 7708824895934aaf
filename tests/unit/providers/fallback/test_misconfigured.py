"""What does not pass by itself: one state for everybody, slow re-checks, and the words of the provider."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

import pytest

from agent.core import clock
from agent.core.calls import CallRecorder, ErrorKind, Misconfiguration, Problem, ProviderError
from agent.providers.base import Prompt
from agent.providers.fallback.beside import ModelBeside
from agent.providers.fallback.breaker import BreakerChange, Breakers, BreakerState, Probe
from tests.support.providers import RecordingRecorder
from tests.support.scripted_llm_tts import scripted
from tests.support.virtual_time import run_virtual

FAULT = Misconfiguration(Problem.VOICE, "A voice was not found.")


async def _probe_for(breakers: Breakers, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await breakers.run()


def _refusing(asked: list[float]) -> Probe:
    async def probe(_recorder: CallRecorder) -> None:
        asked.append(clock.now())
        raise ProviderError("elevenlabs", ErrorKind.MISCONFIGURED, fault=FAULT)

    return probe


def test_it_rests_at_once_for_everybody_and_is_checked_again_slowly() -> None:
    async def scenario() -> None:
        changes: list[BreakerChange] = []
        asked: list[float] = []
        breakers = Breakers(RecordingRecorder(), changes.append)
        breaker = breakers.of("elevenlabs", "flash", probe=_refusing(asked))
        breaker.failed(ErrorKind.MISCONFIGURED, None, FAULT)
        assert (breaker.state, breaker.allows) == (BreakerState.OPEN, False)
        assert [(change.reason, change.fault) for change in changes] == [("misconfigured", FAULT)]
        await _probe_for(breakers, 1200)
        assert asked[0] >= 20
        assert 3 <= len(asked) <= 8  # in twenty minutes
        assert breakers.faults() == {("elevenlabs", "flash"): FAULT}
        assert {change.reason for change in changes} == {"misconfigured", "probe_due", "probe_failed"}

    run_virtual(scenario())


def test_what_was_mended_is_forgotten() -> None:
    async def scenario() -> None:
        changes: list[BreakerChange] = []

        async def probe(_recorder: CallRecorder) -> None:
            return

        breakers = Breakers(RecordingRecorder(), changes.append)
        breaker = breakers.of("elevenlabs", "flash", probe=probe)
        breaker.failed(ErrorKind.MISCONFIGURED, None, FAULT)
        await _probe_for(breakers, 60)
        assert (breaker.state, breaker.fault) == (BreakerState.CLOSED, None)
        assert (changes[-1].reason, changes[-1].fault) == ("recovered", None)

    run_virtual(scenario())


def test_an_outage_that_turns_out_to_be_one_is_told_as_one() -> None:
    async def scenario() -> None:
        changes: list[BreakerChange] = []
        breakers = Breakers(RecordingRecorder(), changes.append)
        breaker = breakers.of("elevenlabs", "flash", probe=_refusing([]))
        for _ in range(3):
            breaker.failed(ErrorKind.REFUSED)
        await _probe_for(breakers, 5)
        assert [change.reason for change in changes] == ["failures", "probe_due", "misconfigured"]
        assert breaker.fault == FAULT

    run_virtual(scenario())


def test_input_that_is_refused_from_all_sides_is_not_the_callers() -> None:
    async def scenario() -> None:
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("anthropic", "haiku")
        for caller in (1, 1, 1, 1, 2):
            breaker.failed(ErrorKind.BAD_REQUEST, caller=caller)
        breaker.succeeded(0.2)
        breaker.failed(ErrorKind.BAD_REQUEST, caller=3)
        assert breaker.state is BreakerState.CLOSED
        for caller in (4, 5):
            breaker.failed(ErrorKind.BAD_REQUEST, caller=caller)
        assert breaker.fault is not None
        assert (breaker.state, breaker.fault.problem) == (BreakerState.OPEN, Problem.OTHER)

    run_virtual(scenario())


def test_what_nobody_waits_for_is_not_asked_of_a_model_that_callers_are_kept_from() -> None:
    async def scenario() -> None:
        haiku, asked = scripted("haiku", ["Noted."]), list[float]()
        breaker = Breakers(RecordingRecorder(), lambda change: None).of("haiku", "m", probe=_refusing(asked))
        beside = ModelBeside(haiku, breaker)

        async def note() -> str:
            async with aclosing(beside.reply("s", Prompt("", "", ()), RecordingRecorder())) as reply:
                return "".join([said.text async for said in reply])

        assert await note() == "Noted."
        breaker.failed(ErrorKind.MISCONFIGURED, None, FAULT)
        with pytest.raises(ProviderError):
            await note()
        assert len(haiku.prompts) == 1
        assert asked == []

    run_virtual(scenario())
