"""The row of the cost board about agents: what a call of each costs, and what its tools do to that."""

from __future__ import annotations

from typing import Final

from agent.core.calls import TOOL
from agent.telemetry import catalog
from alerts.promql import equal, share, total
from dashboards.model import AGENT, TIER, WHO, WINDOW, BoardRow
from dashboards.panels import Panel, PanelSpec, PanelStyle, Query, graph

USD: Final = "currencyUSD"


def agents() -> BoardRow:
    """What do agents and their tools cost?"""
    return BoardRow("What do agents and their tools cost?", (_sessions(), _tools(), _rounds()))


def _sessions() -> Panel:
    panel = PanelSpec(
        83,
        "Session by agent",
        "What an ended session cost on average, by the agent that answered; a version that is tried is `canary`. One"
        " dearer than others: a longer prompt, more tools, routing terms that ask for Sonnet.",
        "No session has ended in this range.",
        8,
        7,
    )
    who = (*TIER, *AGENT)
    by = ("agent", "role")
    spent = total(catalog.AGENT_COST, WINDOW, by, who)
    expr = share(spent, total(catalog.AGENT_SESSIONS, WINDOW, by, who))
    return graph(panel, PanelStyle(USD, 4, 0), Query(expr, "{{agent}} {{role}}"))


def _tools() -> Panel:
    panel = PanelSpec(
        84,
        "Paid tools, dollars an hour",
        "Tools that the price book has a price for, by what became of their calls. `retry` is paid for twice: look at"
        " the tool.",
        "No tool has a price, or none with one was used.",
        8,
        7,
    )
    spent = total(catalog.COST, "1h", ("model", "cause"), (*WHO, equal("service", TOOL)))
    return graph(panel, PanelStyle(USD, 4, 0), Query(spent, "{{model}} {{cause}}"))


def _rounds() -> Panel:
    panel = PanelSpec(
        85,
        "Extra rounds of the model a turn",
        "How often a model was asked again with the results of tools, of all turns: each asks with the whole prompt.",
        "No agent has used a tool in this range.",
        8,
        7,
    )
    expr = share(total(catalog.TOOL_ROUNDS, WINDOW, (), WHO), total(catalog.TURNS, WINDOW, (), WHO))
    return graph(panel, PanelStyle("short", 2, 0), Query(expr, "rounds a turn"))
