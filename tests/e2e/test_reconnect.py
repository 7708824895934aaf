"""Clients that come back twice, during a pause, too late, or as another client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.stack import Stack, running_stack, sample
from tests.support.websocket_client import START, dial, ending, say, token_of, until
from voice_sandbox.faults import FaultKind, FaultRule

SPEAKS = json.dumps({"type": "start", "capabilities": {"browser_speech": True}})


def no_voice(stack: Stack, session: str) -> None:
    for provider in ("elevenlabs", "openai_tts"):
        stack.sandbox.world.faults.add(FaultRule(provider=provider, kind=FaultKind.REFUSE, session=session))


@pytest.mark.slow
async def test_a_client_that_comes_back_as_another_is_counted_on_for_what_it_can_do_now() -> None:
    async with running_stack() as stack:
        token = await token_of(stack)
        async with dial(stack, token) as first:
            await first.send(START)
            ready = await until(first, "session.ready")
            no_voice(stack, ready["session_id"])
            first.transport.abort()
        async with dial(stack, token) as second:
            await second.send(SPEAKS)
            assert (await until(second, "session.ready"))["resumed"]
            await say(second, "what rooms do you have")
            assert (await until(second, "speech.browser"))["text"]


@pytest.mark.slow
async def test_two_quick_returns_in_a_reply_leave_one_session_and_answer_once() -> None:
    async with running_stack() as stack:
        token = await token_of(stack)
        async with dial(stack, token) as first:
            await first.send(START)
            await until(first, "session.ready")
            await say(first, "what rooms do you have")
            await until(first, "audio.start")
            async with dial(stack, token) as second:
                await second.send(START)
                await until(second, "session.ready")
                async with dial(stack, token) as third:
                    await third.send(START)
                    assert (await until(third, "session.ready"))["resumed"]
                    assert (await ending(first))[1] == 4409
                    assert (await ending(second))[1] == 4409
                    await say(third, "hello")
                    await until(third, "reply.text")
                    assert stack.registry.count == 1
                    await third.send('{"type": "hangup"}')
                    assert (await ending(third))[1] == 1000
        await stack.quiet()
        text = await stack.metrics()
        assert sample(text, "voice_agent_sessions_total", outcome="completed") == 1


@pytest.mark.slow
async def test_after_the_grace_time_the_conversation_goes_on_from_the_ledger() -> None:
    async with running_stack(resume_grace_s=0.2) as stack:
        async with dial(stack, await token_of(stack)) as first:
            await first.send(START)
            ready: dict[str, Any] = await until(first, "session.ready")
            await say(first, "hello")
            await until(first, "turn.metrics")
            first.transport.abort()
        await stack.quiet()
        assert sample(await stack.metrics(), "voice_agent_sessions_total", outcome="vanished") == 1
        async with dial(stack, ready["resume_token"]) as late:
            await late.send(START)
            again = await until(late, "session.ready")
            assert (again["session_id"], again["resumed"]) == (ready["session_id"], True)
            await say(late, "are you still there")
            assert (await until(late, "transcript.final"))["turn"] == 2
