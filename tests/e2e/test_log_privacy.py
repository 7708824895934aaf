from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.support.stack import clip, running_stack
from voice_loadtest.script import Speak


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.mark.slow
async def test_every_line_of_a_call_has_its_session_and_every_line_of_a_turn_its_trace(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with running_stack(log_level="info", log_format="json") as stack:
        async with httpx.AsyncClient(base_url=stack.sandbox.url) as sandbox:
            fault = {"provider": "elevenlabs", "kind": "overloaded", "count": 1}
            (await sandbox.post("/control/faults", json=fault)).raise_for_status()
        record = await stack.call([Speak(clip("order_04"))])
        await stack.quiet()
    found = lines(capfd.readouterr().err)
    told = {line["event"]: line for line in found}
    assert {"session started", "fallback", "turn", "session ended"} <= set(told)
    for event in ("session started", "fallback", "turn", "session ended"):
        assert told[event]["session_id"] == record.session_id, event
    (turn,) = record.turns
    assert told["turn"]["trace_id"] == told["fallback"]["trace_id"] == turn.trace_id
    assert turn.transcript
    assert turn.transcript not in json.dumps(found)
