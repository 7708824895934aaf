"""What callers say stays out of logs and metrics, unless a setting says otherwise; secrets are never printed."""

from __future__ import annotations

import jwt
import pytest

from agent.ledger.retention import forget
from tests.support.billing import say, until
from tests.support.stack import API_KEY, running_stack
from tests.support.websocket_client import START, dial, ending, token_of
from voice_loadtest.script import Type

SAID = "my secret word is pomegranate"


@pytest.mark.parametrize("allowed", [False, True])
async def test_transcripts_are_logged_only_when_allowed(capfd: pytest.CaptureFixture[str], *, allowed: bool) -> None:
    async with running_stack(log_transcripts=allowed, log_level="debug", log_format="json") as stack:
        record = await stack.call([Type(SAID)], premium=True)
        await stack.quiet()
        metrics = await stack.metrics("application/openmetrics-text")
    log = capfd.readouterr().err
    assert record.turns[0].answered
    assert '"event": "turn"' in log
    said = [line for line in log.splitlines() if "pomegranate" in line]
    assert bool(said) is allowed, said
    assert "pomegranate" not in metrics
    assert record.session_id not in metrics
    for text in (log, metrics):
        assert API_KEY not in text
        assert "sandbox-only-secret" not in text


async def test_a_call_that_is_running_ends_when_its_caller_is_forgotten() -> None:
    async with running_stack() as stack:
        token = await token_of(stack)
        subject = jwt.decode(token, options={"verify_signature": False})["sub"]
        async with dial(stack, token) as socket, dial(stack, await token_of(stack)) as other:
            for one in (socket, other):
                await one.send(START)
            ready = await until(socket, "session.ready")
            await say(socket, {"type": "text", "text": SAID})
            await until(socket, "reply.text")
            await forget(stack.wiring.ledger.engine, subject)
            _, code = await ending(socket)
            assert code == 1000
            await until(other, "session.ready")
            await say(other, {"type": "text", "text": "hello"})
            await until(other, "reply.text")
        await stack.wiring.ledger.flush(10)
        assert await stack.wiring.ledger.memory_events(ready["session_id"]) == []
        async with dial(stack, ready["resume_token"]) as socket:
            await socket.send(START)
            _, code = await ending(socket)
            assert code == 4401
