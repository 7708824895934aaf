"""A failure that came at once is answered by asking again; then comes the other model, whichever was first."""

from __future__ import annotations

import asyncio

import pytest

from agent.core import clock
from agent.core.calls import ErrorKind, ProviderError
from agent.providers.fallback.breaker import Breaker, Breakers, BreakerState
from agent.providers.fallback.chain import DECLINED_REST_S, SECOND_TRY, ChainStep
from agent.providers.fallback.llm_tts import LlmFallback
from tests.support.providers import RecordingRecorder
from tests.support.scripted_llm_tts import LLM, Act, ReplyTimeline, Scripted, reply_of, run_scenario, scripted


def _chain(*models: Scripted, breakers: tuple[Breaker | None, ...] = (None, None)) -> LlmFallback:
    pairs = zip(models, breakers, strict=False)
    return LlmFallback([ChainStep(one.provider, one, breaker, second_try=True) for one, breaker in pairs], LLM)


def _breaker(model: str) -> Breaker:
    return Breakers(RecordingRecorder(), lambda _: None).of("anthropic", model)


@pytest.mark.parametrize("kind", sorted(SECOND_TRY))
def test_what_failed_at_once_is_asked_again_and_nobody_notices(kind: ErrorKind) -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        haiku, sonnet = scripted("haiku", [0.1, kind], [0.2, "Sure."]), scripted("sonnet", ["No."])
        assert await reply_of(_chain(haiku, sonnet), recorder) == "Sure."
        assert recorder.path == []
        assert recorder.outcomes == [("haiku", kind.value), ("haiku", "ok")]
        assert clock.now() == pytest.approx(0.3)
        assert await reply_of(_chain(haiku, sonnet), recorder) == "Sure."  # and it does not rest

    run_scenario(scenario())


def test_a_second_failure_moves_on_to_the_other_model() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        haiku = scripted("haiku", [0.1, ErrorKind.OVERLOADED])
        assert await reply_of(_chain(haiku, scripted("sonnet", ["Sure."])), recorder) == "Sure."
        assert [provider for provider, _ in recorder.outcomes] == ["haiku", "haiku", "sonnet"]
        assert recorder.path == [("haiku", "sonnet", "overloaded")]

    run_scenario(scenario())


@pytest.mark.parametrize("script", [[0.9, ErrorKind.OVERLOADED], [9.0], [0.1, ErrorKind.RATE_LIMITED],
                                    [0.1, ErrorKind.MISCONFIGURED], [0.1, ErrorKind.DECLINED]])  # fmt: skip
def test_what_leaves_no_time_or_does_not_pass_is_not_asked_again(script: list[Act]) -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        assert await reply_of(_chain(scripted("haiku", script), scripted("sonnet", ["Sure."])), recorder) == "Sure."
        assert [provider for provider, _ in recorder.outcomes] == ["haiku", "sonnet"]
        assert clock.now() <= 1.5

    run_scenario(scenario())


def test_both_tries_share_one_deadline() -> None:
    async def scenario() -> None:
        haiku = scripted("haiku", [0.7, ErrorKind.OVERLOADED], [9.0])
        assert await reply_of(_chain(haiku, scripted("sonnet", [0.3, "Sure."])), ReplyTimeline()) == "Sure."
        assert clock.now() == pytest.approx(1.8)

    run_scenario(scenario())


def test_a_prompt_that_does_not_fit_is_asked_with_less() -> None:
    async def scenario() -> None:
        haiku = scripted("haiku", [ErrorKind.TOO_LONG], ["Sure."])
        assert await reply_of(_chain(haiku), ReplyTimeline()) == "Sure."
        first, second = haiku.prompts
        assert (first.memory != "", second.memory) == (True, "")
        assert second.messages[-1] == first.messages[-1]

    run_scenario(scenario())


def test_what_one_model_declines_the_other_is_asked_once_and_no_breaker_hears_of_it() -> None:
    async def scenario() -> None:
        breakers = (_breaker("haiku"), _breaker("sonnet"))
        for _ in range(10):
            models = scripted("haiku", [ErrorKind.DECLINED]), scripted("sonnet", [ErrorKind.DECLINED])
            with pytest.raises(ProviderError) as caught:
                await reply_of(_chain(*models, breakers=breakers), ReplyTimeline())
            assert (caught.value.kind, caught.value.service) == (ErrorKind.DECLINED, "llm")
            assert [len(model.prompts) for model in models] == [1, 1]
        assert {breaker.state for breaker in breakers} == {BreakerState.CLOSED}

    run_scenario(scenario())


def test_the_model_that_declined_is_asked_last_for_a_while() -> None:
    async def scenario() -> None:
        haiku, sonnet = scripted("haiku", [ErrorKind.DECLINED], ["Again."]), scripted("sonnet", ["Sure."])
        chain = _chain(haiku, sonnet)
        assert [await reply_of(chain, ReplyTimeline()) for _ in range(2)] == ["Sure.", "Sure."]
        assert len(haiku.prompts) == 1
        await asyncio.sleep(DECLINED_REST_S)
        assert await reply_of(chain, ReplyTimeline()) == "Again."

    run_scenario(scenario())


def test_nobody_goes_on_with_what_was_declined_in_its_middle() -> None:
    async def scenario() -> None:
        sonnet = scripted("sonnet", ["And so on."])
        with pytest.raises(ProviderError) as caught:
            await reply_of(_chain(scripted("haiku", ["Well, ", ErrorKind.DECLINED]), sonnet), ReplyTimeline())
        assert caught.value.kind is ErrorKind.DECLINED
        assert sonnet.prompts == []

    run_scenario(scenario())


def test_one_caller_a_second_asks_where_all_have_asked_for_patience() -> None:
    async def scenario() -> None:
        haiku, sonnet = _breaker("haiku"), _breaker("sonnet")
        for breaker in (haiku, sonnet):
            breaker.failed(ErrorKind.RATE_LIMITED, 60.0)
        await asyncio.sleep(5.0)
        chain = _chain(scripted("haiku", ["Sure."]), scripted("sonnet", ["No."]), breakers=(haiku, sonnet))
        assert await reply_of(chain, ReplyTimeline()) == "Sure."
        assert haiku.allows  # it was served, so it no longer asks for patience
        assert not sonnet.allows

    run_scenario(scenario())
