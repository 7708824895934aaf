"""What is counted by agent: metrics of their own with few labels, so that agents multiply no other series."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from agent.budgets import Tier
from agent.telemetry import catalog
from agent.telemetry.events import Event, SessionEnded, SessionInfo, SessionOutcome, TurnFinished
from agent.telemetry.exposition import Metrics
from agent.telemetry.timeline import NO_REPLY, TurnRecord

MOST_AGENTS: Final = 32
"""Names of agents that a process tells apart in its life; files are renamed, and series stay."""
OTHER: Final = "other"
GOES_ON: Final = frozenset({SessionOutcome.MOVED})
"""Sessions that another process ends, with everything that they cost."""


class AgentMetrics:
    """A sink that counts sessions, turns and dollars by agent, and shows which versions are in force."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._names: set[str] = set()
        self._shown: set[tuple[str, str, str]] = set()

    def in_force(self, agents: Iterable[tuple[str, int, str, int]]) -> None:
        """These agents, by name, version and role, answer so many percent of their new sessions."""
        shown = {(self._label(name), str(version), role): percent for name, version, role, percent in agents}
        for gone in self._shown - shown.keys():
            self._metrics.forget(catalog.AGENT_INFO, *gone)
        for one, percent in shown.items():
            self._metrics.set(catalog.AGENT_INFO, *one, value=percent)
            self._prepare(one[0], one[2])
        self._shown = set(shown)

    def _prepare(self, agent: str, role: str) -> None:
        """Creates the counters of an agent, so that the first lost call counts, and none is 0 % and no gap."""
        for tier in Tier:
            for outcome in set(SessionOutcome) - GOES_ON:
                self._metrics.child(catalog.AGENT_SESSIONS, agent, role, tier, outcome)
            for slow in ("yes", "no"):
                self._metrics.child(catalog.AGENT_TURNS, agent, role, tier, slow)
            self._metrics.child(catalog.AGENT_NO_REPLY, agent, role, tier)

    def handle(self, event: Event) -> None:
        """Reads ended sessions and turns; a synthetic caller is no figure of an agent's."""
        match event:
            case SessionEnded(session=session, outcome=outcome) if not session.probe and outcome not in GOES_ON:
                who = self._who(session)
                self._metrics.add(catalog.AGENT_SESSIONS, *who, outcome)
                self._metrics.add(catalog.AGENT_COST, *who, amount=event.cost_usd)
            case TurnFinished(session=session, record=record) if not session.probe and record.owed:
                self._turn(self._who(session), record)
            case _:
                pass

    def _who(self, session: SessionInfo) -> tuple[str, str, str]:
        return self._label(session.agent), session.agent_role, session.tier

    def _turn(self, who: tuple[str, str, str], record: TurnRecord) -> None:
        self._metrics.add(catalog.AGENT_TURNS, *who, "yes" if record.slow else "no")
        if record.outcome in NO_REPLY:
            self._metrics.add(catalog.AGENT_NO_REPLY, *who)
        if record.reply_after_s is not None:
            self._metrics.observe(catalog.AGENT_LATENCY, *who, value=record.reply_after_s)

    def _label(self, name: str) -> str:
        if name not in self._names and len(self._names) >= MOST_AGENTS:
            return OTHER
        self._names.add(name)
        return name or OTHER
