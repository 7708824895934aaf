"""Streams that are documented and rare, and what gateways make of them: no word is lost, none is made up."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any, Final

import pytest

from agent.core.calls import ErrorKind, ProviderError, StopReason
from agent.providers.anthropic.claude import Claude
from agent.providers.base import Message, Prompt
from tests.support.http_peer import http_peer
from tests.support.providers import RecordingRecorder

PROMPT: Final = Prompt("", "", (Message("user", "which rooms"),))
START: Final = {"type": "message_start", "message": {
    "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m", "stop_reason": None,
    "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1},
}}  # fmt: skip
END: Final = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
    "usage": {"output_tokens": 5},
}
STOP: Final = {"type": "message_stop"}
PING: Final = {"type": "ping"}


def _block(index: int, *deltas: Any, text: str | None = "") -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": text}},
        *({"type": "content_block_delta", "index": index, "delta": _delta(one)} for one in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _delta(one: Any) -> Any:
    return {"type": "text_delta", "text": one} if isinstance(one, str) else one


def _error(kind: str | None, message: str = "m") -> dict[str, Any]:
    return {"type": "error", "error": {"message": message} | ({} if kind is None else {"type": kind})}


async def _said(events: list[dict[str, Any]], recorder: RecordingRecorder) -> str:
    lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    async with http_peer("".join(lines).encode(), headers={"content-type": "text/event-stream"}) as url:
        claude = Claude(api_key="k", model="claude-haiku-5-5", base_url=url, read_timeout_s=1)
        try:
            async with aclosing(claude.reply("s1", PROMPT, recorder)) as reply:
                return "".join([delta.text async for delta in reply])
        finally:
            await claude.close()


CITED: Final = {"type": "citations_delta", "citation": {
    "type": "char_location", "cited_text": "two rooms", "document_index": 0, "document_title": None,
    "start_char_index": 0, "end_char_index": 9, "file_id": None,
}}  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        [PING, *_block(0, "We have ", "two rooms."), PING],
        [*_block(0, "We have "), *_block(1, "two rooms.")],
        _block(0, "We have ", CITED, "two rooms."),
        _block(0, "We have ", {"type": "delta_of_2027", "text": "!"}, "two rooms."),
        [{"type": "event_of_2027", "text": "!"}, *_block(0, "We have two rooms.")],
        _block(0, "two rooms.", text="We have "),
        _block(0, text="We have two rooms."),
        _block(0, "We have two rooms.", text=None),
        _block(0, "", "We have ", "", "two rooms.", ""),
    ],
)
@pytest.mark.parametrize("end", [[END, STOP], [END], [END, PING], [STOP]])
async def test_every_word_is_said_once(content: Any, end: Any, recorder: RecordingRecorder) -> None:
    assert await _said([START, *content, *end], recorder) == "We have two rooms."
    assert recorder.only.outcome == "ok"
    assert recorder.only.stopped is (StopReason.END_TURN if END in end else None)


async def test_a_stream_that_ends_before_it_says_why_was_cut(recorder: RecordingRecorder) -> None:
    with pytest.raises(ProviderError) as caught:
        await _said([START, *_block(0, "We have")], recorder)
    assert (caught.value.kind, caught.value.delivered) == (ErrorKind.DISCONNECTED, True)


@pytest.mark.parametrize("before", [[], [START], [START, *_block(0, "We have ")]], ids=["first", "started", "spoken"])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_error("overloaded_error"), ErrorKind.OVERLOADED),
        (_error("api_error"), ErrorKind.OVERLOADED),
        (_error("timeout_error"), ErrorKind.TIMEOUT),
        (_error("rate_limit_error"), ErrorKind.RATE_LIMITED),
        (_error("invalid_request_error", "Output blocked by content filtering policy"), ErrorKind.DECLINED),
        (_error("billing_error", "Your credit balance is too low"), ErrorKind.MISCONFIGURED),
        (_error("error_of_2027"), ErrorKind.MALFORMED),
        (_error(None), ErrorKind.MALFORMED),
    ],
)
async def test_an_error_within_a_stream_has_its_kind(
    before: Any, error: Any, kind: ErrorKind, recorder: RecordingRecorder
) -> None:
    with pytest.raises(ProviderError) as caught:
        await _said([*before, error], recorder)
    assert (caught.value.kind, caught.value.delivered) == (kind, len(before) > 1)
    assert recorder.only.outcome == kind
