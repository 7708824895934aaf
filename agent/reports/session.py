"""One session: where the time of each turn went, and what the session cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.billing.prices import usd
from agent.ledger.tables import charges, sessions, turns
from agent.telemetry.timeline import WITHOUT_REPLY


@dataclass(frozen=True, slots=True)
class TurnView:
    """One turn. `timeline` is what `agent.ledger.rows.timeline_of` stores: milliseconds since the first mark."""

    turn: int
    spoken: bool
    outcome: str
    model: str | None
    rule: str | None
    trace_id: str
    voice_to_voice_s: float | None  # none without a reply: whatever was played then is no answer
    network_s: float | None
    over_budget: tuple[str, ...]
    usd: float
    timeline: Mapping[str, Any]
    answered_by: str | None = None
    """The model that answered: not `model` where another one took over, None where none did."""


@dataclass(frozen=True, slots=True)
class Position:
    """One line of the bill: all charges of a model, unit and cause. `usd` is None where there is no price."""

    service: str
    provider: str
    model: str
    cause: str
    unit: str
    quantity: int
    usd: float | None
    estimated: bool
    price_version: str | None


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What the ledger knows of one session. `ended_at` and `outcome` are None while it runs or after a crash."""

    session_id: str
    tier: str
    policy: str
    policy_version: int
    agent: str | None
    agent_version: int | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    duration_s: float | None
    usd: float
    turns: tuple[TurnView, ...]
    bill: tuple[Position, ...]


async def session_report(engine: AsyncEngine, session_id: str) -> SessionReport | None:
    """The session with this id, or None. Raises SQLAlchemyError or OSError."""
    async with engine.connect() as connection:
        row = (await connection.execute(select(sessions).where(sessions.c.id == session_id))).one_or_none()
        if row is None:
            return None
        done = (
            await connection.execute(select(turns).where(turns.c.session_id == session_id).order_by(turns.c.turn))
        ).all()
        c = charges.c
        keys = (c.turn, c.service, c.provider, c.model, c.cause, c.unit, c.estimated, c.price_version)
        sums = (func.sum(c.quantity).label("quantity"), func.sum(c.nano_usd).label("nano_usd"))
        spent = (await connection.execute(select(*keys, *sums).where(c.session_id == session_id).group_by(*keys))).all()
    return SessionReport(
        session_id=row.id,
        tier=row.tier,
        policy=row.policy,
        policy_version=row.policy_version,
        agent=row.agent,
        agent_version=row.agent_version,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=row.outcome,
        duration_s=row.duration_s,
        usd=usd(row.cost_nano_usd),
        turns=tuple(
            _turn(turn, usd(sum(int(part.nano_usd or 0) for part in spent if part.turn == turn.turn))) for turn in done
        ),
        bill=_positions(spent),
    )


def _turn(row: Any, dollars: float) -> TurnView:
    return TurnView(
        turn=row.turn,
        spoken=row.spoken,
        outcome=row.outcome,
        model=row.model,
        rule=row.rule,
        trace_id=row.trace_id,
        voice_to_voice_s=None if row.outcome in WITHOUT_REPLY else row.voice_to_voice_s,
        network_s=row.network_s,
        over_budget=tuple(row.over_budget),
        usd=dollars,
        timeline=row.timeline,
        answered_by=row.timeline.get("answered_by", row.model),  # rows of earlier releases do not say
    )


def _positions(spent: Any) -> tuple[Position, ...]:
    """The bill over all turns, dearest first, what has no price at the top."""
    sums: dict[tuple[Any, ...], tuple[int, int | None]] = {}
    for row in spent:
        key = (row.service, row.provider, row.model, row.cause, row.unit, row.estimated, row.price_version)
        quantity, nano = sums.get(key, (0, 0))
        more = None if nano is None or row.nano_usd is None else nano + int(row.nano_usd)
        sums[key] = (quantity + int(row.quantity), more)
    lines = [
        Position(
            service, provider, model, cause, unit, quantity, None if nano is None else usd(nano), estimated, version
        )
        for (service, provider, model, cause, unit, estimated, version), (quantity, nano) in sums.items()
    ]
    return tuple(sorted(lines, key=lambda line: (line.usd is not None, -(line.usd or 0.0))))
