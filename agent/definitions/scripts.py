"""Scripted calls of an agent as data: what a caller says, and what has to come of it. `voice-agent agent test` plays
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from agent.budgets import Tier
from agent.definitions.definition import AgentDefinition, Line, Name, Value, VariableError
from agent.definitions.lines import line_of
from agent.definitions.toml import DefinitionError, made_of, read_toml
from agent.definitions.tools import TOOL_NAME
from agent.tools.tool import Tool

FOLDER: Final = "calls"
"""Beside the definitions of agents: the scripts of their calls."""

ToolName = Annotated[str, StringConstraints(pattern=TOOL_NAME)]
Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Phrases = Annotated[tuple[Phrase, ...], Field(max_length=20)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExpectedTool(_Part):
    """A tool that has to run. `arguments`: those that matter; it may have others."""

    name: ToolName
    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])


class ScriptedTurn(_Part):
    """What the caller says, and what has to come of it.

    tools: exactly these run, in any order; left out, any may. refuses: these do not run. hears, never: what the reply
    holds and does not hold, in any case.
    """

    says: Line
    tools: tuple[ExpectedTool, ...] | None = Field(None, max_length=8)
    refuses: tuple[ToolName, ...] = Field((), max_length=16)
    hears: Phrases = ()
    never: Phrases = ()


class ScriptedCall(_Part):
    """One call. `hears` and `never` are about all of it.

    results: what a tool returns instead of being run. fails: tools that are out of order.
    """

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    turns: tuple[ScriptedTurn, ...] = Field(min_length=1, max_length=40)
    tier: Tier = Tier.FREE
    variables: dict[Name, Value] = Field(default_factory=dict[str, Value])
    results: dict[ToolName, Any] = Field(default_factory=dict[str, Any])
    fails: tuple[ToolName, ...] = Field((), max_length=16)
    hears: Phrases = ()
    never: Phrases = ()

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if both := sorted(self.results.keys() & set(self.fails)):
            raise ValueError(f"{both[0]}: has a result, and fails")
        return self

    def named(self) -> Iterator[tuple[tuple[str | int, ...], str, Mapping[str, Any]]]:
        """Every tool that it names: where in the call, its name, and the arguments that are expected."""
        yield from ((("results", name), name, {}) for name in self.results)
        yield from ((("fails",), name, {}) for name in self.fails)
        for number, turn in enumerate(self.turns):
            for one in turn.tools or ():
                yield ("turns", number, "tools"), one.name, one.arguments
            yield from ((("turns", number, "refuses"), name, {}) for name in turn.refuses)


class ScriptFile(_Part):
    """The keys of a script file."""

    agent: Name
    calls: tuple[ScriptedCall, ...] = Field(min_length=1, max_length=200)


@dataclass(frozen=True, slots=True)
class Script:
    """The calls of one file."""

    file: ScriptFile
    path: Path

    @property
    def agent(self) -> str:
        return self.file.agent


def scripts_in(folders: Iterable[Path]) -> list[Path]:
    """The script files beside the definitions of these folders."""
    return [path for folder in folders for path in sorted((folder / FOLDER).glob("*.toml"))]


def is_script(path: Path) -> bool:
    """Whether a file is one of calls, and no definition. Raises DefinitionError for one that cannot be read."""
    return "calls" in read_toml(path)[1]


def read_script(path: Path, agents: Mapping[str, AgentDefinition]) -> Script:
    """Reads a script and checks it against its agent. Raises DefinitionError with all problems."""
    text, declared = read_toml(path)
    made = made_of(ScriptFile, path, text, declared)
    problems = [f"{path}:{line_of(text, where)}: {words}" for where, words in _problems(made, agents)]
    if problems:
        raise DefinitionError(problems)
    return Script(made, path)


def _problems(made: ScriptFile, agents: Mapping[str, AgentDefinition]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    agent = agents.get(made.agent)
    if agent is None:
        yield ("agent",), f"agent: there is no agent {made.agent}"
        return
    names: set[str] = set()
    for number, call in enumerate(made.calls):
        where = ("calls", number)
        if call.name in names:
            yield (*where, "name"), f"{call.name}: is there already"
        names.add(call.name)
        if call.tier not in agent.file.tiers:
            yield (*where, "tier"), f"{call.name}: {agent.name} answers no callers of the tier {call.tier}"
        try:
            agent.fill(call.variables)
        except VariableError as error:
            yield (*where, "variables"), f"{call.name}: variables: {error}"
        for place, name, arguments in call.named():
            yield from (((*where, *place), words) for words in _tool_problems(agent, name, arguments))


def _tool_problems(agent: AgentDefinition, name: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    tool = agent.tools.get(name)
    if tool is None:
        known = f"it has {', '.join(agent.tools)}" if agent.tools else "it has none"
        yield f"{name} is no tool of {agent.name}: {known}"
    elif isinstance(tool, Tool):
        yield from (f"{one} is no argument of {name}" for one in sorted(arguments.keys() - tool.arguments.names))
