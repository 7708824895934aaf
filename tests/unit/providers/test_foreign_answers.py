"""Answers that no documentation has: a proxy's page with status 200, a usage that cannot be, a call nobody offered."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import Any

import pytest

from agent.core.calls import ErrorKind, ProviderError, Unit
from agent.providers.anthropic.claude import Claude
from agent.providers.base import Message, Prompt, ToolSpec, ToolUse
from agent.providers.deepgram.tts import DeepgramSpeech
from agent.providers.elevenlabs.tts import ElevenLabs
from agent.providers.openai.tts import OpenAISpeech
from agent.providers.openai.whisper import Whisper
from tests.support.http_peer import http_peer, message_stream
from tests.support.providers import RecordingRecorder

MODEL = "claude-haiku-5-5"
PROMPT = Prompt(system="", memory="", messages=(Message("user", "which rooms"),))
TOOL = ToolSpec("free_rooms", "Which rooms are free.", {"type": "object", "properties": {}})
ANSWERS = (b"<html>maintenance", b"ok", b"null", b"[]", b'"x"', b'{"data": [', b'{"data": null}', b"\xff\xfe", b"")


def adapters(url: str) -> list[Any]:
    return [
        Claude(api_key="k", model=MODEL, base_url=url, read_timeout_s=1),
        Whisper(api_key="k", model="whisper-1", base_url=f"{url}/v1"),
        OpenAISpeech(api_key="k", model="tts-1", voice="alloy", base_url=f"{url}/v1"),
        ElevenLabs(api_key="k", model="eleven_flash_v2_5", voice="v", base_url=url),
        DeepgramSpeech(api_key="k", model="aura-2-thalia-en", base_url=url),
    ]


@pytest.mark.parametrize("kind", ["application/json", "text/html"])
async def test_what_is_no_list_of_models_opens_a_connection_and_no_more(kind: str) -> None:
    body = bytearray()
    async with http_peer(body, headers={"content-type": kind, "date": "yesterday"}) as url:
        asked = adapters(url)
        for answer in ANSWERS:
            body[:] = answer
            for adapter in asked:
                await adapter.warm()
                if hasattr(adapter, "clock_ahead_s"):
                    assert await adapter.clock_ahead_s() is None
                if hasattr(adapter, "quota"):
                    with suppress(ProviderError):  # the one error that it says it raises
                        assert await adapter.quota() is None
        for adapter in asked:
            await adapter.close()


async def said(body: bytes, prompt: Prompt = PROMPT) -> tuple[str, tuple[ToolUse, ...], RecordingRecorder]:
    recorder = RecordingRecorder()
    async with http_peer(body, headers={"content-type": "text/event-stream"}) as url:
        claude = Claude(api_key="k", model=MODEL, base_url=url, read_timeout_s=1)
        try:
            async with aclosing(claude.reply("s1", prompt, recorder)) as reply:
                deltas = [delta async for delta in reply]
        finally:
            await claude.close()
    return "".join(one.text for one in deltas), next((one.uses for one in deltas if one.uses), ()), recorder


@pytest.mark.parametrize("count", [-500, 10**30, 2**63, 1.5, None])
async def test_a_count_that_cannot_be_is_none_and_the_estimate_stays_and_is_marked(count: object) -> None:
    usage = {"input_tokens": count, "output_tokens": count}
    text, _, recorder = await said(message_stream([{"text": "Two rooms are free."}], stop="end_turn", usage=usage))
    assert text == "Two rooms are free."
    assert recorder.only.usage.estimated
    assert recorder.only.usage.quantities == {Unit.INPUT_TOKENS: 3, Unit.OUTPUT_TOKENS: 5}


@pytest.mark.parametrize("block", [{"id": "toolu_1", "name": "free_rooms"}, {"name": "x"}, {"id": "", "name": None}])
@pytest.mark.parametrize("tools", [(), (TOOL,)])
async def test_a_call_of_a_tool_that_nobody_offered_is_no_answer(
    block: dict[str, Any], tools: tuple[ToolSpec, ...]
) -> None:
    body = message_stream([{"type": "tool_use", "input": {}, **block}], stop="tool_use", usage={"output_tokens": 9})
    prompt = Prompt(system="", memory="", messages=PROMPT.messages, tools=tools, may_use_tools=not tools)
    with pytest.raises(ProviderError) as caught:
        await said(body, prompt)
    assert caught.value.kind is ErrorKind.INCOMPLETE


async def test_calls_without_an_id_or_a_name_can_be_answered_all_the_same() -> None:
    named = ({"name": "free_rooms"}, {"id": "a", "name": "b c"}, {"id": "a", "name": "free_rooms"})
    blocks = [{"type": "tool_use", "input": {}, **one} for one in named]
    prompt = Prompt(system="", memory="", messages=PROMPT.messages, tools=(TOOL,))
    _, uses, _ = await said(message_stream(blocks, stop="tool_use", usage={"output_tokens": 9}), prompt)
    assert [use.name for use in uses] == ["free_rooms", "no_name", "free_rooms"]
    assert len({use.id for use in uses}) == 3
    assert all(use.id for use in uses)
