"""All agents of a process: the shipped ones and the operator's, read again when their files change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from agent.core.errors import ConfigurationError
from agent.definitions.definition import AgentDefinition, DefinitionError, read_definition
from agent.definitions.versions import AgentVersions, LiveVersion, Role, grouped
from agent.tools.egress import Egress
from agent.tools.mcp_server import McpTool
from agent.tools.mcp_servers import McpServers
from agent.tools.tool import Tool

SHIPPED: Final = Path(__file__).with_name("agents")
AGENTS_LIMIT: Final = 16
"""Agents of a process at most."""
EVERY_S: Final = 1.0
"""How often the files are looked at."""

Tell = Callable[[int, Sequence[LiveVersion]], None]
"""Is told how many things are wrong with the files that are there now, and which versions are in force."""
Stamp = dict[Path, tuple[int, int]]

log = structlog.get_logger()


def folders(own: Path | None) -> list[Path]:
    """Where definitions are: the shipped folder, and an operator's."""
    return [SHIPPED] if own is None else [SHIPPED, own]


def files_in(folder: Path | None) -> list[Path]:
    """The definitions of the shipped folder and of an operator's, whose files stand in front of those of one name.

    Raises DefinitionError where the folder cannot be read.
    """
    found = {path.name: path for path in sorted(SHIPPED.glob("*.toml"))}
    if folder is not None:
        if not folder.is_dir():
            raise DefinitionError([f"{folder}:1: is not a folder"])
        found |= {path.name: path for path in sorted(folder.glob("*.toml"))}
    return list(found.values())


def read_all(paths: Iterable[Path], egress: Egress | None = None) -> dict[str, AgentDefinition]:
    """Name → usual definition. Raises DefinitionError with the problems of all files."""
    return {name: versions.usual for name, versions in read_versions(paths, egress).items()}


def read_versions(paths: Iterable[Path], egress: Egress | None = None) -> dict[str, AgentVersions]:
    """Name → versions. Raises DefinitionError with the problems of all files."""
    found: list[AgentDefinition] = []
    problems: list[str] = []
    for path in paths:
        try:
            found.append(read_definition(path, egress))
        except DefinitionError as error:
            problems.extend(error.problems)
    agents, wrong = grouped(found)
    if not problems:
        problems += wrong
    if len(agents) > AGENTS_LIMIT:
        problems.append(f"{found[0].path.parent}:1: holds more than {AGENTS_LIMIT} agents")
    if problems:
        raise DefinitionError(problems)
    return agents


def every(agents: Mapping[str, AgentVersions]) -> list[AgentDefinition]:
    """All versions of all agents."""
    return [one for versions in agents.values() for one in versions.by_number.values()]


@dataclass(frozen=True, slots=True)
class OutsideTools:
    """What tools of agents reach: where they may go, and the MCP servers of the process, where it keeps any."""

    egress: Egress
    servers: McpServers | None = None
    tap: Callable[[Tool], Tool] = field(default=lambda tool: tool)
    """What stands before every tool: a rehearsal sees what is asked of it, and may answer in its place."""

    def of(self, agent: AgentDefinition) -> dict[str, Tool]:
        """The tools of an agent as they are now; those that a server has never offered are left out."""
        found = {name: self._now(tool) for name, tool in agent.tools.items()}
        return {name: self.tap(tool) for name, tool in found.items() if tool is not None}

    def _now(self, tool: Tool | McpTool) -> Tool | None:
        if isinstance(tool, Tool):
            return tool
        return None if self.servers is None else self.servers.tool(tool)


class AgentBook:
    """The agents that new sessions get. Sessions keep the definition that they began with."""

    def __init__(
        self,
        folder: Path | None,
        usual: str,
        tools: OutsideTools | None = None,
        tell: Tell = lambda _problems, _agents: None,
        policies: Container[str] | None = None,
        pinned: Mapping[str, int] | None = None,
    ) -> None:
        """`usual` answers where a session names none; `tools` stand outside. Raises ConfigurationError.

        `pinned` are versions of agents that all sessions get, whatever is assigned.
        """
        self._pinned = {agent: {str(version): 100} for agent, version in (pinned or {}).items()}
        self._weights: Mapping[str, Mapping[str, int]] = self._pinned
        self._policies = policies
        self._folder = folder
        self._tools = tools or OutsideTools(Egress())
        self._usual = usual
        self._stamp = self._look()
        self._wrong = 0  # problems of the files that are there now
        self.versions: Mapping[str, AgentVersions] = read_versions(self._stamp, self._tools.egress)
        self._check(self.versions)
        self._want_servers()
        self._tell = tell
        tell(0, self.live())

    def find(self, name: str | None) -> AgentDefinition | None:
        """The agent of this name, or the usual one; None where there is none of that name.

        Of several versions it is that of the file `name.toml`.
        """
        return self.agents.get(name or self._usual)

    @property
    def agents(self) -> Mapping[str, AgentDefinition]:
        """All agents by name, each in the version of the file `name.toml`."""
        return {name: versions.usual for name, versions in self.versions.items()}

    def answering(self, name: str | None) -> list[AgentDefinition]:
        """The versions of an agent that a new session may get; none where there is no such agent."""
        versions = self.versions.get(name or self._usual)
        if versions is None:
            return []
        return [versions.by_number[one.version] for one in versions.live(self._weights.get(versions.usual.name))]

    def chosen(self, name: str | None, session_id: str, kept: int | None) -> tuple[AgentDefinition, Role] | None:
        """Who answers a session; None where there is no such agent. One that goes on keeps its version, `kept`."""
        versions = self.versions.get(name or self._usual)
        if versions is None:
            return None
        weights = self._weights.get(versions.usual.name)
        if kept is not None and kept in versions.by_number:
            return versions.by_number[kept], versions.role(weights, kept)
        return versions.pick(weights, session_id)

    def assign(self, weights: Mapping[str, Mapping[str, int]]) -> None:
        """Puts other weights in force: by agent, percents by version."""
        self._weights = {**weights, **self._pinned}
        self._tell(self._wrong, self.live())

    def live(self) -> list[LiveVersion]:
        """The versions that new sessions get."""
        return [one for name, found in self.versions.items() for one in found.live(self._weights.get(name))]

    @property
    def usual(self) -> AgentDefinition:
        """The agent that answers where nothing else is asked for."""
        return self.agents[self._usual]

    async def follow(self) -> None:
        """Takes changed files for new sessions; a file that is wrong changes nothing. Runs until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.refresh()

    async def refresh(self) -> bool:
        """Looks at the files once; whether other definitions are in force now."""
        try:
            stamp = await asyncio.to_thread(self._look)
            if stamp == self._stamp:
                return False
            self._stamp = stamp  # what is wrong with these files is told once
            versions = await asyncio.to_thread(read_versions, stamp, self._tools.egress)
            self._check(versions)
        except ConfigurationError as error:
            self._wrong = len(error.problems) if isinstance(error, DefinitionError) else 1
            self._tell(self._wrong, self.live())
            log.warning("agents not changed", problem=str(error))
            return False
        self.versions, self._wrong = versions, 0
        self._tell(0, self.live())
        self._want_servers()
        log.info("agents changed", agents={name: list(found.by_number) for name, found in versions.items()})
        return True

    def _want_servers(self) -> None:
        if self._tools.servers is not None:
            self._tools.servers.want(spec for agent in every(self.versions) for spec in agent.servers)

    def _look(self) -> Stamp:
        found: Stamp = {}
        for path in files_in(self._folder):
            try:
                status = path.stat()
            except OSError:
                continue  # it went a moment ago
            found[path] = (status.st_mtime_ns, status.st_size)
        return found

    def _check(self, agents: Mapping[str, AgentVersions]) -> None:
        """What takes more than the files to know."""
        unknown = [
            f"{agent.path}:{agent.line('policies')}: policies: there is no policy {name}"
            for agent in every(agents)
            for name in agent.file.policies
            if self._policies is not None and name not in self._policies
        ]
        if unknown:
            raise DefinitionError(unknown)
        if self._usual not in agents:
            known = ", ".join(agents)
            raise ConfigurationError(f"VOICE_AGENT_AGENT: takes one of {known}; not {self._usual}")
