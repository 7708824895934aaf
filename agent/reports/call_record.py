"""A finished call as plain data: what was said, what tools did, what it cost. For the webhook and for exports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.billing.prices import usd
from agent.ledger.tables import charges, memory_events, sessions, tool_events


@dataclass(frozen=True, slots=True)
class Line:
    """What one side said, as the other heard it. `turn` counts what the caller said, from 1; a greeting has 0."""

    turn: int
    speaker: str  # caller | agent
    text: str
    at: datetime
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One call of a tool. `arguments` is JSON; `result` is what the model was given."""

    turn: int
    name: str
    arguments: str
    result: str
    ok: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class CallHistory:
    """Everything that the ledger knows of a call's content. `ended_at` and `outcome` are None while it runs.

    `agent` and its version are None in rows of releases that did not store them.
    """

    session_id: str
    subject: str
    tier: str
    policy: str
    policy_version: int
    agent: str | None
    agent_version: int | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    duration_s: float | None
    turns: int
    slow_turns: int
    usd: float
    usd_by_service: Mapping[str, float]
    transcript: tuple[Line, ...]
    tools: tuple[ToolRun, ...]

    def tools_used(self) -> list[dict[str, object]]:
        """How often each tool was called, and how often that failed, by name."""
        called, failed = Counter(run.name for run in self.tools), Counter(run.name for run in self.tools if not run.ok)
        return [{"name": name, "calls": called[name], "failed": failed[name]} for name in sorted(called)]


async def call_history(engine: AsyncEngine, session_id: str) -> CallHistory | None:
    """The call with this id, or None. Raises SQLAlchemyError or OSError."""
    m, t = memory_events.c, tool_events.c
    async with engine.connect() as connection:
        row = (await connection.execute(select(sessions).where(sessions.c.id == session_id))).one_or_none()
        if row is None:
            return None
        said = (await connection.execute(select(m.event, m.at).where(m.session_id == session_id).order_by(m.seq))).all()
        done = (await connection.execute(select(t.event, t.at).where(t.session_id == session_id).order_by(t.seq))).all()
        spent = select(charges.c.service, func.sum(charges.c.nano_usd)).where(charges.c.session_id == session_id)
        by_service = (await connection.execute(spent.group_by(charges.c.service))).all()
    return CallHistory(
        session_id=row.id,
        subject=row.subject,
        tier=row.tier,
        policy=row.policy,
        policy_version=row.policy_version,
        agent=row.agent,
        agent_version=row.agent_version,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=row.outcome,
        duration_s=row.duration_s,
        turns=row.turns,
        slow_turns=row.slow_turns,
        usd=usd(row.cost_nano_usd),
        usd_by_service={service: usd(int(nano or 0)) for service, nano in sorted(by_service)},
        transcript=tuple(_lines((one.event, one.at) for one in said)),
        tools=tuple(_runs((one.event, one.at) for one in done)),
    )


def _lines(events: Iterable[tuple[Any, datetime]]) -> Iterable[Line]:
    turn = 0
    for event, at in events:
        text = str(event.get("text", ""))
        if event.get("kind") == "heard":
            turn += 1
            yield Line(turn, "caller", text, at)
        elif event.get("kind") == "answered" and text:
            yield Line(turn, "agent", text, at, bool(event.get("interrupted")))


def _runs(events: Iterable[tuple[Any, datetime]]) -> Iterable[ToolRun]:
    for event, at in events:
        if event.get("kind") == "returned":
            texts = (str(event.get(name, "")) for name in ("name", "arguments", "content"))
            yield ToolRun(int(event.get("turn", 0)), *texts, ok=bool(event.get("ok")), at=at)
