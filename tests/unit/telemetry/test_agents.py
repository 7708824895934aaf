"""What is counted by agent, and how many there can be."""

from __future__ import annotations

from dataclasses import replace

from agent.budgets import Tier
from agent.definitions.versions import LiveVersion
from agent.server.tool_wiring import shown_files
from agent.telemetry import catalog
from agent.telemetry.agents import MOST_AGENTS, AgentMetrics
from agent.telemetry.catalog import Metric
from agent.telemetry.events import SessionEnded, SessionInfo, SessionOutcome, TurnFinished
from agent.telemetry.exposition import Metrics
from agent.telemetry.timeline import ToolCall, TurnOutcome
from tests.support.records import turn

HOTEL = SessionInfo("s1", "ada", Tier.FREE, "haiku_first", 1, agent="hotel", agent_version=3)


def read(metrics: Metrics, metric: Metric, part: str = "", **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"{metric.name}{part}", labels)


def test_sessions_turns_and_dollars_are_counted_by_agent() -> None:
    metrics = Metrics()
    counting = AgentMetrics(metrics)
    slow_tool = turn(llm_s=5.0, tools=[ToolCall("book", "ok", 101.0, 105.0, 1)], waits=[(100.4, 105.2)])
    for session in (HOTEL, replace(HOTEL, probe=True)):
        counting.handle(TurnFinished(session, turn(llm_s=5.0)))
        counting.handle(TurnFinished(session, slow_tool))
        counting.handle(SessionEnded(session, SessionOutcome.MOVED, 9.0, 2, 1, 0.02))
        counting.handle(SessionEnded(session, SessionOutcome.COMPLETED, 9.0, 2, 1, 0.03))
    who = {"agent": "hotel", "role": "stable", "tier": "free"}
    assert read(metrics, catalog.AGENT_SESSIONS, **who, outcome="completed") == 1
    assert read(metrics, catalog.AGENT_SESSIONS, **who, outcome="moved") is None, "another process ends it"
    assert read(metrics, catalog.AGENT_COST, **who) == 0.03
    assert read(metrics, catalog.AGENT_TURNS, **who, slow="yes") == 1
    assert read(metrics, catalog.AGENT_TURNS, **who, slow="no") == 1, "the tool was slow, and not the agent"
    assert read(metrics, catalog.AGENT_LATENCY, "_count", **who) == 2


def test_a_version_that_is_tried_is_counted_beside_the_stable_one() -> None:
    metrics = Metrics()
    counting = AgentMetrics(metrics)
    counting.handle(TurnFinished(HOTEL, turn()))
    tried = replace(HOTEL, agent_role="canary", agent_version=4)
    counting.handle(TurnFinished(tried, turn(outcome=TurnOutcome.FAILED)))
    counting.handle(SessionEnded(tried, SessionOutcome.VANISHED, 9.0, 2, 1, 0.02))
    who = {"agent": "hotel", "tier": "free"}
    assert read(metrics, catalog.AGENT_NO_REPLY, **who, role="canary") == 1
    assert read(metrics, catalog.AGENT_NO_REPLY, **who, role="stable") is None
    assert read(metrics, catalog.AGENT_SESSIONS, **who, role="canary", outcome="vanished") == 1


def test_what_has_not_happened_to_a_version_is_0_and_no_gap() -> None:
    metrics = Metrics()
    AgentMetrics(metrics).in_force([("hotel", 4, "stable", 90), ("hotel", 5, "canary", 10)])
    for role in ("stable", "canary"):
        who = {"agent": "hotel", "role": role, "tier": "free"}
        assert read(metrics, catalog.AGENT_SESSIONS, **who, outcome="vanished") == 0
        assert read(metrics, catalog.AGENT_TURNS, **who, slow="yes") == 0
        assert read(metrics, catalog.AGENT_NO_REPLY, **who) == 0
        assert read(metrics, catalog.AGENT_SESSIONS, **who, outcome="moved") is None, "it is never counted"


def test_the_first_decision_about_a_version_is_counted_from_0() -> None:
    metrics = Metrics()
    tell = shown_files(metrics, AgentMetrics(metrics))
    tell(0, [LiveVersion("hotel", 4, "stable", 90), LiveVersion("hotel", 5, "canary", 10)])
    tell(0, [LiveVersion("desk", 1, "stable", 100)])
    decided = {"outcome": "rolled_back", "reason": "verdict"}
    assert read(metrics, catalog.AGENT_DECISIONS, agent="hotel", **decided) == 0
    assert read(metrics, catalog.AGENT_DECISIONS, agent="desk", **decided) is None, "nothing of it is tried"


def test_versions_that_are_no_more_in_force_are_not_shown_and_names_are_bounded() -> None:
    metrics = Metrics()
    counting = AgentMetrics(metrics)
    counting.in_force([("hotel", 3, "stable", 100)])
    counting.in_force([("hotel", 4, "stable", 90), ("hotel", 5, "canary", 10)])
    assert read(metrics, catalog.AGENT_INFO, agent="hotel", version="3", role="stable") is None
    assert read(metrics, catalog.AGENT_INFO, agent="hotel", version="4", role="stable") == 90
    assert read(metrics, catalog.AGENT_INFO, agent="hotel", version="5", role="canary") == 10
    for number in range(2 * MOST_AGENTS):
        session = replace(HOTEL, agent=f"agent{number}")
        counting.handle(SessionEnded(session, SessionOutcome.COMPLETED, 9.0, 2, 1, 0.03))
    samples = next(one for one in metrics.registry.collect() if one.name == "voice_agent_agent_cost_usd").samples
    assert len(samples) == MOST_AGENTS
    assert read(metrics, catalog.AGENT_COST, agent="other", role="stable", tier="free") is not None
