"""What a provider sends, checked at the door."""

from __future__ import annotations

import math
from types import SimpleNamespace as Of
from typing import Any

import pytest

from agent.core.calls import ListeningNote, ProviderError, Unit
from agent.providers.anthropic import claude
from agent.providers.anthropic.tools import NO_NAME, ToolUseReader
from agent.providers.base import Prompt, SttEvent, SttEventKind, Word
from agent.providers.call import ProviderCall
from agent.providers.deepgram.faults import classify
from agent.providers.deepgram.flux import FluxReader
from agent.providers.deepgram.stream import DeepgramStream
from agent.providers.openai import whisper
from agent.providers.refusals import refusal_of
from agent.providers.wire_values import clean, number, tokens
from tests.support.providers import RecordingRecorder

HALF = "book \ud800 room"
WHOLE = "book \ufffd room"


def test_half_a_character_is_replaced_and_a_whole_one_stays() -> None:
    assert clean(HALF) == WHOLE
    assert clean("\udc00\udfff") == "\ufffd\ufffd"
    assert clean("😀 é 中 plain") == "😀 é 中 plain"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, -1, 11, "5", True, None, [], {}], ids=repr)
def test_what_is_no_number_in_range_is_none(value: object) -> None:
    assert number(value, 0, 10) is None
    assert tokens(value) in (None, 11)


def test_a_word_that_has_no_finite_end_does_not_say_where_a_turn_ends() -> None:
    words = (Word("a", 0.0, 1.0), Word("b", 1.0, math.nan), Word("c", 1.0, math.inf))
    assert SttEvent(SttEventKind.ENDED, "a b c", words).end_s == 1.0


async def test_a_value_that_is_refused_is_counted_and_the_audio_sent_is_the_bound() -> None:
    class Counted(RecordingRecorder):
        notes: list[ListeningNote] = []  # noqa: RUF012  one test

        def noted(self, note: ListeningNote) -> None:
            self.notes.append(note)

    class Socket:
        def __init__(self) -> None:
            self.messages = [5.0, 0.9, None]

        async def send_media(self, message: bytes) -> None: ...
        async def send_close_stream(self) -> None: ...

        async def recv(self) -> Any:
            end = self.messages.pop(0)
            if end is None:
                raise EOFError
            words = [Of(word="yes", start=0.1, end=end, confidence=math.nan)]
            index = len(self.messages)
            return Of(type="TurnInfo", event="EndOfTurn", turn_index=index, transcript="yes", words=words)

    recorder = Counted()
    stream = DeepgramStream(Socket(), FluxReader, ProviderCall("stt", "deepgram", "m", recorder, classify))
    await stream.send(bytes(32_000))
    heard: list[SttEvent] = []

    async def listen() -> None:
        async for one in stream:
            heard.append(one)  # noqa: PERF401  what came before the failure counts

    with pytest.raises(ProviderError):
        await listen()
    assert [one.end_s for one in heard] == [None, 0.9]
    assert recorder.notes == [ListeningNote.VALUE_REFUSED] * 3


def _delta(**fields: Any) -> Any:
    return Of(type="content_block_delta", index=0, delta=Of(**fields))


def test_a_model_s_text_and_the_arguments_of_its_tools_have_whole_characters() -> None:
    call = ProviderCall("llm", "anthropic", "m", RecordingRecorder(), lambda _e, _c: pytest.fail("no error"))
    count = claude.TokenCount(call, Prompt("", "", ()))
    assert count.text_of(_delta(type="text_delta", text=HALF)) == WHOLE
    reader = ToolUseReader()
    reader.writes(Of(type="content_block_start", index=0, content_block=Of(type="tool_use", id=HALF, name=HALF)))  # type: ignore[arg-type]
    reader.writes(_delta(type="input_json_delta", partial_json='{"a": "' + HALF + '"}'))
    reader.writes(Of(type="content_block_stop", index=0))  # type: ignore[arg-type]
    [use] = reader.uses
    assert (use.name, use.arguments) == (NO_NAME, f'{{"a": "{WHOLE}"}}')  # neither is a name that could be sent back
    assert use.id.isascii()


@pytest.mark.parametrize("told", [-5, 10**30, math.nan, "7"], ids=repr)
def test_a_model_cannot_bill_what_nobody_uses(told: Any) -> None:
    call = ProviderCall("llm", "anthropic", "m", RecordingRecorder(), lambda _e, _c: pytest.fail("no error"))
    count = claude.TokenCount(call, Prompt("a system prompt", "", ()))
    count.text_of(_delta(type="text_delta", text="Hello."))
    usage = Of(output_tokens=told, input_tokens=told)
    count.text_of(Of(type="message_delta", delta=Of(stop_reason="end_turn"), usage=usage))  # type: ignore[arg-type]
    assert 0 <= call.quantities[Unit.OUTPUT_TOKENS] < 10
    assert 0 < call.quantities[Unit.INPUT_TOKENS] < 10
    assert call.estimated


def test_what_a_model_thought_is_paid_for_also_where_it_is_broken_off() -> None:
    call = ProviderCall("llm", "anthropic", "m", RecordingRecorder(), lambda _e, _c: pytest.fail("no error"))
    count = claude.TokenCount(call, Prompt("", "", ()))
    for _ in range(100):
        assert count.text_of(_delta(type="thinking_delta", thinking="Let me see. ")) == ""
    assert not count.wrote
    assert call.quantities[Unit.OUTPUT_TOKENS] > 200
    count.text_of(_delta(type="thinking_delta", thinking=None))


def test_the_words_of_a_refusal_have_whole_characters() -> None:
    fault = refusal_of(401, {"error": {"message": f"invalid api key: {HALF}"}}).failure("bad_request").fault  # type: ignore[arg-type]
    assert fault is not None
    assert fault.words == f"invalid api key: {WHOLE}"


@pytest.mark.parametrize("logprob", [math.nan, math.inf, 1e308, 5.0, -math.inf, "0"], ids=repr)
def test_a_token_that_is_surer_than_sure_says_nothing(logprob: Any) -> None:
    assert whisper.confidence_of([Of(logprob=logprob)]) is None
    assert whisper.confidence_of([Of(logprob=logprob), Of(logprob=0.0)]) == 1.0
    assert whisper.confidence_of("junk") is None
