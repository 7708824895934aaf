"""The row of the UX board about versions of agents: one that is tried beside the stable one, in the same time."""

from __future__ import annotations

from agent.telemetry import catalog
from agent.telemetry.recorded_metrics import AGENT_COMPARISON, AGENT_SCORE
from alerts.promql import equal, like, share, total, value
from dashboards.model import AGENT, TIER, WINDOW, BoardRow
from dashboards.panels import Panel, PanelSpec, PanelStyle, Query, graph

_WHO = (*TIER, *AGENT)
_BY = ("agent", "role")
_LOST = like("outcome", "vanished", "failed", "crashed")


def versions() -> BoardRow:
    """Is a version of an agent worse?"""
    return BoardRow("Is a version of an agent worse?", (_slow(), _lost(), _evidence(), _decisions()))


def _slow() -> Panel:
    panel = PanelSpec(
        95,
        "Slow turns of both versions",
        "Owed turns over the voice-to-voice budget, of the stable version and of the one that is tried, in the same"
        " time. Both rise: the cause lies elsewhere.",
        "No agent has answered a spoken turn in this range.",
        6,
        8,
    )
    slow = total(catalog.AGENT_TURNS, WINDOW, _BY, (*_WHO, equal("slow", "yes")))
    expr = share(slow, total(catalog.AGENT_TURNS, WINDOW, _BY, _WHO))
    return graph(panel, PanelStyle("percentunit", None, 0), Query(expr, "{{agent}} {{role}}"))


def _lost() -> Panel:
    panel = PanelSpec(
        96,
        "Lost calls, turns without a reply",
        "Of both versions: shares of ended calls that were lost, and of owed turns that got no reply. Only the canary"
        " rises: roll it back.",
        "No call of an agent has ended in this range.",
        6,
        8,
    )
    lost = total(catalog.AGENT_SESSIONS, WINDOW, _BY, (*_WHO, _LOST))
    silent = total(catalog.AGENT_NO_REPLY, WINDOW, _BY, _WHO)
    return graph(
        panel,
        PanelStyle("percentunit", None, 0),
        Query(share(lost, total(catalog.AGENT_SESSIONS, WINDOW, _BY, _WHO)), "{{agent}} {{role}} lost"),
        Query(share(silent, total(catalog.AGENT_TURNS, WINDOW, _BY, _WHO)), "{{agent}} {{role}} without a reply"),
    )


def _evidence() -> Panel:
    panel = PanelSpec(
        97,
        "How sure it is that a version is worse",
        "The sequential test of its ended calls, by signal: from 1 on it is significantly over a limit. `compared` is"
        " the comparison with the stable version: 1 goes on, 2 it alone is bad, 3 both are, 4 too few callers, 5 only"
        " a few callers suffer. At 1 and 2 it is rolled back, or somebody is asked.",
        "No version of an agent is tried.",
        6,
        8,
    )
    return graph(
        panel,
        PanelStyle("short", 2, 0),
        Query(value(AGENT_SCORE, AGENT_SCORE.labels, AGENT), "{{agent}} {{version}} {{signal}}"),
        Query(value(AGENT_COMPARISON, AGENT_COMPARISON.labels, AGENT), "{{agent}} {{version}} compared"),
    )


def _decisions() -> Panel:
    panel = PanelSpec(
        98,
        "Decisions about versions",
        "What became of alerts that ask for a version to be rolled back, in a day. `held` says why not.",
        "No alert has asked for a version to be rolled back.",
        6,
        8,
    )
    decided = total(catalog.AGENT_DECISIONS, "24h", ("agent", "outcome", "reason"), AGENT)
    return graph(panel, PanelStyle("short", 0, 0), Query(decided, "{{agent}} {{outcome}}: {{reason}}"))
