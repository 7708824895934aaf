"""Lost connections, resumed sessions, drains and overload."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from agent.telemetry.events import Event, FellBack
from tests.support.stack import Stack, running_stack, sample
from tests.support.websocket_client import START, dial, ending, say, token_of, until
from tools.chaos.cell import uncached_policies
from voice_loadtest.script import Type
from voice_sandbox.faults import FaultKind, FaultRule


def prompts(stack: Stack) -> list[str]:
    return [str(entry.body["messages"]) for entry in stack.sandbox.world.log.entries if entry.provider == "anthropic"]


async def test_a_lost_line_goes_on_where_it_was_and_the_cut_off_reply_is_given_again() -> None:
    async with running_stack() as stack:
        token = await token_of(stack)
        async with dial(stack, token) as first:
            await first.send(START)
            await until(first, "session.ready")
            await say(first, "book a room")
            await until(first, "turn.metrics")
            await say(first, "what rooms do you have")
            await until(first, "audio.start")
            first.transport.abort()
        async with dial(stack, token) as second:
            await second.send(START)
            ready = await until(second, "session.ready")
            assert ready["resumed"]
            again = await until(second, "transcript.final")
            assert again["text"] == "what rooms do you have"
            await until(second, "reply.text")
            await second.send('{"type": "hangup"}')
            await ending(second)
        assert "book a room" in prompts(stack)[-1]
        await stack.quiet()
        text = await stack.metrics()
        assert sample(text, "voice_agent_sessions_total") == 1
        assert sample(text, "voice_agent_sessions_total", outcome="completed") == 1


async def test_the_resume_token_opens_the_session_and_a_second_connection_wins() -> None:
    async with running_stack() as stack, dial(stack, await token_of(stack)) as first:
        await first.send(START)
        ready = await until(first, "session.ready")
        async with dial(stack, ready["resume_token"]) as second:
            await second.send(START)
            resumed = await until(second, "session.ready")
            assert (resumed["session_id"], resumed["resumed"]) == (ready["session_id"], True)
            _, code = await ending(first)
            assert code == 4409
            await say(second, "hello")
            await until(second, "reply.text")
            assert stack.registry.count == 1


async def test_another_process_takes_the_conversation_from_the_ledger(tmp_path: Any) -> None:
    database = f"sqlite+aiosqlite:///{tmp_path}/ledger.db"
    async with running_stack(database_url=database) as stack, dial(stack, await token_of(stack)) as socket:
        await socket.send(START)
        ready = await until(socket, "session.ready")
        await say(socket, "I would like to book a room on Friday")
        await until(socket, "turn.metrics")
        socket.transport.abort()
    async with running_stack(database_url=database) as stack, dial(stack, ready["resume_token"]) as socket:
        await socket.send(START)
        again = await until(socket, "session.ready")
        assert (again["session_id"], again["resumed"]) == (ready["session_id"], True)
        await say(socket, "at two thirty")
        await until(socket, "turn.metrics")
        assert "Friday" in prompts(stack)[-1]


async def test_a_drain_lets_the_running_turn_finish_and_sends_the_caller_elsewhere() -> None:
    async with running_stack() as stack:
        async with dial(stack, await token_of(stack)) as talking, dial(stack, await token_of(stack)) as silent:
            for socket in (talking, silent):
                await socket.send(START)
                await until(socket, "session.ready")
            await say(talking, "book a room")
            await until(talking, "audio.start")
            drain = asyncio.create_task(stack.registry.drain(10))
            _, silent_code = await ending(silent)
            assert silent_code == 1001
            assert (await until(talking, "turn.metrics"))["outcome"] == "typed"
            assert (await until(talking, "session.end"))["reason"] == "drained"
            with pytest.raises(ConnectionClosed) as closed:
                await talking.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
            await drain
        assert not stack.registry.ready
        async with dial(stack, await token_of(stack)) as late:
            await late.send(START)
            error, code = await ending(late)
        assert (error["code"], code) == ("draining", 4429)
        assert error["retry_after_s"] > 0


async def test_a_drain_does_not_wait_longer_than_its_limit() -> None:
    async with running_stack() as stack, dial(stack, await token_of(stack)) as socket:
        await socket.send(START)
        await say(socket, "what rooms do you have")
        await until(socket, "audio.start")
        await asyncio.wait_for(stack.registry.drain(0.1), 5)
        assert (await until(socket, "session.end"))["reason"] == "drained"


async def test_premium_callers_find_room_where_free_ones_are_refused() -> None:
    async with running_stack(max_sessions=2, premium_reserve=0.5) as stack:
        free = await token_of(stack)
        async with dial(stack, free) as one, dial(stack, await token_of(stack)) as two:
            await one.send(START)
            await until(one, "session.ready")
            await two.send(START)
            error, code = await ending(two)
            assert (error["code"], code) == ("full", 4429)
            assert error["retry_after_s"] > 0
            async with dial(stack, await token_of(stack, premium=True)) as member:
                await member.send(START)
                assert (await until(member, "session.ready"))["tier"] == "premium"


class Busy:
    """The tiers of those who found no free call of a provider in time. A sink."""

    def __init__(self) -> None:
        self.tiers: list[str] = []

    def handle(self, event: Event) -> None:
        if isinstance(event, FellBack) and event.fallback.reason == "busy":
            self.tiers.append(event.session.tier.value)


@pytest.mark.slow
async def test_a_provider_gets_so_many_calls_at_once_and_free_callers_leave_some_to_premium_ones(
    tmp_path: Path,
) -> None:
    async with running_stack(provider_calls=4, policies_file=uncached_policies(tmp_path)) as stack:
        busy = Busy()
        stack.wiring.sinks.members.append(busy)
        stack.sandbox.world.faults.add(FaultRule(provider="elevenlabs", kind=FaultKind.STALL))
        free = [stack.call([Type("hello")]) for _ in range(5)]  # two more than may stall, and three come to them later
        records = await asyncio.gather(*free, stack.call([Type("hello")], premium=True))
        assert all(record.turns[0].answered for record in records)
        assert set(busy.tiers) == {"free"}
