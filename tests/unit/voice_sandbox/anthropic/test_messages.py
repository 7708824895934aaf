from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from json import JSONDecodeError
from typing import Any

import anthropic
import httpx2
import pytest

from voice_sandbox.faults import FaultKind, FaultRule
from voice_sandbox.server import RunningSandbox, run_sandbox
from voice_sandbox.state import SandboxOptions

HAIKU, SONNET = "claude-haiku-5-5", "claude-sonnet-5-5"
OFF: Any = {"type": "disabled"}


@asynccontextmanager
async def sandbox_and_client(
    **options: Any,
) -> AsyncGenerator[tuple[RunningSandbox, anthropic.AsyncAnthropic]]:
    defaults: dict[str, Any] = {
        "api_key": "k",
        "max_retries": 0,
        "timeout": 5,
        "default_headers": {"x-client-session": "s1"},
    }
    async with (
        run_sandbox(SandboxOptions(port=0, profile="instant")) as sandbox,
        anthropic.AsyncAnthropic(base_url=sandbox.url, **(defaults | options)) as client,
    ):
        yield sandbox, client


async def until(condition: Callable[[], bool]) -> None:
    """Waits up to five seconds for something that only the other side of the connection makes true."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come true within five seconds")


async def ask(client: anthropic.AsyncAnthropic, text: str = "hello", **options: Any) -> anthropic.types.Message:
    defaults: dict[str, Any] = {
        "model": HAIKU,
        "max_tokens": 300,
        "thinking": OFF,
        "messages": [{"role": "user", "content": text}],
    }
    async with client.messages.stream(**(defaults | options)) as stream:
        return await stream.get_final_message()


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


async def test_a_streamed_reply() -> None:
    async with sandbox_and_client() as (sandbox, client):
        async with client.messages.stream(
            model=HAIKU, max_tokens=300, thinking=OFF, messages=[{"role": "user", "content": "book a room"}]
        ) as stream:
            kinds = [event.type async for event in stream]
            message = await stream.get_final_message()
        assert text_of(message) == "Sure. Which location would you like?"
        raw = [kind for kind in kinds if kind != "text"]
        assert raw[:2] == ["message_start", "content_block_start"]
        assert raw.count("content_block_delta") >= 3
        assert raw[-3:] == ["content_block_stop", "message_delta", "message_stop"]
        assert message.stop_reason == "end_turn"
        assert (message.usage.input_tokens, message.usage.output_tokens) == (3, 9)
        assert message.usage.output_tokens_details is not None
        assert message.usage.output_tokens_details.thinking_tokens == 0
        counters = sandbox.world.counters
        assert counters.total("anthropic", "input_tokens", session="s1") == 3
        assert counters.total("anthropic", "output_tokens", model=HAIKU) == 9
        entry = sandbox.world.log.entries[-1]
        assert (entry.outcome, entry.session, entry.model) == ("served", "s1", HAIKU)
        assert entry.body["messages"] == [{"role": "user", "content": "book a room"}]


async def test_a_whole_reply_is_the_streamed_one() -> None:
    async with sandbox_and_client() as (_, client):
        asked: list[anthropic.types.MessageParam] = [{"role": "user", "content": "where is my order"}]
        message = await client.messages.create(model=HAIKU, max_tokens=300, thinking=OFF, messages=asked)
        streamed = await ask(client, "where is my order")
        assert text_of(message) == text_of(streamed)
        assert message.usage.output_tokens == streamed.usage.output_tokens
        assert message._request_id is not None  # pyright: ignore[reportPrivateUsage]
        counted = await client.messages.count_tokens(model=HAIKU, messages=asked)
        assert counted.input_tokens == message.usage.input_tokens


async def test_models_think_unless_told_not_to() -> None:
    async with sandbox_and_client() as (_, client):
        thoughtful = await ask(client, thinking={"type": "adaptive"})
        by_default = await ask(client, thinking=anthropic.omit)
        quick = await ask(client)
        sonnet = await ask(client, model=SONNET, thinking={"type": "between_tools"})
        assert [block.type for block in thoughtful.content] == ["thinking", "text"]
        assert [block.type for block in by_default.content] == ["thinking", "text"]
        assert [block.type for block in quick.content] == ["text"] == [block.type for block in sonnet.content]
        assert thoughtful.usage.output_tokens > quick.usage.output_tokens


async def test_max_tokens_and_stop_sequences() -> None:
    async with sandbox_and_client() as (_, client):
        short = await ask(client, "tell me about the rooms", max_tokens=5)
        assert (short.stop_reason, len(text_of(short))) == ("max_tokens", 20)
        stopped = await ask(client, "tell me about the rooms", stop_sequences=["garden"])
        assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "garden")
        assert text_of(stopped) == "We have three kinds of room. The "
        warmed = await client.messages.create(
            model=HAIKU, max_tokens=0, thinking=OFF, messages=[{"role": "user", "content": "hello"}]
        )
        assert (warmed.stop_reason, warmed.content) == ("max_tokens", [])


async def test_the_prompt_cache_per_model_from_4096_tokens() -> None:
    async with sandbox_and_client() as (sandbox, client):
        system: Any = [{"type": "text", "text": "abcd" * 4100, "cache_control": {"type": "ephemeral"}}]
        written = (await ask(client, system=system)).usage
        read = (await ask(client, system=system)).usage
        other = (await ask(client, system=system, model=SONNET, thinking={"type": "between_tools"})).usage
        short = (await ask(client, system=[{**system[0], "text": "abcd" * 4000}])).usage
        assert (written.input_tokens, written.cache_creation_input_tokens, written.cache_read_input_tokens) == (
            2,
            4100,
            0,
        )
        assert written.cache_creation is not None
        assert written.cache_creation.ephemeral_5m_input_tokens == 4100
        assert (read.input_tokens, read.cache_creation_input_tokens, read.cache_read_input_tokens) == (2, 0, 4100)
        assert (other.cache_creation_input_tokens, other.cache_read_input_tokens) == (4100, 0)
        assert (short.input_tokens, short.cache_creation_input_tokens, short.cache_read_input_tokens) == (4002, 0, 0)
        assert sandbox.world.counters.total("anthropic", "cache_write_tokens") == 8200
        assert sandbox.world.counters.total("anthropic", "cache_read_tokens") == 4100


@pytest.mark.parametrize(
    ("options", "error", "kind", "words"),
    [
        ({"model": "claude-9"}, anthropic.NotFoundError, "not_found_error", "claude-9"),
        ({"model": SONNET}, anthropic.BadRequestError, "invalid_request_error", "thinking"),
        ({"model": "claude-opus-5-5"}, anthropic.BadRequestError, "invalid_request_error", "thinking"),
        ({"output_config": {"effort": "max"}}, anthropic.BadRequestError, "invalid_request_error", "effort"),
        (
            {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "I"}]},
            anthropic.BadRequestError,
            "invalid_request_error",
            "prefill",
        ),
        ({"messages": []}, anthropic.BadRequestError, "invalid_request_error", "at least one message"),
        (
            {"messages": [{"role": "user", "content": ""}]},
            anthropic.BadRequestError,
            "invalid_request_error",
            "non-empty",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]},
            anthropic.BadRequestError,
            "invalid_request_error",
            "non-whitespace",
        ),
        ({"extra_body": {"colour": 1}}, anthropic.BadRequestError, "invalid_request_error", "Extra inputs"),
        ({"extra_body": {"max_tokens": None}}, anthropic.BadRequestError, "invalid_request_error", "max_tokens"),
        (
            {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}] * 5},
            anthropic.BadRequestError,
            "invalid_request_error",
            "maximum of 4",
        ),
    ],
)
async def test_refused_requests(
    options: dict[str, Any], error: type[anthropic.APIStatusError], kind: str, words: str
) -> None:
    async with sandbox_and_client() as (sandbox, client):
        with pytest.raises(error, match=words) as raised:
            await ask(client, **options)
        assert raised.value.type == kind
        assert raised.value.request_id is not None
        assert sandbox.world.counters.total("anthropic", "requests_failed") == 1
        assert sandbox.world.counters.total("anthropic", "input_tokens") == 0


async def test_an_older_model_takes_a_prefill() -> None:
    async with sandbox_and_client() as (_, client):
        messages: Any = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Well"}]
        assert text_of(await ask(client, model="claude-haiku-4-5", messages=messages)).startswith("Hello")


async def test_an_empty_key_is_refused() -> None:
    async with sandbox_and_client(default_headers={"Authorization": "Bearer"}) as (_, client):
        with pytest.raises(anthropic.AuthenticationError):
            await ask(client)


@pytest.mark.parametrize(
    ("kind", "error", "type_name"),
    [
        (FaultKind.UNAUTHORIZED, anthropic.AuthenticationError, "authentication_error"),
        (FaultKind.RATE_LIMITED, anthropic.RateLimitError, "rate_limit_error"),
        (FaultKind.OVERLOADED, anthropic.OverloadedError, "overloaded_error"),
        (FaultKind.SERVER_ERROR, anthropic.InternalServerError, "api_error"),
    ],
)
async def test_status_faults(kind: FaultKind, error: type[anthropic.APIStatusError], type_name: str) -> None:
    async with sandbox_and_client() as (sandbox, client):
        sandbox.world.faults.add(FaultRule(provider="anthropic", kind=kind, count=1, retry_after_s=7))
        with pytest.raises(error) as raised:
            await ask(client)
        assert raised.value.type == type_name
        assert raised.value.response.headers["retry-after"] == "7"
        assert sandbox.world.log.entries[-1].outcome == kind
        assert text_of(await ask(client)).startswith("Hello")


async def test_an_error_in_the_middle_of_the_stream() -> None:
    async with sandbox_and_client() as (sandbox, client):
        sandbox.world.faults.add(FaultRule(provider="anthropic", kind=FaultKind.OVERLOADED, after=2))
        heard = ""

        async def listen() -> None:
            nonlocal heard
            async with client.messages.stream(
                model=HAIKU, max_tokens=300, thinking=OFF, messages=[{"role": "user", "content": "book a room"}]
            ) as stream:
                async for text in stream.text_stream:
                    heard += text

        with pytest.raises(anthropic.APIStatusError) as raised:
            await listen()
        assert (raised.value.status_code, raised.value.type) == (200, "overloaded_error")
        assert heard and "Sure. Which location would you like?".startswith(heard)
        assert sandbox.world.counters.total("anthropic", "output_tokens") == -(-len(heard) // 4)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.REFUSE, anthropic.APIConnectionError),
        (FaultKind.CUT, httpx2.RemoteProtocolError),
        (FaultKind.MALFORMED, JSONDecodeError),
    ],
)
@pytest.mark.parametrize("after", [0, 2])
async def test_broken_streams(kind: FaultKind, error: type[Exception], after: int) -> None:
    async with sandbox_and_client() as (sandbox, client):
        sandbox.world.faults.add(FaultRule(provider="anthropic", kind=kind, after=after, count=1))
        with pytest.raises(error):
            await ask(client)
        assert sandbox.world.log.entries[-1].outcome == kind
        assert text_of(await ask(client)).startswith("Hello")


async def test_a_stall_lasts_until_the_client_leaves() -> None:
    async with sandbox_and_client(timeout=0.2) as (sandbox, client):
        sandbox.world.faults.add(FaultRule(provider="anthropic", kind=FaultKind.STALL, count=1))
        with pytest.raises((anthropic.APITimeoutError, httpx2.ReadTimeout)):
            await ask(client)
        assert sandbox.world.log.entries[-1].outcome == "stall"


async def test_a_stalled_stream_does_not_hold_up_the_end() -> None:
    async with sandbox_and_client() as (sandbox, client):
        sandbox.world.faults.add(FaultRule(provider="anthropic", kind=FaultKind.STALL))
        waiting = asyncio.create_task(ask(client))
        await until(lambda: len(sandbox.world.log.entries) == 1 and sandbox.world.log.entries[0].outcome == "stall")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_slow_drip_arrives_whole() -> None:
    async with sandbox_and_client() as (sandbox, client):
        sandbox.world.faults.add(FaultRule(provider="anthropic", kind=FaultKind.SLOW_DRIP, interval_s=0.01))
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert text_of(await ask(client, "book a room")) == "Sure. Which location would you like?"
        assert loop.time() - started >= 0.04


async def test_empty_successes() -> None:
    async with sandbox_and_client() as (sandbox, client):
        sandbox.world.faults.add(FaultRule(provider="anthropic", kind=FaultKind.EMPTY, count=1))
        assert (await ask(client)).content == []
        sandbox.world.faults.add(FaultRule(provider="anthropic", kind=FaultKind.EMPTY, count=1, variant="whitespace"))
        blank = await ask(client)
        assert text_of(blank) and not text_of(blank).strip()


async def test_notes_can_be_made_to_drop_a_fact() -> None:
    async with sandbox_and_client() as (sandbox, client):
        request = "<turns>\n[turn 1]\nCaller: Yes.\nAgent: Your room is booked. The reference is 4471.\n</turns>"
        schema: dict[str, Any] = {"type": "json_schema", "schema": {"type": "object"}}
        asked: dict[str, Any] = {"model": "claude-haiku-5-5", "max_tokens": 300, "output_config": {"format": schema}}
        messages: Any = [{"role": "user", "content": request}]
        whole = json.loads(text_of(await client.messages.create(messages=messages, **asked)))["facts"]
        assert {(fact["attribute"], fact["value"]) for fact in whole} >= {("reference", "4471")}
        sandbox.world.faults.add(FaultRule(provider="anthropic", kind=FaultKind.EMPTY, variant="drop_value"))
        assert json.loads(text_of(await client.messages.create(messages=messages, **asked)))["facts"] == whole[:-1]
        sandbox.world.faults.clear()
        asked["output_config"] = {"format": {"type": "json_schema"}}
        with pytest.raises(anthropic.BadRequestError, match=r"output_config\.format"):
            await client.messages.create(messages=messages, **asked)


async def test_a_cancelled_stream_pays_for_what_was_generated() -> None:
    async with sandbox_and_client() as (sandbox, client):
        world = sandbox.world
        world.faults.add(FaultRule(provider="anthropic", kind=FaultKind.SLOW_DRIP, interval_s=0.01))
        async with client.messages.stream(
            model=HAIKU, max_tokens=300, thinking=OFF, messages=[{"role": "user", "content": "tell me about the rooms"}]
        ) as stream:
            async for _ in stream.text_stream:
                break
        await until(lambda: world.log.entries[-1].outcome == "cancelled")
        assert world.counters.total("anthropic", "requests_cancelled") == 1
        assert world.counters.total("anthropic", "input_tokens") == 6
        assert 0 < world.counters.total("anthropic", "output_tokens") < 90
