"""The spans of turns, sessions and provider calls as plain data, made from finished records. Nothing is measured again.

    trace of a turn                                  trace of its session
    turn                                             session
    ├── stt    caller's last sound → transcript      └── speech_to_text flux-general-en, summaries
    ├── llm    → first clause
    ├── tts    → first audio
    ├── send   → written to the socket
    ├── tool   a wait for tools, within llm
    └── chat …, text_to_speech …, execute_tool …     one for each call of a provider or a tool in the turn

Times are seconds of the service's clock. No span holds a word that was said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from agent.core.calls import TOOL, Call, ErrorKind, Fallback, Unit
from agent.telemetry import span_attributes
from agent.telemetry.events import SessionEnded, SessionInfo, SessionOutcome
from agent.telemetry.stages import TOOL_STAGE, Mark
from agent.telemetry.timeline import WITHOUT_REPLY, ToolCall, TurnOutcome, TurnRecord

FAILED_TURNS: Final = WITHOUT_REPLY | {TurnOutcome.CUT_SHORT, TurnOutcome.TYPED_FAILED}
FAILED_TOOLS: Final = frozenset({"failed", "timeout", "unavailable"})
_STAGE_MARKS: Final = {
    "stt": Mark.TRANSCRIPT_READY,
    "llm": Mark.FIRST_CLAUSE,
    "tts": Mark.FIRST_AUDIO,
    "send": Mark.AUDIO_SENT,
}
_SAMPLES_A_SECOND: Final = 16_000

Value = str | bool | int | float | Sequence[str]


@dataclass(frozen=True, slots=True)
class Draft:
    """One span. `remote` is a call to somebody else; `events` are (name, time, attributes)."""

    name: str
    start: float
    end: float
    attributes: Mapping[str, Value]
    remote: bool = False
    failed: bool = False
    events: tuple[tuple[str, float, Mapping[str, Value]], ...] = field(default=())


def remarkable(record: TurnRecord) -> bool:
    """Whether a turn's trace is always kept: over a budget, failed, fallen back, or with a failed provider call."""
    return bool(
        record.over_budget
        or record.slow
        or record.outcome in FAILED_TURNS
        or record.fallbacks
        or any(isinstance(call.outcome, ErrorKind) for call in record.calls)
        or any(tool.outcome in FAILED_TOOLS for tool in record.tools)
    )


def turn_drafts(session: SessionInfo, record: TurnRecord) -> Iterator[Draft]:
    """The root span of a turn, and then its children."""
    began = min((*record.marks.values(), record.ended_at))
    optional: dict[str, Value | None] = {
        span_attributes.ROUTED_MODEL: record.model,
        span_attributes.RULE: record.rule,
        span_attributes.VOICE_TO_VOICE: record.reply_after_s,
        span_attributes.NETWORK: record.network_s,
        span_attributes.OVER_BUDGET: record.over_budget or None,
    }
    attributes = {
        **_who(session),
        span_attributes.TURN: record.turn,
        span_attributes.SPOKEN: record.spoken,
        span_attributes.OUTCOME: record.outcome.value,
        **{name: value for name, value in optional.items() if value is not None},
    }
    yield Draft(
        "turn",
        began,
        max(record.ended_at, *record.marks.values(), *(call.ended_at for call in record.calls), began),
        attributes,
        failed=record.outcome in FAILED_TURNS,
        events=tuple(_moved(fallback) for fallback in record.fallbacks),
    )
    yield from _stages(record)
    for call in record.calls:
        yield call_draft(session, call)
    for tool in record.tools:
        yield tool_draft(session, tool)


def session_draft(event: SessionEnded, ended_at: float) -> Draft:
    """The root span of a session, which its turns link to."""
    attributes: dict[str, Value] = {
        **_who(event.session),
        span_attributes.OUTCOME: event.outcome.value,
        span_attributes.TURNS: event.turns,
        span_attributes.SLOW_TURNS: event.slow_turns,
        span_attributes.COST: event.cost_usd,
    }
    failed = event.outcome is SessionOutcome.FAILED
    return Draft("session", ended_at - event.duration_s, ended_at, attributes, failed=failed)


def call_draft(session: SessionInfo, call: Call) -> Draft:
    """The span of one provider call, with the attributes of the GenAI conventions."""
    quantities = call.usage.quantities
    operation = span_attributes.OPERATIONS[call.service]
    attributes: dict[str, Value] = {
        span_attributes.OPERATION: operation,
        span_attributes.PROVIDER: call.provider,
        span_attributes.MODEL: call.model,
        span_attributes.CONVERSATION: session.session_id,
        span_attributes.OUTPUT_TYPE: span_attributes.OUTPUT_TYPES[call.service],
        span_attributes.STREAM: True,
        span_attributes.OUTCOME: str(call.outcome),
    }
    attributes |= {name: quantities[unit] for unit, name in span_attributes.USAGE.items() if unit in quantities}
    if call.service == "llm":
        attributes[span_attributes.INPUT_TOKENS] = sum(quantities.get(unit, 0) for unit in span_attributes.PROMPT_UNITS)
    if Unit.AUDIO_SAMPLES in quantities:
        attributes[span_attributes.AUDIO_SECONDS] = quantities[Unit.AUDIO_SAMPLES] / _SAMPLES_A_SECOND
    if call.usage.estimated:
        attributes[span_attributes.ESTIMATED] = True
    if call.first_output_at is not None:
        attributes[span_attributes.FIRST_CHUNK] = call.first_output_at - call.started_at
    failed = isinstance(call.outcome, ErrorKind)
    if failed:
        attributes[span_attributes.ERROR_TYPE] = str(call.outcome)
    return Draft(f"{operation} {call.model}", call.started_at, call.ended_at, attributes, remote=True, failed=failed)


def tool_draft(session: SessionInfo, tool: ToolCall) -> Draft:
    """The span of one call of a tool, with the names of the GenAI conventions; neither arguments nor results."""
    failed = tool.outcome in FAILED_TOOLS
    attributes: dict[str, Value] = {
        span_attributes.OPERATION: span_attributes.OPERATIONS[TOOL],
        span_attributes.TOOL_NAME: tool.name,
        span_attributes.TOOL_TYPE: "function",
        span_attributes.CONVERSATION: session.session_id,
        span_attributes.OUTCOME: tool.outcome,
        span_attributes.TRIES: tool.tries,
        **({span_attributes.ERROR_TYPE: tool.outcome} if failed else {}),
    }
    name = f"{span_attributes.OPERATIONS[TOOL]} {tool.name}"
    return Draft(name, tool.started_at, tool.ended_at, attributes, failed=failed)


def _stages(record: TurnRecord) -> Iterator[Draft]:
    """Segments of the critical path: each begins where the one before ended."""
    ends = [record.marks.get(Mark.SPEECH_ENDED)]
    for mark in _STAGE_MARKS.values():
        at, before = record.marks.get(mark), ends[-1]
        ends.append(None if at is None or before is None else max(before, at))
    for stage, (start, end) in zip(_STAGE_MARKS, pairwise(ends), strict=True):
        if start is not None and end is not None:
            over = stage in record.over_budget
            yield Draft(
                stage,
                start,
                end,
                {span_attributes.STAGE: stage, **({span_attributes.OVER_BUDGET: (stage,)} if over else {})},
            )
    for start, end in record.waits:
        yield Draft(TOOL_STAGE, start, end, {span_attributes.STAGE: TOOL_STAGE})


def _who(session: SessionInfo) -> dict[str, Value]:
    return {
        span_attributes.SESSION: session.session_id,
        span_attributes.CONVERSATION: session.session_id,
        span_attributes.TIER: session.counted_tier,
        span_attributes.POLICY: session.counted_policy,
        span_attributes.POLICY_VERSION: session.policy_version,
    }


def _moved(fallback: Fallback) -> tuple[str, float, Mapping[str, Value]]:
    attributes = {
        "service": fallback.service,
        "from": fallback.from_provider,
        "to": fallback.to_provider,
        "reason": fallback.reason,
    }
    return "fallback", fallback.at, attributes
