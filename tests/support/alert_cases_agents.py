"""The same for the alerts on agents, their files, versions and tools."""

from __future__ import annotations

from tests.support.alert_cases import Case

AGENT_CASES = (
    Case(
        "VoiceAgentMcpServerAway",
        (
            ('voice_agent_mcp_server_up{server="rooms",instance="a"}', "1x60"),
            ('voice_agent_mcp_server_up{server="rooms",instance="b"}', "1x10 0x50"),
        ),
        "15m",
        "17m",
        {"server": "rooms"},
        "The MCP server rooms has not been there for 5 minutes",
    ),
    Case(
        "VoiceAgentAgentFileWrong",
        (("voice_agent_agent_file_problems", "0x10 2x50"),),
        "12m",
        "14m",
        {},
        "2 problems in the files of agents: a change is not in force",
    ),
    Case(
        "VoiceAgentAgentVersionWorse",
        (
            ('voice_agent:agent:score{agent="hotel",version="4",signal="slow_turns"}', "0x10 1.3x50"),
            ('voice_agent:agent:score{agent="hotel",version="4",signal="no_reply"}', "0.9x60"),
        ),
        "14m",
        "16m",
        {"agent": "hotel", "version": "4", "action": "rollback"},
        "Version 4 of hotel is significantly over a limit (1.3 times the bound)",
    ),
    Case(
        "VoiceAgentToolFailing",
        (
            ('voice_agent_tool_calls_total{tool="book_room",outcome="ok"}', "0+1x60"),
            ('voice_agent_tool_calls_total{tool="book_room",outcome="failed"}', "_x30 1+1x30"),
        ),
        "31m",
        "60m",
        {"tool": "book_room"},
        "50% of the calls of the tool book_room failed in 30 minutes",
    ),
)
