"""What is counted by agent: metrics of their own with few labels, so that agents multiply no other series."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from agent.telemetry import catalog
from agent.telemetry.events import Event, SessionEnded, SessionOutcome, TurnFinished
from agent.telemetry.exposition import Metrics
from agent.telemetry.timeline import TurnRecord

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
        self._shown: set[tuple[str, str]] = set()

    def in_force(self, agents: Iterable[tuple[str, int]]) -> None:
        """These agents, by name and version, answer new sessions."""
        shown = {(self._label(name), str(version)) for name, version in agents}
        for gone in self._shown - shown:
            self._metrics.forget(catalog.AGENT_INFO, *gone)
        for name, version in shown:
            self._metrics.set(catalog.AGENT_INFO, name, version, value=1)
        self._shown = shown

    def handle(self, event: Event) -> None:
        """Reads ended sessions and turns; a synthetic caller is no figure of an agent's."""
        match event:
            case SessionEnded(session=session, outcome=outcome) if not session.probe and outcome not in GOES_ON:
                name = self._label(session.agent)
                self._metrics.add(catalog.AGENT_SESSIONS, name, session.tier, outcome)
                self._metrics.add(catalog.AGENT_COST, name, session.tier, amount=event.cost_usd)
            case TurnFinished(session=session, record=record) if not session.probe and record.owed:
                self._turn(self._label(session.agent), session.tier, record)
            case _:
                pass

    def _turn(self, name: str, tier: str, record: TurnRecord) -> None:
        self._metrics.add(catalog.AGENT_TURNS, name, tier, "yes" if record.slow else "no")
        if record.reply_after_s is not None:
            self._metrics.observe(catalog.AGENT_LATENCY, name, tier, value=record.reply_after_s)

    def _label(self, name: str) -> str:
        if name not in self._names and len(self._names) >= MOST_AGENTS:
            return OTHER
        self._names.add(name)
        return name or OTHER
