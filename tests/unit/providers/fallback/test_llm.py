"""The chains of replies and voices, in virtual time with scripted providers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from agent.core import clock
from agent.core.calls import ErrorKind, ProviderError
from tests.support.scripted_llm_tts import PROMPT, Act, ReplyTimeline, llm_chain, reply_of, run_scenario, scripted

"""What a scripted provider does next: wait so many seconds, say a text, make a sound, or fail."""


def test_a_healthy_first_step_is_all_there_is() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        sonnet, haiku = scripted("sonnet", [0.4, "Sure.", 0.1, " Done."]), scripted("haiku", ["No."])
        assert await reply_of(llm_chain(sonnet, haiku), recorder) == "Sure. Done."
        assert recorder.path == []
        assert recorder.outcomes == [("sonnet", "ok")]
        assert sonnet.prompts == [PROMPT]
        assert haiku.prompts == []

    run_scenario(scenario())


def test_a_step_that_is_too_late_is_left_at_its_deadline() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = llm_chain(scripted("sonnet", [10.0, "Late."]), scripted("haiku", [0.2, "Sure."]))
        assert await reply_of(chain, recorder) == "Sure."
        assert clock.now() == pytest.approx(1.7)
        assert recorder.path == [("sonnet", "haiku", "timeout")]
        assert recorder.outcomes == [
            ("sonnet", "timeout"),
            ("haiku", "ok"),
        ]  # not "cancelled": it did not end by itself

    run_scenario(scenario())


def test_whitespace_is_no_answer_and_is_not_passed_on() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = llm_chain(scripted("sonnet", [" ", 0.5, "\n", 9.0]), scripted("haiku", ["Sure."]))
        assert await reply_of(chain, recorder) == "Sure."
        assert clock.now() == pytest.approx(1.5)
        assert recorder.path == [("sonnet", "haiku", "timeout")]

        assert (
            await reply_of(llm_chain(scripted("sonnet", [" ", "\n"]), scripted("haiku", ["Sure."])), recorder)
            == "Sure."
        )
        assert recorder.path[1:] == [("sonnet", "haiku", "empty")]

    run_scenario(scenario())


def test_leading_whitespace_of_an_answer_is_kept() -> None:
    async def scenario() -> None:
        assert await reply_of(llm_chain(scripted("sonnet", ["\n", "- ", "Sure."])), ReplyTimeline()) == "\n- Sure."

    run_scenario(scenario())


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_error_moves_on(kind: ErrorKind) -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = llm_chain(scripted("sonnet", [kind]), scripted("haiku", ["Sure."]))
        assert await reply_of(chain, recorder) == "Sure."
        assert recorder.path == [("sonnet", "haiku", kind.value)]
        assert recorder.moves[0].service == "llm"

    run_scenario(scenario())


@pytest.mark.parametrize(("ill", "reason"), [([ErrorKind.DISCONNECTED], "disconnected"), ([9.0], "stalled")])
def test_a_model_that_takes_over_is_told_what_was_said(ill: list[Act], reason: str) -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        haiku = scripted("haiku", [0.3, "tomorrow."])
        chain = llm_chain(scripted("sonnet", ["I can book ", "a room for", *ill]), haiku)
        assert await reply_of(chain, recorder) == "I can book a room for tomorrow."
        assert recorder.path == [("sonnet", "haiku", reason)]
        (prompt,) = haiku.prompts
        assert prompt.system == PROMPT.system
        assert prompt.messages[-1].role == "user"
        assert prompt.messages[-1].text.startswith("Book a room.")
        assert '"I can book a room for"' in prompt.messages[-1].text

    run_scenario(scenario())


def test_the_chain_ends_by_its_own_deadline() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        chain = llm_chain(scripted("sonnet", [9.0]), scripted("haiku", [9.0]), scripted("other", [9.0]))
        with pytest.raises(ProviderError) as caught:
            await reply_of(chain, recorder)
        assert clock.now() == pytest.approx(2.5)
        assert caught.value.kind is ErrorKind.TIMEOUT
        assert not caught.value.delivered
        assert recorder.path == [
            ("sonnet", "haiku", "timeout"),
            ("haiku", "other", "timeout"),
            ("other", "recorded", "deadline"),
        ]

    run_scenario(scenario())


def test_the_last_failure_in_the_middle_says_that_something_was_delivered() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        with pytest.raises(ProviderError) as caught:
            await reply_of(llm_chain(scripted("haiku", ["Well, ", ErrorKind.DISCONNECTED])), recorder)
        assert caught.value.delivered
        assert recorder.path == [("haiku", "recorded", "disconnected")]

    run_scenario(scenario())


def test_barge_in_stops_the_step_that_speaks() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        async with aclosing(
            llm_chain(scripted("sonnet", ["One. ", 5.0, "Two."])).reply("s", PROMPT, recorder)
        ) as reply:
            assert (await anext(reply)).text == "One. "
        assert recorder.outcomes == [("sonnet", "cancelled")]
        assert recorder.path == []

        task = asyncio.create_task(reply_of(llm_chain(scripted("sonnet", [1.0, "One."])), recorder))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert recorder.outcomes[1:] == [("sonnet", "cancelled")]

    run_scenario(scenario())


def test_a_slow_listener_is_not_a_stalled_provider() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        async with aclosing(llm_chain(scripted("sonnet", ["One. ", "Two."])).reply("s", PROMPT, recorder)) as reply:
            async for _ in reply:
                await asyncio.sleep(60)
        assert recorder.path == []

    run_scenario(scenario())


# Voices


# Breakers and slots
