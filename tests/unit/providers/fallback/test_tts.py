"""The chain of voices, in virtual time with scripted ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from agent.core import clock
from agent.core.calls import Call, CallRecorder, ErrorKind, ProviderError
from agent.providers.base import Audio, ClientSpeech
from agent.providers.browser import ClientVoice
from agent.providers.fallback.breaker import BreakerRules, Breakers, BreakerState
from agent.providers.fallback.chain import REST_S
from agent.providers.fallback.concurrency import PriorityLimiter
from agent.providers.fallback.llm_tts import TtsFallback
from tests.support.providers import RecordingRecorder
from tests.support.scripted_llm_tts import (
    LOUD,
    PROMPT,
    SILENT,
    TTS,
    Act,
    ReplyTimeline,
    Scripted,
    llm_chain,
    reply_of,
    run_scenario,
    scripted,
    speech_of,
    tts_chain,
    voice_step,
)


def test_silence_is_no_speech_and_is_not_passed_on() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = tts_chain(scripted("eleven", [SILENT, 0.1] * 50), scripted("openai", [0.2, SILENT, LOUD, SILENT]))
        assert await speech_of(chain, recorder) == [SILENT, LOUD, SILENT]
        assert clock.now() == pytest.approx(1.4)
        assert recorder.path == [("eleven", "openai", "timeout")]

    run_scenario(scenario())


def test_a_clause_that_was_cut_is_said_again_once() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        second = scripted("openai", [LOUD, LOUD])
        chain = tts_chain(scripted("eleven", [LOUD, ErrorKind.DISCONNECTED]), second)
        assert await speech_of(chain, recorder) == [LOUD, LOUD, LOUD]
        assert second.asked == ["Hello there."]

        third = scripted("third", [LOUD])
        cut: list[Act] = [LOUD, ErrorKind.DISCONNECTED]
        told = ReplyTimeline()
        with pytest.raises(ProviderError) as caught:
            await speech_of(tts_chain(scripted("eleven", cut), scripted("openai", cut), third), told)
        assert caught.value.delivered
        assert third.asked == []
        assert told.path[-1] == ("openai", "none", "disconnected")

    run_scenario(scenario())


def test_a_finished_clause_is_never_said_again() -> None:
    async def scenario() -> None:
        second = scripted("openai", [LOUD])
        chain = tts_chain(scripted("eleven", [LOUD, LOUD], [ErrorKind.REFUSED]), second)
        await speech_of(chain, ReplyTimeline())
        assert second.asked == []
        await speech_of(chain, ReplyTimeline())
        assert second.asked == ["Hello there."]

    run_scenario(scenario())


def test_the_client_speaks_when_no_voice_is_left_however_late_it_is() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = tts_chain(scripted("eleven", [9.0]), scripted("openai", [9.0]), scripted("x", [9.0]), ClientVoice())
        assert await speech_of(chain, recorder) == [ClientSpeech("Hello there.")]
        assert clock.now() == pytest.approx(2.65)
        assert [move.to_provider for move in recorder.moves] == ["openai", "x", "browser"]

    run_scenario(scenario())


def test_the_voice_does_not_change_from_clause_to_clause() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        first, second = scripted("eleven", [ErrorKind.OVERLOADED], [LOUD]), scripted("openai", [LOUD])
        chain = tts_chain(first, second)
        for _ in range(3):
            await speech_of(chain, recorder)
        assert (len(first.asked), len(second.asked)) == (1, 3)
        assert recorder.path == [("eleven", "openai", "overloaded"), *[("eleven", "openai", "resting")] * 2]
        await asyncio.sleep(REST_S)
        await speech_of(chain, recorder)
        assert (len(first.asked), len(second.asked)) == (2, 3)

    run_scenario(scenario())


def test_a_resting_step_is_better_than_none() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = tts_chain(
            scripted("eleven", [ErrorKind.REFUSED], [LOUD]), scripted("openai", [LOUD], [ErrorKind.REFUSED])
        )
        await speech_of(chain, recorder)
        assert await speech_of(chain, recorder) == [LOUD]
        assert recorder.path == [
            ("eleven", "openai", "refused"),
            ("eleven", "openai", "resting"),
            ("openai", "eleven", "refused"),
        ]

    run_scenario(scenario())


def test_an_open_breaker_is_passed_over_at_once_by_every_session() -> None:
    async def scenario() -> None:
        breakers = Breakers(RecordingRecorder(), lambda _: None)
        breaker = breakers.of("eleven", "m", BreakerRules())
        sick, well = scripted("eleven", [9.0]), scripted("openai", [LOUD])
        recorder = ReplyTimeline()
        for _ in range(5):
            chain = TtsFallback([voice_step(sick, breaker), voice_step(well)], TTS)
            await speech_of(chain, recorder)
        assert breaker.state is BreakerState.OPEN
        assert len(sick.asked) == 3
        assert [move.reason for move in recorder.moves] == ["timeout"] * 3 + ["breaker_open"] * 2
        assert clock.now() == pytest.approx(3 * 1.2)

    run_scenario(scenario())


def test_nobody_asks_again_before_retry_after() -> None:
    class Limited(Scripted):
        async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
            self.asked.append(text)
            raise ProviderError(self.provider, ErrorKind.RATE_LIMITED, retry_after_s=30)
            yield LOUD

    async def scenario() -> None:
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("eleven", "m")
        limited, well = Limited("eleven", [[]]), scripted("openai", [LOUD])
        recorder = ReplyTimeline()
        for _ in range(3):
            await speech_of(TtsFallback([voice_step(limited, breaker), voice_step(well)], TTS), recorder)
        assert len(limited.asked) == 1
        assert [move.reason for move in recorder.moves] == ["rate_limited", "breaker_open", "breaker_open"]
        await asyncio.sleep(30)
        await speech_of(TtsFallback([voice_step(limited, breaker), voice_step(well)], TTS), recorder)
        assert len(limited.asked) == 2

    run_scenario(scenario())


def test_one_sessions_bad_input_never_opens_a_breaker() -> None:
    async def scenario() -> None:
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("haiku", "m")
        for _ in range(50):
            await reply_of(
                llm_chain(
                    scripted("haiku", [ErrorKind.BAD_REQUEST], ["x"]), scripted("other", ["Sure."]), breaker=breaker
                ),
                ReplyTimeline(),
            )
        assert breaker.state is BreakerState.CLOSED

    run_scenario(scenario())


def test_a_caller_who_barges_in_does_not_harm_the_provider() -> None:
    async def scenario() -> None:
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("haiku", "m")
        for _ in range(10):
            async with aclosing(
                llm_chain(scripted("haiku", ["One. ", 5.0]), breaker=breaker).reply("s", PROMPT, ReplyTimeline())
            ) as reply:
                await anext(reply)
        assert breaker.state is BreakerState.CLOSED
        breaker.failed(ErrorKind.TIMEOUT)
        breaker.failed(ErrorKind.TIMEOUT)
        breaker.failed(ErrorKind.TIMEOUT)
        assert breaker.state is BreakerState.CLOSED  # ten replies began well

    run_scenario(scenario())


def test_a_step_that_is_asked_too_late_is_not_blamed() -> None:
    async def scenario() -> None:
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("third", "m")
        for _ in range(5):
            chain = TtsFallback(
                [
                    voice_step(scripted("a", [9.0])),
                    voice_step(scripted("b", [9.0])),
                    voice_step(scripted("third", [0.4, LOUD]), breaker),
                ],
                TTS,
            )
            with pytest.raises(ProviderError):
                await speech_of(chain, ReplyTimeline())
        assert breaker.state is BreakerState.CLOSED

    run_scenario(scenario())


def test_a_provider_without_a_free_slot_is_passed_over_and_not_blamed() -> None:
    async def scenario() -> None:
        slots = PriorityLimiter(1)
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("eleven", "m")
        recorder = ReplyTimeline()

        def chain() -> TtsFallback:
            return TtsFallback(
                [
                    voice_step(scripted("eleven", [0.1, LOUD, 0.9, LOUD]), breaker, slots),
                    voice_step(scripted("openai", [LOUD])),
                ],
                TTS,
            )

        async with asyncio.TaskGroup() as group:
            long = group.create_task(speech_of(chain(), recorder))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert await speech_of(chain(), recorder) == [LOUD]
            assert clock.now() == pytest.approx(0.6)  # half of the deadline
            assert recorder.path == [("eleven", "openai", "busy")]
            assert await speech_of(chain(), recorder) == [LOUD, LOUD]  # from 1.0 on, by the first voice
        assert await long == [LOUD, LOUD]
        assert slots.free == 1
        assert breaker.state is BreakerState.CLOSED

    run_scenario(scenario())


def test_a_meter_that_does_not_see_fallbacks_is_enough() -> None:
    async def scenario() -> None:
        recorder = RecordingRecorder()
        chain = llm_chain(scripted("sonnet", [ErrorKind.REFUSED]), scripted("haiku", ["Sure."]))
        async with aclosing(chain.reply("s", PROMPT, recorder)) as reply:
            assert [said.text async for said in reply] == ["Sure."]
        assert [call.outcome for call in recorder.calls] == [ErrorKind.REFUSED, "ok"]

    run_scenario(scenario())


def test_usage_of_every_attempt_is_reported() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        calls: list[Call] = recorder.calls
        await speech_of(tts_chain(scripted("eleven", [9.0]), scripted("openai", [LOUD])), recorder)
        assert [(call.service, call.provider, call.outcome) for call in calls] == [
            ("tts", "eleven", ErrorKind.TIMEOUT),
            ("tts", "openai", "ok"),
        ]

    run_scenario(scenario())
