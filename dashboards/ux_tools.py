"""The row of the UX board about agents: whether their tools work, and what callers of each of them wait for."""

from __future__ import annotations

from agent.telemetry import catalog
from alerts.promql import equal, quantile, share, total, value
from dashboards.model import AGENT, TIER, WHO, WINDOW, BoardRow
from dashboards.panels import Panel, PanelSpec, PanelStyle, Query, graph, states, words

NONE_USED = "No agent has used a tool in this range."


def tools() -> BoardRow:
    """Do agents and their tools work?"""
    return BoardRow(
        "Do agents and their tools work?",
        (_outcomes(), _seconds(), _waits(), _servers(), _files(), _agent_waits(), _agent_slow(), _versions()),
    )


def _outcomes() -> Panel:
    panel = PanelSpec(
        75,
        "What became of calls of tools",
        "Shares of all that models asked for. `failed` and `timeout` are the tool's, `unavailable` means that its"
        " breaker is open, `bad_arguments` and `unknown` are the model's, `unconfirmed` waits for a caller's yes.",
        NONE_USED,
        8,
        8,
    )
    each = total(catalog.TOOL_CALLS, WINDOW, ("outcome",))
    colours = {
        "ok": "green", "unconfirmed": "light-green", "refused": "yellow", "cancelled": "blue", "failed": "red",
        "timeout": "red", "unavailable": "orange", "bad_arguments": "purple", "unknown": "purple", "limit": "purple",
    }  # fmt: skip
    look = PanelStyle("percentunit", 0, None, 1, stacked=True, colours=colours)
    return graph(panel, look, Query(share(each, total(catalog.TOOL_CALLS, WINDOW), ()), "{{outcome}}"))


def _seconds() -> Panel:
    panel = PanelSpec(
        76,
        "Tools take (p95)",
        "How long each tool takes. Callers wait for it; a turn's budget leaves it out, and `voice_agent_stage_seconds`"
        " has it as a stage of its own.",
        NONE_USED,
        8,
        8,
    )
    return graph(panel, PanelStyle("s"), Query(quantile(0.95, catalog.TOOL_SECONDS, WINDOW, ("tool",)), "{{tool}}"))


def _waits() -> Panel:
    panel = PanelSpec(
        77,
        "Waiting where a tool is used",
        "Voice-to-voice of turns that used a tool, up to their answer, beside the first sound of all turns: a"
        ' "one moment" ends no wait, but it is better than silence.',
        NONE_USED,
        8,
        8,
    )
    queries = (
        Query(quantile(0.5, catalog.TOOL_TURN_LATENCY, WINDOW, (), WHO), "answer p50"),
        Query(quantile(0.95, catalog.TOOL_TURN_LATENCY, WINDOW, (), WHO), "answer p95"),
        Query(quantile(0.95, catalog.FIRST_SOUND, WINDOW, (), WHO), "first sound p95"),
    )
    colours = {"answer p50": "green", "answer p95": "orange", "first sound p95": "blue"}
    return graph(panel, PanelStyle("s", colours=colours), *queries)


def _servers() -> Panel:
    panel = PanelSpec(
        78,
        "MCP servers",
        "Red: a process has no connection to the server. Its tools fail, and it tries again within a minute.",
        "No agent names an MCP server.",
        12,
        5,
    )
    look = PanelStyle("none", None, None, mappings=words({0: ("away", "red"), 1: ("there", "green")}))
    return states(panel, look, Query(value(catalog.MCP_UP, ("server",), how="min"), "{{server}}"))


def _files() -> Panel:
    panel = PanelSpec(
        79,
        "Problems in the files of agents",
        "While it is not 0, a change is not in force: new sessions get all files as they were before."
        " `voice-agent agent check` names file and line.",
        "No process says which files it has: Prometheus scrapes no agent.",
        12,
        5,
    )
    look = PanelStyle("short", None, 0, steps=((None, "green"), (1, "red")))
    return graph(panel, look, Query(value(catalog.AGENT_FILE_PROBLEMS), "problems"))


def _agent_waits() -> Panel:
    panel = PanelSpec(
        80,
        "Answers by agent (p95)",
        "Voice-to-voice of turns with a real reply, by agent: time in tools is in it. One agent slower than the others:"
        " its tools, its prompt, its routing terms.",
        "No agent has answered a spoken turn in this range.",
        8,
        7,
    )
    expr = quantile(0.95, catalog.AGENT_LATENCY, WINDOW, ("agent",), (*TIER, *AGENT))
    return graph(panel, PanelStyle("s"), Query(expr, "{{agent}}"))


def _agent_slow() -> Panel:
    panel = PanelSpec(
        81,
        "Slow turns by agent",
        "Owed turns over the voice-to-voice budget, without the time that tools took.",
        "No agent has answered a spoken turn in this range.",
        8,
        7,
    )
    who = (*TIER, *AGENT)
    slow = total(catalog.AGENT_TURNS, WINDOW, ("agent",), (*who, equal("slow", "yes")))
    expr = share(slow, total(catalog.AGENT_TURNS, WINDOW, ("agent",), who))
    return graph(panel, PanelStyle("percentunit", None, 0), Query(expr, "{{agent}}"))


def _versions() -> Panel:
    panel = PanelSpec(
        82,
        "Calls by agent, and versions in force",
        "Calls of each agent that ended in an hour, beside the versions that new calls get and the processes that give"
        " them. A stable version twice: processes see different files.",
        "No agent is in force: no process runs.",
        8,
        7,
    )
    calls = f"{total(catalog.AGENT_SESSIONS, '1h', ('agent',), (*TIER, *AGENT))}"
    versions = value(catalog.AGENT_INFO, ("agent", "version", "role"), AGENT, how="count")
    look = PanelStyle("short", None, 0)
    return graph(panel, look, Query(calls, "{{agent}}"), Query(versions, "{{agent}} {{version}} {{role}}: processes"))
