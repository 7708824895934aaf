"""The tools of a definition: `[[tools]]` tables → what a session can use."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent.billing.prices import NANO
from agent.budgets import Tier
from agent.tools.builtin import BUILT_IN, take_note
from agent.tools.egress import Egress
from agent.tools.http_tool import Auth, HttpEndpoint, http_tool
from agent.tools.mcp_server import McpSpec, McpTool
from agent.tools.python_tool import ToolDeclarationError, load_function, tool_from
from agent.tools.tool import Tool, ToolRules, confirm_problems

TOOLS_LIMIT: Final = 16
"""Tools of an agent at most: the name is a metric label, and each is a part of every prompt."""

TOOL_NAME: Final = r"^[a-z][a-z0-9_]{0,47}$"
_OF_HTTP: Final = frozenset({"auth", "input", "output", "max_bytes"})


class ToolFile(BaseModel):
    """One `[[tools]]` table: `use` names a built-in tool, `python` a function, `http` an endpoint, `mcp` another's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    use: str | None = None
    python: str | None = None
    http: Annotated[str, StringConstraints(pattern=r"^(GET|POST|PUT|PATCH|DELETE) \S+$", max_length=508)] | None = None
    mcp: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}:\S{1,128}$")] | None = None
    description: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)] | None = None
    auth: Auth | None = None
    input: dict[str, Any] | None = None
    output: dict[str, Any] | None = None
    max_bytes: int | None = Field(None, ge=100, le=1_000_000)
    name: Annotated[str, StringConstraints(pattern=TOOL_NAME)] | None = None
    read_only: bool = False
    idempotent: bool = False
    confirm: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] | None = None
    timeout_s: float = Field(5.0, gt=0, le=30)
    result_tokens: int = Field(400, ge=20, le=4_000)
    calls_per_session: int = Field(20, ge=1, le=1_000)
    calls_per_minute: int | None = Field(None, ge=1, le=600)
    usd_per_session: float | None = Field(None, ge=0, le=100)
    tiers: tuple[Tier, ...] = Field(tuple(Tier), min_length=1)

    def rules(self) -> ToolRules:
        """How it is run."""
        tiers = frozenset(tier.value for tier in self.tiers)
        limits = (self.timeout_s, self.result_tokens, self.calls_per_session)
        most = None if self.usd_per_session is None else round(self.usd_per_session * NANO)
        return ToolRules(self.read_only, self.idempotent, self.confirm, *limits, tiers, self.calls_per_minute, most)


def build_tools(
    declared: Sequence[ToolFile], folder: Path, egress: Egress, servers: Mapping[str, McpSpec]
) -> tuple[Mapping[str, Tool | McpTool], list[tuple[tuple[str | int, ...], str]]]:
    """The tools by name, and what is wrong with them: (where in the file, words)."""
    tools: dict[str, Tool | McpTool] = {}
    problems: list[tuple[tuple[str | int, ...], str]] = []
    for number, one in enumerate(declared):
        try:
            tool = _build(one, folder, egress) if one.mcp is None else _mcp_tool(one, one.mcp, servers)
        except ToolDeclarationError as error:
            problems.append((("tools", number), f"tools: {error}"))
            continue
        if tool.name in tools:
            problems.append((("tools", number), f"tools: {tool.name} is there already"))
        if isinstance(tool, Tool):
            behind = json.dumps([str(folder.resolve()), one.use, one.python, one.http, one.auth and one.auth.secret])
            tool = replace(tool, behind=behind)
            wrong = confirm_problems(tool.name, tool.rules.confirm, tool.arguments)
            problems += [(("tools", number, "confirm"), f"tools: {words}") for words in wrong]
        tools[tool.name] = tool
    return tools, problems


def _build(one: ToolFile, folder: Path, egress: Egress) -> Tool:
    if sum(kind is not None for kind in (one.use, one.python, one.http)) != 1:
        raise ToolDeclarationError("takes one of `use`, `python`, `http` and `mcp`")
    if one.http is None and (wrong := sorted({"description", *_OF_HTTP} & one.model_fields_set)):
        raise ToolDeclarationError(f"`{wrong[0]}` belongs to `http`")
    _check_rules(one)
    if one.http is not None:
        return _build_http(one, one.http, egress)
    if one.use is None:
        return tool_from(load_function(one.python or "", folder), one.rules(), name=one.name)
    if one.use not in BUILT_IN:
        raise ToolDeclarationError(f"use takes one of {', '.join(BUILT_IN)}; not {one.use[:40]!r}")
    rules = one.rules()
    if one.use == take_note.__name__:  # it changes nothing that a caller would have to be told
        rules = replace(rules, read_only=True)
    return tool_from(BUILT_IN[one.use], rules)


def _check_rules(one: ToolFile) -> None:
    if one.read_only and one.confirm is not None:
        raise ToolDeclarationError("what is `read_only` needs no `confirm`")


def _mcp_tool(one: ToolFile, mcp: str, servers: Mapping[str, McpSpec]) -> McpTool:
    server, _, offered = mcp.partition(":")
    if others := sorted({"use", "python", "http", *_OF_HTTP} & one.model_fields_set):
        raise ToolDeclarationError(f"`{others[0]}` does not go with `mcp`")
    if server not in servers:
        raise ToolDeclarationError(f"mcp: there is no [mcp.{server}]")
    if one.description is None:
        raise ToolDeclarationError("`mcp` takes a `description`: the model reads your words, not the server's")
    if one.name is None and not re.fullmatch(TOOL_NAME, offered):
        raise ToolDeclarationError("takes a `name` of small letters, digits and _")
    _check_rules(one)
    return McpTool(servers[server], offered, one.name or offered, one.description, one.rules())


def _build_http(one: ToolFile, http: str, egress: Egress) -> Tool:
    if one.name is None or one.description is None:
        raise ToolDeclarationError("an `http` tool takes `name` and `description`: it is what the model reads")
    method, _, url = http.partition(" ")
    given = {key: value for key in ("auth", "input", "output", "max_bytes") if (value := getattr(one, key)) is not None}
    endpoint = HttpEndpoint.model_validate({"method": method, "url": url, **given})
    return http_tool(one.name, one.description, endpoint, one.rules(), egress)
