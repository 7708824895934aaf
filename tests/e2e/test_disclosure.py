"""A service on a later place of its chain: premium callers are told, and hear it once."""

from __future__ import annotations

import json
from typing import Any

from websockets.asyncio.client import ClientConnection

from agent.session.degradation import SPOKEN_NOTICE
from tests.support.stack import Stack, running_stack, sample
from tests.support.websocket_client import START, dial, token_of
from voice_sandbox.faults import FaultKind, FaultRule


async def _turn(socket: ClientConnection, text: str) -> list[dict[str, Any]]:
    """What comes between what was typed and the end of its turn."""
    await socket.send(json.dumps({"type": "text", "text": text}))
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != "turn.metrics":
        frame = await socket.recv()
        if isinstance(frame, str):
            messages.append(json.loads(frame))
    return messages


async def _two_turns(stack: Stack, *, premium: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    async with dial(stack, await token_of(stack, premium=premium)) as socket:
        await socket.send(START)
        return await _turn(socket, "hello"), await _turn(socket, "hello again")


def _said(messages: list[dict[str, Any]]) -> str:
    return " ".join(message["text"] for message in messages if message["type"] == "reply.text")


async def test_a_premium_caller_is_told_and_hears_it_once_and_a_free_one_does_not() -> None:
    async with running_stack(speak_degraded=True) as stack:
        stack.sandbox.world.faults.add(FaultRule(provider="elevenlabs", kind=FaultKind.REFUSE))
        first, second = await _two_turns(stack, premium=True)
        told = [message for message in first + second if message["type"] == "degraded"]
        assert [(message["service"], message["tier"], message["reason"]) for message in told] == [("tts", 2, "refused")]
        assert (_said(first) + _said(second)).count(SPOKEN_NOTICE) == 1
        first, second = await _two_turns(stack, premium=False)
        assert not [message for message in first + second if message["type"] == "degraded"]
        assert SPOKEN_NOTICE not in _said(first) + _said(second)
        text = await stack.metrics()
        for tier in ("free", "premium"):
            assert sample(text, "voice_agent_reply_audio_seconds_total", source="deepgram_tts", tier=tier) > 1
        assert sample(text, "voice_agent_reply_audio_seconds_total", source="elevenlabs") == 0
