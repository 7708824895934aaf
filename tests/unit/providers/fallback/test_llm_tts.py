"""The chains of replies and voices, in virtual time with scripted providers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.core import clock
from agent.core.calls import Call, CallRecorder, ErrorKind, Fallback, ProviderError
from agent.providers.base import Audio, ClientSpeech, Message, Prompt, TextDelta, TextToSpeech
from agent.providers.browser import ClientVoice
from agent.providers.call import Failure, ProviderCall
from agent.providers.fallback.breaker import Breaker, BreakerRules, Breakers, BreakerState
from agent.providers.fallback.chain import REST_S, ChainDeadlines, ChainStep
from agent.providers.fallback.concurrency import PriorityLimiter
from agent.providers.fallback.llm_tts import LlmFallback, TtsFallback
from tests.support.providers import RecordingRecorder
from tests.support.virtual_time import run_virtual

LLM = ChainDeadlines(first_s=1.5, stall_s=2.0, chain_s=2.5)
TTS = ChainDeadlines(first_s=1.2, stall_s=2.0, chain_s=2.5)
PROMPT = Prompt("system", "memory", (Message("user", "Book a room."),))
LOUD = Audio(b"\x00\x20" * 320, "elevenlabs")
SILENT = Audio(bytes(640), "elevenlabs")

Act = float | str | ErrorKind | Audio
"""What a scripted provider does next: wait so many seconds, say a text, make a sound, or fail."""


class ReplyTimeline(RecordingRecorder):
    """A meter that also sees fallbacks."""

    def __init__(self) -> None:
        super().__init__()
        self.moves: list[Fallback] = []

    def fell_back(self, fallback: Fallback) -> None:
        self.moves.append(fallback)

    @property
    def path(self) -> list[tuple[str, str, str]]:
        return [(move.from_provider, move.to_provider, move.reason) for move in self.moves]

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [(call.provider, str(call.outcome)) for call in self.calls]


@dataclass
class Scripted:
    """A model and a voice in one, which follows a script; the last script is used again and again."""

    provider: str
    scripts: list[list[Act]]
    model: str = "m"
    prompts: list[Prompt] = field(default_factory=list[Prompt])
    asked: list[str] = field(default_factory=list[str])

    async def _act(self, service: Any, recorder: CallRecorder) -> AsyncGenerator[str | Audio]:
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        with ProviderCall(
            service, self.provider, self.model, recorder, lambda _e, _c: Failure(ErrorKind.MALFORMED)
        ) as call:
            for act in script:
                if isinstance(act, ErrorKind):
                    raise call.error(act)
                if isinstance(act, float | int):
                    await asyncio.sleep(act)
                    continue
                call.first_output()
                yield act

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        self.prompts.append(prompt)
        async with aclosing(self._act("llm", recorder)) as acts:
            async for act in acts:
                assert isinstance(act, str)
                yield TextDelta(act)

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        self.asked.append(text)
        async with aclosing(self._act("tts", recorder)) as acts:
            async for act in acts:
                assert isinstance(act, Audio)
                yield act


def _provider(name: str, *scripts: list[Act]) -> Scripted:
    return Scripted(name, list(scripts))


def _llm(*providers: Scripted, **options: Any) -> LlmFallback:
    return LlmFallback([ChainStep(one.provider, one, **options) for one in providers], LLM)


async def _reply(chain: LlmFallback, recorder: ReplyTimeline) -> str:
    async with aclosing(chain.reply("s", PROMPT, recorder)) as reply:
        return "".join([said.text async for said in reply])


async def _speak(chain: TtsFallback, recorder: ReplyTimeline) -> list[Audio | ClientSpeech]:
    async with aclosing(chain.speak("s", "Hello there.", recorder)) as speech:
        return [piece async for piece in speech]


def _run(scenario: Coroutine[Any, Any, None]) -> None:
    run_virtual(scenario)


def test_a_healthy_first_step_is_all_there_is() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        sonnet, haiku = _provider("sonnet", [0.4, "Sure.", 0.1, " Done."]), _provider("haiku", ["No."])
        assert await _reply(_llm(sonnet, haiku), recorder) == "Sure. Done."
        assert recorder.path == []
        assert recorder.outcomes == [("sonnet", "ok")]
        assert sonnet.prompts == [PROMPT]
        assert haiku.prompts == []

    _run(scenario())


def test_a_step_that_is_too_late_is_left_at_its_deadline() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = _llm(_provider("sonnet", [10.0, "Late."]), _provider("haiku", [0.2, "Sure."]))
        assert await _reply(chain, recorder) == "Sure."
        assert clock.now() == pytest.approx(1.7)
        assert recorder.path == [("sonnet", "haiku", "timeout")]
        assert recorder.outcomes == [
            ("sonnet", "timeout"),
            ("haiku", "ok"),
        ]  # not "cancelled": it did not end by itself

    _run(scenario())


def test_whitespace_is_no_answer_and_is_not_passed_on() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = _llm(_provider("sonnet", [" ", 0.5, "\n", 9.0]), _provider("haiku", ["Sure."]))
        assert await _reply(chain, recorder) == "Sure."
        assert clock.now() == pytest.approx(1.5)
        assert recorder.path == [("sonnet", "haiku", "timeout")]

        assert await _reply(_llm(_provider("sonnet", [" ", "\n"]), _provider("haiku", ["Sure."])), recorder) == "Sure."
        assert recorder.path[1:] == [("sonnet", "haiku", "empty")]

    _run(scenario())


def test_leading_whitespace_of_an_answer_is_kept() -> None:
    async def scenario() -> None:
        assert await _reply(_llm(_provider("sonnet", ["\n", "- ", "Sure."])), ReplyTimeline()) == "\n- Sure."

    _run(scenario())


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_error_moves_on(kind: ErrorKind) -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = _llm(_provider("sonnet", [kind]), _provider("haiku", ["Sure."]))
        assert await _reply(chain, recorder) == "Sure."
        assert recorder.path == [("sonnet", "haiku", kind.value)]
        assert recorder.moves[0].service == "llm"

    _run(scenario())


@pytest.mark.parametrize(("ill", "reason"), [([ErrorKind.DISCONNECTED], "disconnected"), ([9.0], "stalled")])
def test_a_model_that_takes_over_is_told_what_was_said(ill: list[Act], reason: str) -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        haiku = _provider("haiku", [0.3, "tomorrow."])
        chain = _llm(_provider("sonnet", ["I can book ", "a room for", *ill]), haiku)
        assert await _reply(chain, recorder) == "I can book a room for tomorrow."
        assert recorder.path == [("sonnet", "haiku", reason)]
        (prompt,) = haiku.prompts
        assert prompt.system == PROMPT.system
        assert prompt.messages[-1].role == "user"
        assert prompt.messages[-1].text.startswith("Book a room.")
        assert '"I can book a room for"' in prompt.messages[-1].text

    _run(scenario())


def test_the_chain_ends_by_its_own_deadline() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = _llm(_provider("sonnet", [9.0]), _provider("haiku", [9.0]), _provider("other", [9.0]))
        with pytest.raises(ProviderError) as caught:
            await _reply(chain, recorder)
        assert clock.now() == pytest.approx(2.5)
        assert caught.value.kind is ErrorKind.TIMEOUT
        assert not caught.value.delivered
        assert recorder.path == [
            ("sonnet", "haiku", "timeout"),
            ("haiku", "other", "timeout"),
            ("other", "recorded", "deadline"),
        ]

    _run(scenario())


def test_the_last_failure_in_the_middle_says_that_something_was_delivered() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        with pytest.raises(ProviderError) as caught:
            await _reply(_llm(_provider("haiku", ["Well, ", ErrorKind.DISCONNECTED])), recorder)
        assert caught.value.delivered
        assert recorder.path == [("haiku", "recorded", "disconnected")]

    _run(scenario())


def test_barge_in_stops_the_step_that_speaks() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        async with aclosing(_llm(_provider("sonnet", ["One. ", 5.0, "Two."])).reply("s", PROMPT, recorder)) as reply:
            assert (await anext(reply)).text == "One. "
        assert recorder.outcomes == [("sonnet", "cancelled")]
        assert recorder.path == []

        task = asyncio.create_task(_reply(_llm(_provider("sonnet", [1.0, "One."])), recorder))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert recorder.outcomes[1:] == [("sonnet", "cancelled")]

    _run(scenario())


def test_a_slow_listener_is_not_a_stalled_provider() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        async with aclosing(_llm(_provider("sonnet", ["One. ", "Two."])).reply("s", PROMPT, recorder)) as reply:
            async for _ in reply:
                await asyncio.sleep(60)
        assert recorder.path == []

    _run(scenario())


# Voices


def _voice(one: Any, breaker: Breaker | None = None, slots: PriorityLimiter | None = None) -> ChainStep[TextToSpeech]:
    return ChainStep(one.provider, one, breaker, slots, instant=isinstance(one, ClientVoice))


def _voices(*providers: Any) -> TtsFallback:
    return TtsFallback([_voice(one) for one in providers], TTS)


def test_silence_is_no_speech_and_is_not_passed_on() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = _voices(_provider("eleven", [SILENT, 0.1] * 50), _provider("openai", [0.2, SILENT, LOUD, SILENT]))
        assert await _speak(chain, recorder) == [SILENT, LOUD, SILENT]
        assert clock.now() == pytest.approx(1.4)
        assert recorder.path == [("eleven", "openai", "timeout")]

    _run(scenario())


def test_a_clause_that_was_cut_is_said_again_once() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        second = _provider("openai", [LOUD, LOUD])
        chain = _voices(_provider("eleven", [LOUD, ErrorKind.DISCONNECTED]), second)
        assert await _speak(chain, recorder) == [LOUD, LOUD, LOUD]
        assert second.asked == ["Hello there."]

        third = _provider("third", [LOUD])
        cut: list[Act] = [LOUD, ErrorKind.DISCONNECTED]
        told = ReplyTimeline()
        with pytest.raises(ProviderError) as caught:
            await _speak(_voices(_provider("eleven", cut), _provider("openai", cut), third), told)
        assert caught.value.delivered
        assert third.asked == []
        assert told.path[-1] == ("openai", "none", "disconnected")

    _run(scenario())


def test_a_finished_clause_is_never_said_again() -> None:
    async def scenario() -> None:
        second = _provider("openai", [LOUD])
        chain = _voices(_provider("eleven", [LOUD, LOUD], [ErrorKind.REFUSED]), second)
        await _speak(chain, ReplyTimeline())
        assert second.asked == []
        await _speak(chain, ReplyTimeline())
        assert second.asked == ["Hello there."]

    _run(scenario())


def test_the_client_speaks_when_no_voice_is_left_however_late_it_is() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = _voices(_provider("eleven", [9.0]), _provider("openai", [9.0]), _provider("x", [9.0]), ClientVoice())
        assert await _speak(chain, recorder) == [ClientSpeech("Hello there.")]
        assert clock.now() == pytest.approx(2.65)
        assert [move.to_provider for move in recorder.moves] == ["openai", "x", "browser"]

    _run(scenario())


def test_the_voice_does_not_change_from_clause_to_clause() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        first, second = _provider("eleven", [ErrorKind.OVERLOADED], [LOUD]), _provider("openai", [LOUD])
        chain = _voices(first, second)
        for _ in range(3):
            await _speak(chain, recorder)
        assert (len(first.asked), len(second.asked)) == (1, 3)
        assert recorder.path == [("eleven", "openai", "overloaded"), *[("eleven", "openai", "resting")] * 2]
        await asyncio.sleep(REST_S)
        await _speak(chain, recorder)
        assert (len(first.asked), len(second.asked)) == (2, 3)

    _run(scenario())


def test_a_resting_step_is_better_than_none() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = _voices(
            _provider("eleven", [ErrorKind.REFUSED], [LOUD]), _provider("openai", [LOUD], [ErrorKind.REFUSED])
        )
        await _speak(chain, recorder)
        assert await _speak(chain, recorder) == [LOUD]
        assert recorder.path == [
            ("eleven", "openai", "refused"),
            ("eleven", "openai", "resting"),
            ("openai", "eleven", "refused"),
        ]

    _run(scenario())


# Breakers and slots


def test_an_open_breaker_is_passed_over_at_once_by_every_session() -> None:
    async def scenario() -> None:
        breakers = Breakers(RecordingRecorder(), lambda _: None)
        breaker = breakers.of("eleven", "m", BreakerRules())
        sick, well = _provider("eleven", [9.0]), _provider("openai", [LOUD])
        recorder = ReplyTimeline()
        for _ in range(5):
            chain = TtsFallback([_voice(sick, breaker), _voice(well)], TTS)
            await _speak(chain, recorder)
        assert breaker.state is BreakerState.OPEN
        assert len(sick.asked) == 3
        assert [move.reason for move in recorder.moves] == ["timeout"] * 3 + ["breaker_open"] * 2
        assert clock.now() == pytest.approx(3 * 1.2)

    _run(scenario())


def test_nobody_asks_again_before_retry_after() -> None:
    class Limited(Scripted):
        async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
            self.asked.append(text)
            raise ProviderError(self.provider, ErrorKind.RATE_LIMITED, retry_after_s=30)
            yield LOUD

    async def scenario() -> None:
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("eleven", "m")
        limited, well = Limited("eleven", [[]]), _provider("openai", [LOUD])
        recorder = ReplyTimeline()
        for _ in range(3):
            await _speak(TtsFallback([_voice(limited, breaker), _voice(well)], TTS), recorder)
        assert len(limited.asked) == 1
        assert [move.reason for move in recorder.moves] == ["rate_limited", "breaker_open", "breaker_open"]
        await asyncio.sleep(30)
        await _speak(TtsFallback([_voice(limited, breaker), _voice(well)], TTS), recorder)
        assert len(limited.asked) == 2

    _run(scenario())


def test_one_sessions_bad_input_never_opens_a_breaker() -> None:
    async def scenario() -> None:
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("haiku", "m")
        for _ in range(50):
            await _reply(
                _llm(
                    _provider("haiku", [ErrorKind.BAD_REQUEST], ["x"]), _provider("other", ["Sure."]), breaker=breaker
                ),
                ReplyTimeline(),
            )
        assert breaker.state is BreakerState.CLOSED

    _run(scenario())


def test_a_caller_who_barges_in_does_not_harm_the_provider() -> None:
    async def scenario() -> None:
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("haiku", "m")
        for _ in range(10):
            async with aclosing(
                _llm(_provider("haiku", ["One. ", 5.0]), breaker=breaker).reply("s", PROMPT, ReplyTimeline())
            ) as reply:
                await anext(reply)
        assert breaker.state is BreakerState.CLOSED
        breaker.failed(ErrorKind.TIMEOUT)
        breaker.failed(ErrorKind.TIMEOUT)
        breaker.failed(ErrorKind.TIMEOUT)
        assert breaker.state is BreakerState.CLOSED  # ten replies began well

    _run(scenario())


def test_a_step_that_is_asked_too_late_is_not_blamed() -> None:
    async def scenario() -> None:
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("third", "m")
        for _ in range(5):
            chain = TtsFallback(
                [
                    _voice(_provider("a", [9.0])),
                    _voice(_provider("b", [9.0])),
                    _voice(_provider("third", [0.4, LOUD]), breaker),
                ],
                TTS,
            )
            with pytest.raises(ProviderError):
                await _speak(chain, ReplyTimeline())
        assert breaker.state is BreakerState.CLOSED

    _run(scenario())


def test_a_provider_without_a_free_slot_is_passed_over_and_not_blamed() -> None:
    async def scenario() -> None:
        slots = PriorityLimiter(1)
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("eleven", "m")
        recorder = ReplyTimeline()

        def chain() -> TtsFallback:
            return TtsFallback(
                [
                    _voice(_provider("eleven", [0.1, LOUD, 0.9, LOUD]), breaker, slots),
                    _voice(_provider("openai", [LOUD])),
                ],
                TTS,
            )

        async with asyncio.TaskGroup() as group:
            long = group.create_task(_speak(chain(), recorder))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert await _speak(chain(), recorder) == [LOUD]
            assert clock.now() == pytest.approx(0.6)  # half of the deadline
            assert recorder.path == [("eleven", "openai", "busy")]
            assert await _speak(chain(), recorder) == [LOUD, LOUD]  # from 1.0 on, by the first voice
        assert await long == [LOUD, LOUD]
        assert slots.free == 1
        assert breaker.state is BreakerState.CLOSED

    _run(scenario())


def test_a_meter_that_does_not_see_fallbacks_is_enough() -> None:
    async def scenario() -> None:
        recorder = RecordingRecorder()
        chain = _llm(_provider("sonnet", [ErrorKind.REFUSED]), _provider("haiku", ["Sure."]))
        async with aclosing(chain.reply("s", PROMPT, recorder)) as reply:
            assert [said.text async for said in reply] == ["Sure."]
        assert [call.outcome for call in recorder.calls] == [ErrorKind.REFUSED, "ok"]

    _run(scenario())


def test_usage_of_every_attempt_is_reported() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        calls: list[Call] = recorder.calls
        await _speak(_voices(_provider("eleven", [9.0]), _provider("openai", [LOUD])), recorder)
        assert [(call.service, call.provider, call.outcome) for call in calls] == [
            ("tts", "eleven", ErrorKind.TIMEOUT),
            ("tts", "openai", "ok"),
        ]

    _run(scenario())
