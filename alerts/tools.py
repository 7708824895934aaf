"""Alerts on agents: their files, and the tools that they use in a turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry import catalog
from agent.telemetry.recorded_metrics import AGENT_SCORE
from alerts.model import Alert, PanelLink, RuleContext, Runbook
from alerts.promql import grown, like, value

FAILED_SHARE: Final = 0.2
LEAST_FAILED: Final = 3
"""Callers who were told that something did not work: one bad call is no incident."""
_FAILED: Final = ("failed", "timeout", "unavailable")
"""What is the tool's own; the rest is the model's or the caller's."""


def tools(setting: RuleContext) -> Iterator[Alert]:
    """Everything about agents and tools."""
    yield _failing(setting)
    yield _server_away(setting)
    yield _file_wrong()
    yield _version_worse()


def _failing(setting: RuleContext) -> Alert:
    by, span = ("tool",), setting.span(30)
    failed = grown(catalog.TOOL_CALLS, span, by, [like("outcome", *_FAILED)])
    whole = grown(catalog.TOOL_CALLS, span, by)
    return Alert(
        "VoiceAgentToolFailing",
        f"({failed}) / on (tool) ({whole}) > {FAILED_SHARE:g} and on (tool) ({failed}) >= {LEAST_FAILED}",
        "ticket",
        "{{ $value | humanizePercentage }} of the calls of the tool {{ $labels.tool }} failed in 30 minutes",
        "Failed, timed out, or not made because its breaker is open. Callers are told that it did not work; what they"
        " asked for was not done.",
        PanelLink("ux", 75, "What became of calls of tools"),
        Runbook(
            "What an agent is to do for its callers cannot be done: a booking, a look-up.",
            (
                "`timeout`: is it slow (panel “Tools take (p95)”)? What stands behind it, a database or a service?",
                "`failed`: the log says with which kind of error (`tool failed`); of HTTP and MCP tools"
                " `voice_agent_tool_faults_total` has the reason, such as `status_5xx` or `malformed`.",
                "`unavailable`: its breaker is open, and closes by itself when the tool works again.",
                "For longer: take the tool out of the agent's file; new sessions then do without it.",
            ),
            ("voice-agent agent list", "voice-agent report --since 1h"),
            "What stands behind it was restarted, and calls work again.",
        ),
        by,
        for_minutes=1,
        keep_firing_minutes=10,
    )


def _server_away(setting: RuleContext) -> Alert:
    by = ("server",)
    return Alert(
        "VoiceAgentMcpServerAway",
        f"{value(catalog.MCP_UP, by, how='min')} == 0",
        "ticket",
        "The MCP server {{ $labels.server }} has not been there for 5 minutes",
        "Its tools fail, and callers are told that it does not work. A process that has never reached it offers none of"
        " them.",
        PanelLink("ux", 78, "MCP servers"),
        Runbook(
            "What an agent is to do for its callers with the tools of this server cannot be done.",
            (
                "`mcp server lost` in the log says with which kind of error. `no_program`: is it installed where the"
                " service runs? `host`, `address`: is it in VOICE_AGENT_TOOL_HOSTS? ConnectError: does it run?",
                "One process of many: what is different there?",
                "For longer: take the server and its tools out of the agent's file.",
            ),
            ("voice-agent agent check",),
            "It was restarted: the service connects again by itself within a minute.",
        ),
        by,
        for_minutes=5,
        keep_firing_minutes=5,
    )


def _file_wrong() -> Alert:
    return Alert(
        "VoiceAgentAgentFileWrong",
        f"{value(catalog.AGENT_FILE_PROBLEMS)} > 0",
        "ticket",
        "{{ $value }} problems in the files of agents: a change is not in force",
        "A file of an agent was changed and is wrong. New sessions get the files as they were before, all of them; a"
        " process that is started again does not start.",
        PanelLink("ux", 79, "Problems in the files of agents"),
        Runbook(
            "Somebody has changed an agent, and believes that it is in force. The next deployment will fail.",
            (
                "What is wrong? The check names file and line, and so does `agents not changed` in the log.",
                "Mend the file, or put the one before back: it is looked at within a second.",
                "Do the processes differ? Then they see different folders.",
            ),
            ("voice-agent agent check", "voice-agent agent list"),
            "Never: it does not pass by itself, and a restart makes it worse.",
        ),
        for_minutes=2,
    )


def _version_worse() -> Alert:
    by = ("agent", "version")
    return Alert(
        "VoiceAgentAgentVersionWorse",
        f"{value(AGENT_SCORE, by)} >= 1",
        "ticket",
        "Version {{ $labels.version }} of {{ $labels.agent }} is significantly over a limit"
        ' ({{ $value | printf "%.1f" }} times the bound)',
        "The test of its ended calls is over its bound. In mode auto it is rolled back where the stable version is fine"
        " in the same time, no provider is out and no event loop is late; else somebody is asked.",
        PanelLink("ux", 97, "How sure it is that a version is worse"),
        Runbook(
            "A version of an agent that is tried makes callers wait, leaves them without a reply or loses them.",
            (
                "Was it rolled back already? `agent status` says so, and why not.",
                "Does the stable version suffer as well (3 of `compared`)? Do not: it is a provider or the machine.",
                "It alone (2)? Roll it back; sessions that run keep their version to the end.",
                "What is different in its file? Its prompt and its tools are what callers wait for.",
            ),
            (
                "voice-agent agent status",
                'voice-agent agent rollback AGENT --reason "WHY"',
                "voice-agent agent test --agent AGENT --sandbox",
            ),
            "A provider or a tool is out: both versions suffer from that.",
        ),
        by,
        for_minutes=5,
        keep_firing_minutes=15,
        labels={"action": "rollback"},
    )
