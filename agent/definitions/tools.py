"""The tools of a definition: `[[tools]]` tables → what a session can use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent.budgets import Tier
from agent.tools.builtin import BUILT_IN
from agent.tools.python_tool import ToolDeclarationError, load_function, tool_from
from agent.tools.tool import Tool, ToolRules

TOOLS_LIMIT: Final = 16
"""Tools of an agent at most: the name is a metric label, and each is a part of every prompt."""


class ToolFile(BaseModel):
    """One `[[tools]]` table: `use` names a built-in tool, `python` a function of one's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    use: str | None = None
    python: str | None = None
    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")] | None = None
    read_only: bool = False
    idempotent: bool = False
    confirm: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] | None = None
    timeout_s: float = Field(5.0, gt=0, le=30)
    result_tokens: int = Field(400, ge=20, le=4_000)
    calls_per_session: int = Field(20, ge=1, le=1_000)
    tiers: tuple[Tier, ...] = Field(tuple(Tier), min_length=1)

    def rules(self) -> ToolRules:
        """How it is run."""
        tiers = frozenset(tier.value for tier in self.tiers)
        limits = (self.timeout_s, self.result_tokens, self.calls_per_session)
        return ToolRules(self.read_only, self.idempotent, self.confirm, *limits, tiers)


def build_tools(
    declared: Sequence[ToolFile], folder: Path
) -> tuple[Mapping[str, Tool], list[tuple[tuple[str | int, ...], str]]]:
    """The tools by name, and what is wrong with them: (where in the file, words)."""
    tools: dict[str, Tool] = {}
    problems: list[tuple[tuple[str | int, ...], str]] = []
    for number, one in enumerate(declared):
        try:
            tool = _build(one, folder)
        except ToolDeclarationError as error:
            problems.append((("tools", number), f"tools: {error}"))
            continue
        if tool.name in tools:
            problems.append((("tools", number), f"tools: {tool.name} is there already"))
        problems += [(("tools", number, "confirm"), f"tools: {words}") for words in _about_confirm(tool)]
        tools[tool.name] = tool
    return tools, problems


def _build(one: ToolFile, folder: Path) -> Tool:
    if (one.use is None) == (one.python is None):
        raise ToolDeclarationError("takes either `use` or `python`")
    if one.read_only and one.confirm is not None:
        raise ToolDeclarationError("what is `read_only` needs no `confirm`")
    if one.use is None:
        return tool_from(load_function(one.python or "", folder), one.rules(), name=one.name)
    if one.use not in BUILT_IN:
        raise ToolDeclarationError(f"use takes one of {', '.join(BUILT_IN)}; not {one.use[:40]!r}")
    return tool_from(BUILT_IN[one.use], one.rules())


def _about_confirm(tool: Tool) -> Iterable[str]:
    """The caller is to hear everything that he says yes to."""
    if tool.rules.confirm is None:
        return
    try:
        named = {name for _, name, _, _ in Formatter().parse(tool.rules.confirm) if name is not None}
    except ValueError as error:
        yield f"confirm: {error}"
        return
    known = set(tool.arguments.model_fields)
    for name in sorted(named - known):
        yield f"confirm: {{{name}}} is no argument of {tool.name}"
    for name in sorted(known - named):
        yield f"confirm: lacks {{{name}}}: the caller has to hear what the yes is about"
