"""Events → rows of the ledger. Pure: everything a row needs is in the event, the time is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import uuid4

import msgspec

from agent.billing.prices import Charge
from agent.core.calls import Call
from agent.telemetry.events import FellBack, Paid, SessionEnded, SessionInfo
from agent.telemetry.stages import TOOL_STAGE
from agent.telemetry.timeline import STAGES, TurnRecord

TableName = Literal["sessions", "turns", "charges", "fallbacks", "memory_events", "tool_events"]
TABLES: Final[tuple[TableName, ...]] = ("sessions", "turns", "charges", "fallbacks", "memory_events", "tool_events")


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One row on its way to a table. `session_id` is None for charges of no session.

    A session's end is a row of `sessions` with `update` set: it changes the row that its start made. `generation` is
    that of the session's owner when it was made; it is stored only while that one has the session.
    """

    table: TableName
    session_id: str | None
    values: Mapping[str, Any]
    update: bool = False
    generation: int = 1


def session_started(session: SessionInfo, at: datetime) -> LedgerRow:
    """The open session."""
    return LedgerRow(
        "sessions",
        session.session_id,
        {
            "id": session.session_id,
            "subject": session.subject,
            "tier": session.counted_tier,
            "policy": session.counted_policy,
            "policy_version": session.policy_version,
            "started_at": at,
            "turns": 0,
            "slow_turns": 0,
            "cost_nano_usd": 0,
            "origin": session.origin,
            "agent": session.agent or None,
            "agent_version": session.agent_version or None,
            "policy_chosen": session.policy_chosen or None,
        },
        generation=session.generation,
    )


def session_ended(event: SessionEnded, at: datetime) -> LedgerRow:
    """What is known at the end. A resumed session ends again; its last end counts."""
    return LedgerRow(
        "sessions",
        event.session.session_id,
        {
            "session": event.session.session_id,
            "ended": at,
            "how": event.outcome,
            "seconds": event.duration_s,
            "count": event.turns,
            "slow": event.slow_turns,
        },
        update=True,
        generation=event.session.generation,
    )


def turn_finished(session: SessionInfo, record: TurnRecord, at: datetime, count: int = 1) -> LedgerRow:
    """A finished turn with its timeline; of `count` turns that never began it is the last, and stands for all."""
    timeline = timeline_of(record) | ({"turns": count} if count > 1 else {})
    stages = {f"{stage}_s": record.stages.get(stage) for stage in STAGES}
    return LedgerRow(
        "turns",
        session.session_id,
        {
            "session_id": session.session_id,
            "turn": record.turn,
            "ended_at": at,
            "tier": session.counted_tier,
            "policy": session.counted_policy,
            "spoken": record.spoken,
            "owed": record.owed,
            "slow": record.slow,
            "outcome": record.outcome,
            "model": record.model,
            "rule": record.rule,
            "trace_id": record.trace_id,
            "voice_to_voice_s": record.voice_to_voice_s,
            **stages,
            "over_budget": list(record.over_budget),
            "timeline": msgspec.Raw(msgspec.json.encode(timeline)),
        },
        generation=session.generation,
    )


def timeline_of(record: TurnRecord) -> dict[str, Any]:
    """The turn for the waterfall: milliseconds since its first mark, or its first call where no mark was reached.

    `marks` name → ms; `calls` with service, provider, model, outcome, start, first output and end in ms and usage;
    `tools` with outcome, start, end and tries; `tool_ms`, the time on the path that they took; `fallbacks` with ms;
    `context_tokens`; `talked_over` where the caller was not done; `answered_by`, the model that
    answered or null, where one was chosen. No text.
    """
    starts = [*record.marks.values(), *(call.started_at for call in record.calls), record.ended_at]
    zero = min(record.marks.values(), default=min(starts))

    def ms(at: float | None) -> float | None:
        return None if at is None else round((at - zero) * 1000, 1)

    return {
        "marks": {mark: ms(at) for mark, at in record.marks.items()},
        "ended_ms": ms(record.ended_at),
        "calls": [
            _call(call, ms(call.started_at), ms(call.first_output_at), ms(call.ended_at)) for call in record.calls
        ],
        "fallbacks": [
            {
                "service": move.service,
                "from": move.from_provider,
                "to": move.to_provider,
                "reason": move.reason,
                "ms": ms(move.at),
            }
            for move in record.fallbacks
        ],
        "context_tokens": dict(record.context_tokens),
        **({"talked_over": True} if record.talked_over else {}),
        **({} if record.model is None else {"answered_by": record.answered_by}),
        **_tools(record, ms),
    }


def _call(call: Call, start: float | None, first: float | None, end: float | None) -> dict[str, Any]:
    return {
        "service": call.service,
        "provider": call.provider,
        "model": call.model,
        "outcome": call.outcome,
        "start_ms": start,
        "first_output_ms": first,
        "end_ms": end,
        "usage": dict(call.usage.quantities),
        "estimated": call.usage.estimated,
    }


def _tools(record: TurnRecord, ms: Callable[[float | None], float | None]) -> dict[str, Any]:
    """The tools of a turn; nothing where it used none."""
    if not record.tools:
        return {}
    tool_s = record.stages.get(TOOL_STAGE)
    each = [
        {
            "name": call.name,
            "outcome": call.outcome,
            "start_ms": ms(call.started_at),
            "end_ms": ms(call.ended_at),
            "tries": call.tries,
        }
        for call in record.tools
    ]
    return {"tools": each, **({} if tool_s is None else {"tool_ms": round(tool_s * 1000, 1)})}


def charges_of(event: Paid, charges: Sequence[Charge], at: datetime) -> list[LedgerRow]:
    """The charges of one call, which share a call id."""
    call_id = uuid4()
    session = event.session
    return [
        LedgerRow(
            "charges",
            None if session is None else session.session_id,
            {
                "call_id": call_id,
                "unit": charge.unit,
                "at": at,
                "session_id": None if session is None else session.session_id,
                "turn": event.turn,
                "tier": None if session is None else session.counted_tier,
                "policy": None if session is None else session.counted_policy,
                "service": charge.service,
                "provider": charge.provider,
                "model": charge.model,
                "cause": event.cause,
                "outcome": event.call.outcome,
                "quantity": charge.quantity,
                "nano_usd": charge.nano_usd,
                "price_version": charge.price_version,
                "estimated": charge.estimated,
            },
        )
        for charge in charges
    ]


def fell_back(event: FellBack, at: datetime) -> LedgerRow:
    """A move along a chain."""
    session, move = event.session, event.fallback
    return LedgerRow(
        "fallbacks",
        session.session_id,
        {
            "id": uuid4(),
            "at": at,
            "session_id": session.session_id,
            "tier": session.counted_tier,
            "policy": session.counted_policy,
            "service": move.service,
            "from_provider": move.from_provider,
            "to_provider": move.to_provider,
            "reason": move.reason,
        },
        generation=session.generation,
    )


def memory_event(session_id: str, seq: int, event: msgspec.Raw, at: datetime, generation: int = 1) -> LedgerRow:
    """One event of a conversation graph, already encoded as JSON."""
    values = {"session_id": session_id, "seq": seq, "at": at, "event": event}
    return LedgerRow("memory_events", session_id, values, generation=generation)


def tool_event(session_id: str, seq: int, event: msgspec.Raw, at: datetime, generation: int = 1) -> LedgerRow:
    """One event of a session's tool log, already encoded as JSON."""
    values = {"session_id": session_id, "seq": seq, "at": at, "event": event}
    return LedgerRow("tool_events", session_id, values, generation=generation)
