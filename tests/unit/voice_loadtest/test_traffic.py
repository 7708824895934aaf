"""What a crowd of callers counts."""

from __future__ import annotations

from tests.support.stack import API_KEY, Stack, running_stack
from tests.support.websocket_client import START, dial, token_of
from voice_loadtest.script import Type
from voice_loadtest.stack.processes import LocalStack
from voice_loadtest.traffic import switchboard


def local(stack: Stack) -> LocalStack:
    return LocalStack(stack.url, stack.ops_url, stack.sandbox.url, None, None, API_KEY, "", ())


async def test_a_call_that_finds_no_place_is_refused_and_no_call() -> None:
    async with running_stack(max_sessions=1, resume_grace_s=0.1) as stack, switchboard(local(stack)) as line:
        async with dial(stack, await token_of(stack)) as first:
            await first.send(START)
            await first.recv()
            assert not await line.call("typed", [Type("hello")], premium=False, gap_s=0.1)
        await stack.quiet()
        assert await line.call("typed", [Type("hello")], premium=False, gap_s=0.1)
    assert (line.tally.refused, line.tally.calls, line.tally.turns) == (1, {"typed": 1}, 1)
