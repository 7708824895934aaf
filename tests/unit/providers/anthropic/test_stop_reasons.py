"""Why a reply stopped, and what a gateway leaves out, over the wire."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest

from agent.core.calls import ErrorKind, ProviderError, StopReason, Unit
from agent.providers.anthropic.claude import Claude
from agent.providers.base import Message, Prompt, TextDelta
from tests.support.providers import RecordingRecorder, inject_fault, instant_sandbox

PROMPT = Prompt("You are the receptionist.", "", (Message("user", "what rooms do you have"),))


async def _reply(recorder: RecordingRecorder, **fault: Any) -> list[TextDelta]:
    async with instant_sandbox() as sandbox:
        claude = Claude(api_key="k", base_url=sandbox.url, model="claude-haiku-5-5")
        inject_fault(sandbox, "anthropic", **fault)
        try:
            async with aclosing(claude.reply("s1", PROMPT, recorder)) as reply:
                return [said async for said in reply]
        finally:
            await claude.close()


@pytest.mark.parametrize(
    ("reason", "after", "kind"),
    [
        ("refusal", 0, ErrorKind.DECLINED),
        ("refusal", 5, ErrorKind.DECLINED),
        ("pause_turn", 5, ErrorKind.INCOMPLETE),
        ("tool_use", 0, ErrorKind.INCOMPLETE),
        ("max_tokens", 0, ErrorKind.EMPTY),
        ("model_context_window_exceeded", 0, ErrorKind.TOO_LONG),
        ("something_new", 0, ErrorKind.EMPTY),
    ],
)
async def test_a_stop_that_is_no_answer(reason: str, after: int, kind: ErrorKind, recorder: RecordingRecorder) -> None:
    with pytest.raises(ProviderError) as caught:
        await _reply(recorder, kind="stop", variant=reason, after=after)
    assert (caught.value.kind, caught.value.delivered) == (kind, after > 0)
    assert recorder.only.stopped == (StopReason.OTHER if reason == "something_new" else reason)


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded"])
async def test_a_reply_that_stopped_at_a_limit_says_so(reason: str, recorder: RecordingRecorder) -> None:
    said = await _reply(recorder, kind="stop", variant=reason, after=8)
    assert said[-1] == TextDelta("", cut=True)
    assert (recorder.only.outcome, recorder.only.stopped) == ("ok", reason)


@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence", "tool_use", "something_new"])
async def test_other_stops_after_an_answer_are_answers(reason: str, recorder: RecordingRecorder) -> None:
    said = await _reply(recorder, kind="stop", variant=reason, after=8)
    assert not any(delta.cut for delta in said)
    assert recorder.only.outcome == "ok"


@pytest.mark.parametrize("variant", ["", "zeros"])
async def test_usage_that_a_gateway_leaves_out_is_estimated_and_marked(
    variant: str, recorder: RecordingRecorder
) -> None:
    said = await _reply(recorder, kind="no_usage", variant=variant)
    usage = recorder.only.usage
    assert usage.estimated
    assert usage.quantities[Unit.INPUT_TOKENS] > 5
    characters = sum(len(delta.text) for delta in said)
    assert usage.quantities[Unit.OUTPUT_TOKENS] == -(-characters // 4)
