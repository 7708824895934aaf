from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, cast

import pytest

from agent.core.calls import ErrorKind, ProviderError, Unit
from agent.providers.anthropic.claude import Claude
from agent.providers.base import Message, Prompt
from tests.support.providers import RecordingRecorder, connections, hidden, inject_fault, instant_sandbox, until
from voice_sandbox.server import RunningSandbox

KEY = "sk-secret-key"
MODEL = "claude-haiku-5-5"
QUESTION = "I would like to book a room for tomorrow."
PROMPT = Prompt(
    system="You are the receptionist of a small hotel.",
    memory="The caller is looking for a room.",
    messages=(Message("user", QUESTION),),
)


def _claude(sandbox: RunningSandbox, model: str = MODEL) -> Claude:
    return Claude(api_key=KEY, base_url=sandbox.url, model=model, read_timeout_s=0.3)


async def _say(claude: Claude, recorder: RecordingRecorder, prompt: Prompt = PROMPT) -> str:
    async with aclosing(claude.reply("s1", prompt, recorder)) as reply:
        return "".join([said.text async for said in reply])


def _sent(sandbox: RunningSandbox) -> dict[str, Any]:
    return cast("dict[str, Any]", sandbox.world.log.entries[-1].body)


async def test_a_reply_is_streamed_and_counted(recorder: RecordingRecorder) -> None:
    async with instant_sandbox() as sandbox:
        claude = _claude(sandbox)
        text = await _say(claude, recorder)
        await claude.close()
        counters = sandbox.world.counters
        assert text.strip()
        call = recorder.only
        assert (call.service, call.provider, call.model, call.outcome) == ("llm", "anthropic", MODEL, "ok")
        assert not call.usage.estimated
        for unit in (Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS):
            assert call.usage.quantities[unit] == counters.total("anthropic", unit, model=MODEL, session="s1") > 0
        assert call.first_output_at is not None
        assert call.started_at <= call.first_output_at <= call.ended_at


async def test_a_call_says_what_is_left_of_the_rate_limits(recorder: RecordingRecorder) -> None:
    async with instant_sandbox() as sandbox:
        claude = _claude(sandbox)
        await _say(claude, recorder)
        await claude.close()
    assert set(recorder.only.headroom) == {"requests", "input_tokens"}
    assert all(0.9 < left <= 1 for left in recorder.only.headroom.values())


async def test_system_prompt_and_history_are_marked_for_the_cache_and_the_memory_is_not(
    recorder: RecordingRecorder,
) -> None:
    async with instant_sandbox() as sandbox:
        claude = _claude(sandbox)
        await _say(claude, recorder)
        sent = _sent(sandbox)
        assert sent["system"] == [{"type": "text", "text": PROMPT.system, "cache_control": {"type": "ephemeral"}}]
        memory = {"type": "text", "text": PROMPT.memory}
        assert sent["messages"] == [{"role": "user", "content": [memory, {"type": "text", "text": QUESTION}]}]
        assert sent["thinking"] == {"type": "disabled"}
        assert sent["max_tokens"] == PROMPT.max_tokens

        await _say(claude, recorder, Prompt("", "", PROMPT.messages, max_tokens=1, cache=False))
        assert "system" not in _sent(sandbox)
        said = (Message("user", "Hi"), Message("assistant", "Hello."), Message("user", QUESTION))
        await _say(claude, recorder, Prompt("", "", said))
        marked = {"type": "text", "text": "Hello.", "cache_control": {"type": "ephemeral"}}
        assert [message["content"] for message in _sent(sandbox)["messages"]] == ["Hi", [marked], QUESTION]
        await claude.close()


async def test_the_provider_caches_a_history_that_grows_at_its_end(recorder: RecordingRecorder) -> None:
    turns = ["The hotel has many rooms. " * 100] * 11
    async with instant_sandbox() as sandbox:
        claude = _claude(sandbox)
        for upto in (9, 11):
            roles = ("user", "assistant")
            said = tuple(Message(roles[i % 2], text) for i, text in enumerate(turns[:upto]))  # pyright: ignore[reportArgumentType]
            await _say(claude, recorder, Prompt("Rules.", f"notes {upto}", said))
        await claude.close()
        first, second = (call.usage.quantities for call in recorder.calls)
        assert second[Unit.CACHE_READ_TOKENS] == first[Unit.CACHE_WRITE_TOKENS] > 3_500
        assert second[Unit.CACHE_WRITE_TOKENS] == 2 * 650


async def test_a_long_prefix_is_written_to_the_cache_once_and_then_read(recorder: RecordingRecorder) -> None:
    long = Prompt("The hotel has many rooms. " * 800, "", PROMPT.messages)
    async with instant_sandbox() as sandbox:
        claude = _claude(sandbox)
        await _say(claude, recorder, long)
        await _say(claude, recorder, long)
        await claude.close()
    first, second = (call.usage.quantities for call in recorder.calls)
    assert first[Unit.CACHE_WRITE_TOKENS] > 4096
    assert Unit.CACHE_READ_TOKENS not in first
    assert second[Unit.CACHE_READ_TOKENS] == first[Unit.CACHE_WRITE_TOKENS]
    assert Unit.CACHE_WRITE_TOKENS not in second


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5"])
async def test_every_known_model_takes_what_it_is_sent(model: str, recorder: RecordingRecorder) -> None:
    async with instant_sandbox() as sandbox:
        claude = _claude(sandbox, model)
        assert (await _say(claude, recorder)).strip()
        await claude.close()


FAULTS: list[tuple[dict[str, Any], ErrorKind, bool]] = [
    ({"kind": "refuse"}, ErrorKind.REFUSED, False),
    ({"kind": "unauthorized"}, ErrorKind.MISCONFIGURED, False),
    ({"kind": "rate_limited", "retry_after_s": 7}, ErrorKind.RATE_LIMITED, False),
    ({"kind": "rate_limited", "after": 2}, ErrorKind.RATE_LIMITED, True),
    ({"kind": "overloaded"}, ErrorKind.OVERLOADED, False),
    ({"kind": "overloaded", "after": 2}, ErrorKind.OVERLOADED, True),
    ({"kind": "server_error"}, ErrorKind.OVERLOADED, False),
    ({"kind": "stall"}, ErrorKind.TIMEOUT, False),
    ({"kind": "stall", "after": 2}, ErrorKind.STALLED, True),
    ({"kind": "empty"}, ErrorKind.EMPTY, False),
    ({"kind": "empty", "variant": "whitespace"}, ErrorKind.EMPTY, False),
    ({"kind": "malformed"}, ErrorKind.MALFORMED, False),
    ({"kind": "malformed", "after": 2}, ErrorKind.MALFORMED, True),
    ({"kind": "cut"}, ErrorKind.DISCONNECTED, False),
    ({"kind": "cut", "after": 2}, ErrorKind.DISCONNECTED, True),
]


@pytest.mark.parametrize(("fault", "kind", "delivered"), FAULTS)
async def test_every_fault_has_its_kind(
    fault: dict[str, Any], kind: ErrorKind, delivered: bool, recorder: RecordingRecorder
) -> None:
    async with instant_sandbox() as sandbox:
        claude = _claude(sandbox)
        inject_fault(sandbox, "anthropic", **fault)
        with pytest.raises(ProviderError) as caught:
            await _say(claude, recorder)
        await claude.close()
        counted = sandbox.world.counters.total("anthropic", "input_tokens", session="s1")
    error = caught.value
    assert (error.provider, error.kind, error.delivered) == ("anthropic", kind, delivered)
    assert error.retry_after_s == fault.get("retry_after_s", error.retry_after_s)
    assert hidden(error, KEY, QUESTION, PROMPT.system)
    call = recorder.only
    assert call.outcome == kind
    assert (call.first_output_at is not None) is delivered
    assert call.usage.quantities.get(Unit.INPUT_TOKENS, 0) == counted
    assert call.usage.estimated is (counted > 0 and kind is not ErrorKind.EMPTY)


async def test_retry_after_is_passed_on(recorder: RecordingRecorder) -> None:
    async with instant_sandbox() as sandbox:
        claude = _claude(sandbox)
        inject_fault(sandbox, "anthropic", kind="rate_limited", retry_after_s=7)
        with pytest.raises(ProviderError) as caught:
            await _say(claude, recorder)
        await claude.close()
    assert caught.value.retry_after_s == 7


async def test_our_own_mistake_is_a_bad_request(recorder: RecordingRecorder) -> None:
    prefill = Prompt("", "", (Message("user", "Hello"), Message("assistant", "Well,")))
    async with instant_sandbox() as sandbox:
        claude = _claude(sandbox)
        with pytest.raises(ProviderError) as caught:
            await _say(claude, recorder, prefill)
        await claude.close()
    assert caught.value.kind is ErrorKind.BAD_REQUEST
    assert recorder.only.usage.quantities == {}


async def test_nobody_there_is_refused(recorder: RecordingRecorder) -> None:
    claude = Claude(api_key=KEY, base_url="http://127.0.0.1:1", model=MODEL)
    with pytest.raises(ProviderError) as caught:
        await _say(claude, recorder)
    await claude.close()
    assert caught.value.kind is ErrorKind.REFUSED
    assert recorder.only.usage.quantities == {}


async def test_a_closed_reply_reports_what_it_had_used(recorder: RecordingRecorder) -> None:
    """Nobody says how many tokens a broken-off stream had written: the estimate is four characters a token."""
    async with instant_sandbox() as sandbox:
        claude = _claude(sandbox)
        heard = ""
        async with aclosing(claude.reply("s1", PROMPT, recorder)) as reply:
            async for said in reply:
                heard += said.text
                if len(heard) > 20:
                    break
        await claude.close()
        call = recorder.only
        counted = sandbox.world.counters.total("anthropic", "input_tokens", session="s1")
    assert call.outcome == "cancelled"
    assert call.usage.estimated
    assert call.usage.quantities == {Unit.INPUT_TOKENS: counted, Unit.OUTPUT_TOKENS: -(-len(heard) // 4)}


async def test_a_cancelled_wait_for_the_first_word_estimates_the_input(recorder: RecordingRecorder) -> None:
    async with instant_sandbox() as sandbox:
        claude = Claude(api_key=KEY, base_url=sandbox.url, model=MODEL)
        inject_fault(sandbox, "anthropic", kind="stall")
        task = asyncio.create_task(_say(claude, recorder))
        await until(lambda: bool(sandbox.world.log.entries) and sandbox.world.log.entries[-1].outcome == "stall")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await claude.close()
    call = recorder.only
    assert call.outcome == "cancelled"
    assert call.first_output_at is None
    assert call.usage.estimated
    assert call.usage.quantities[Unit.INPUT_TOKENS] > 0


async def test_the_connection_is_kept_between_calls(recorder: RecordingRecorder) -> None:
    async with instant_sandbox() as sandbox:
        claude = _claude(sandbox)
        await claude.warm()
        assert connections(sandbox) == 1
        for _ in range(3):
            await _say(claude, recorder)
        assert connections(sandbox) == 1
        await claude.close()
