from __future__ import annotations

from itertools import pairwise

import pytest

from agent.core.calls import ErrorKind, Fallback
from agent.ledger.rows import timeline_of
from agent.telemetry import span_attributes
from agent.telemetry.events import SessionEnded, SessionOutcome
from agent.telemetry.spans import call_draft, remarkable, session_draft, turn_drafts
from agent.telemetry.timeline import Timeline, ToolCall, TurnOutcome
from tests.support.records import BUDGETS, SESSION, chat, turn


def test_stages_are_side_by_side_and_fill_the_way_from_voice_to_sound() -> None:
    root, *stages = turn_drafts(SESSION, turn())
    assert [stage.name for stage in stages] == ["stt", "llm", "tts", "send"]
    assert root.start == stages[0].start == 100.0
    assert all(before.end == after.start for before, after in pairwise(stages))
    assert sum(stage.end - stage.start for stage in stages) == pytest.approx(0.81)
    assert root.end == pytest.approx(102.81)
    assert root.attributes[span_attributes.VOICE_TO_VOICE] == pytest.approx(0.86)
    assert root.attributes[span_attributes.NETWORK] == 0.05
    assert not root.failed


def test_a_provider_call_has_the_names_of_the_genai_conventions() -> None:
    draft = call_draft(SESSION, chat(100.3, 100.6, 101.0))
    assert draft.name == "chat claude-haiku-5-5"
    assert draft.remote
    assert dict(draft.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-haiku-5-5",
        "gen_ai.request.stream": True,
        "gen_ai.conversation.id": SESSION.session_id,
        "gen_ai.output.type": "text",
        "gen_ai.usage.input_tokens": 4_800,
        "gen_ai.usage.cache_read.input_tokens": 4_100,
        "gen_ai.usage.output_tokens": 42,
        "gen_ai.response.time_to_first_chunk": pytest.approx(0.3),
        "voice_agent.outcome": "ok",
    }


def test_the_names_are_those_that_opentelemetry_declares() -> None:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, session_attributes
    from opentelemetry.semconv.attributes import error_attributes

    declared = {
        value
        for module in (gen_ai_attributes, session_attributes, error_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    names = {value for name, value in vars(span_attributes).items() if name.isupper() and isinstance(value, str)}
    foreign = {name for name in names if not name.startswith("voice_agent.")}
    assert span_attributes.OPERATION in foreign
    assert foreign <= declared


def test_a_failed_call_is_an_error_with_its_kind_and_an_estimate_says_so() -> None:
    draft = call_draft(SESSION, chat(1.0, None, 2.5, ErrorKind.TIMEOUT, estimated=True))
    assert draft.failed
    assert draft.attributes[span_attributes.ERROR_TYPE] == "timeout"
    assert draft.attributes[span_attributes.ESTIMATED] is True
    assert span_attributes.FIRST_CHUNK not in draft.attributes


def test_what_is_always_kept() -> None:
    move = Fallback("tts", "elevenlabs", "openai_tts", "timeout", 100.5)
    assert not remarkable(turn())
    assert remarkable(turn(llm_s=0.5)), "one stage over its budget"
    assert remarkable(turn(outcome=TurnOutcome.APOLOGY))
    assert remarkable(turn(outcome=TurnOutcome.CUT_SHORT))
    assert remarkable(turn(fallbacks=[move]))
    assert remarkable(turn(calls=[chat(1, None, 2, ErrorKind.EMPTY)]))
    assert not remarkable(turn(calls=[chat(1, 1.2, 2, "cancelled")]))


def test_a_turn_without_audio_has_the_stages_it_reached() -> None:
    record = Timeline(1, spoken=True).finish(TurnOutcome.FAILED, ended_at=5.0, network_s=None, budgets=BUDGETS.latency)
    drafts = list(turn_drafts(SESSION, record))
    assert [draft.name for draft in drafts] == ["turn"]
    assert drafts[0].failed
    assert drafts[0].start <= drafts[0].end


def test_the_subject_of_a_session_is_in_no_span() -> None:
    ended = SessionEnded(SESSION, SessionOutcome.COMPLETED, 12.0, 3, 1)
    for draft in (*turn_drafts(SESSION, turn(calls=[chat(1, 2, 3)])), session_draft(ended, 50.0)):
        assert SESSION.subject not in str(draft)


def test_a_tool_is_a_span_with_genai_names_and_a_stage_within_the_model() -> None:
    call = ToolCall("book_room", "timeout", 100.4, 100.6, 2)
    record = turn(tools=[call], waits=[(100.35, 100.65)])
    drafts = {draft.name: draft for draft in turn_drafts(SESSION, record)}
    span = drafts["execute_tool book_room"]
    assert (span.start, span.end, span.failed) == (100.4, 100.6, True)
    assert span.attributes[span_attributes.OPERATION] == "execute_tool"
    assert span.attributes[span_attributes.TOOL_NAME] == "book_room"
    assert span.attributes[span_attributes.ERROR_TYPE] == "timeout"
    assert span.attributes[span_attributes.TRIES] == 2
    assert (drafts["tool"].start, drafts["tool"].end) == (100.35, 100.65)
    assert drafts["tool"].attributes == {span_attributes.STAGE: "tool"}
    assert remarkable(record), "a tool that fails is looked into"
    fine = turn(tools=[ToolCall("book_room", "ok", 100.4, 100.6, 1)])
    assert not remarkable(fine)


def test_the_ledger_has_the_tools_of_a_turn_and_their_time() -> None:
    record = turn(tools=[ToolCall("book_room", "ok", 100.4, 100.6, 1)], waits=[(100.35, 100.55)], llm_s=0.5)
    told = timeline_of(record)
    assert told["tools"] == [{"name": "book_room", "outcome": "ok", "start_ms": 400.0, "end_ms": 600.0, "tries": 1}]
    assert told["tool_ms"] == 200.0
    assert "tools" not in timeline_of(turn())
