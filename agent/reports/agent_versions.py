"""What calls of an agent came to, version beside version in the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.billing.prices import usd
from agent.budgets import Tier
from agent.ledger.ended_calls import LOST
from agent.ledger.tables import sessions, turns
from agent.telemetry.timeline import NO_REPLY

_TIERS: Final = tuple(Tier)


@dataclass(frozen=True, slots=True)
class VersionFigures:
    """Ended calls of one version. `usd` is an average call's."""

    version: int
    sessions: int
    lost: int
    turns: int
    slow: int
    no_reply: int
    usd: float


async def version_figures(engine: AsyncEngine, agent: str, since: datetime) -> Sequence[VersionFigures]:
    """By version, of the calls that ended after `since`. Raises SQLAlchemyError or OSError."""
    s, t = sessions.c, turns.c
    mine = and_(s.agent == agent, s.ended_at > since, s.tier.in_(_TIERS))
    calls = select(
        s.agent_version,
        func.count().label("sessions"),
        func.count().filter(s.outcome.in_(LOST)).label("lost"),
        func.coalesce(func.sum(s.cost_nano_usd), 0).label("nano_usd"),
    )
    owed = select(
        s.agent_version,
        func.count().label("turns"),
        func.count().filter(t.slow).label("slow"),
        func.count().filter(t.outcome.in_(NO_REPLY)).label("no_reply"),
    ).select_from(sessions.join(turns, and_(t.session_id == s.id, t.owed)))
    async with engine.connect() as connection:
        ended = (await connection.execute(calls.where(mine).group_by(s.agent_version))).all()
        said = {row[0]: row for row in await connection.execute(owed.where(mine).group_by(s.agent_version))}
    found: list[VersionFigures] = []
    for row in sorted(ended, key=lambda row: row.agent_version):
        of = said.get(row.agent_version)
        counts = (0, 0, 0) if of is None else (int(of.turns), int(of.slow), int(of.no_reply))
        average = usd(int(row.nano_usd)) / row.sessions
        found.append(VersionFigures(row.agent_version, row.sessions, row.lost, *counts, average))
    return found
