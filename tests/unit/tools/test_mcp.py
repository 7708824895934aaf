"""Tools of MCP servers: a small one of ours made with the official SDK, and foreign ones where they are installed."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog
import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from structlog.testing import LogCapture

from agent.definitions.book import AgentBook, OutsideTools
from agent.definitions.definition import DefinitionError, read_definition
from agent.providers.fallback.breaker import Breakers
from agent.session.call_actions import SessionActions
from agent.tools import mcp_servers
from agent.tools.egress import Egress
from agent.tools.mcp_server import McpServerFile, McpSpec, McpTool
from agent.tools.mcp_servers import SERVERS_LIMIT, McpServers
from agent.tools.runner import TOOL_BREAKER, Returned, ToolOutcome, run_tool
from agent.tools.tool import Tool, ToolContext, ToolRules
from tests.support.mcp_rooms import rooms
from tests.support.paths import ROOT
from tests.support.providers import RecordingRecorder

SECRET = "s3cret-of-the-rooms"
READS = ToolRules(read_only=True, timeout_s=20)
OURS = McpServerFile(
    command=(sys.executable, "-m", "tests.support.mcp_rooms"), env={"PLAIN": "visible"}, secrets={"KEY": "ROOMS"}
)


async def loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


class Told:
    """Who is there, as it is told."""

    def __init__(self) -> None:
        self.news: list[tuple[str, bool | None]] = []
        self._some = asyncio.Event()

    def __call__(self, name: str, up: bool | None) -> None:
        self.news.append((name, up))
        self._some.set()

    async def until(self, count: int) -> None:
        """Waits for so much news in all."""
        async with asyncio.timeout(20):
            while len(self.news) < count:
                self._some.clear()
                await self._some.wait()


@asynccontextmanager
async def running(spec: McpSpec, told: Told) -> AsyncGenerator[McpServers]:
    egress = Egress([], ["rooms.test"], {"TOOL_SECRET_ROOMS": SECRET}, resolve=loopback)
    servers = McpServers(egress, told)
    servers.want([spec])
    task = asyncio.create_task(servers.run())
    try:
        await servers.first_tries(20)
        yield servers
    finally:
        task.cancel()
        await asyncio.wait({task})
        await egress.close()


def tool(servers: McpServers, spec: McpSpec, name: str, rules: ToolRules = READS) -> Tool:
    made = servers.tool(McpTool(spec, name, name.replace("-", "_"), "Words of ours.", rules))
    assert made is not None
    return made


async def used(made: Tool, **arguments: Any) -> Returned:
    breaker = Breakers(RecordingRecorder(), lambda _: None).of("tool", made.name, TOOL_BREAKER)
    call = ToolContext("session", "key-1", SessionActions(lambda _: None))
    return await run_tool(made, made.read(json.dumps(arguments)), call, breaker)


def play(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


def test_a_program_is_a_server_whose_tools_are_used_until_it_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process plays it all: it takes a second to start."""
    logs = LogCapture()
    log = structlog.wrap_logger(None, processors=[logs], wrapper_class=structlog.make_filtering_bound_logger(0))
    monkeypatch.setattr("agent.tools.runner.log", log)
    monkeypatch.setattr("agent.tools.mcp_servers.log", log)
    monkeypatch.setattr(mcp_servers, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key-of-ours")
    spec, told = McpSpec.of("rooms", OURS, ROOT), Told()

    async def scenario() -> None:
        async with running(spec, told) as servers:
            assert told.news == [("rooms", False), ("rooms", True)]
            free = tool(servers, spec, "free_rooms")
            assert free.spec.description == "Words of ours."
            assert free.arguments.always == {"day", "guests"}
            returned = await used(free, day="Friday")
            assert (returned.outcome, json.loads(returned.content)) == ("ok", {"result": ["garden on Friday for 1"]})
            assert (await used(tool(servers, spec, "fail"), day="Friday")).outcome is ToolOutcome.REFUSED

            tell = tool(servers, spec, "tell")
            assert "visible" in (await used(tell, what="PLAIN")).content
            echoed = (await used(tell, what="KEY")).content
            assert SECRET not in echoed
            assert "[secret]" in echoed
            assert "a-key-of-ours" not in (await used(tell, what="ANTHROPIC_API_KEY")).content

            assert servers.tool(McpTool(spec, "unknown", "unknown", "-", READS)) is None
            asks = ToolRules(confirm="On {day}?")
            assert servers.tool(McpTool(spec, "free_rooms", "free_rooms", "-", asks)) is None, "the yes has to hear all"

            gone = await used(tool(servers, spec, "vanish"))
            assert gone.outcome is ToolOutcome.FAILED
            assert servers.tool(McpTool(spec, "free_rooms", "free_rooms", "-", READS)) is not None, "as it was offered"
            await told.until(4)
            assert told.news[2:] == [("rooms", False), ("rooms", True)]
            assert (await used(tool(servers, spec, "free_rooms"), day="Monday")).outcome is ToolOutcome.OK
        assert told.news[-1] == ("rooms", False)
        assert [one for one in psutil.Process().children() if one.is_running()] == []

    play(scenario)
    assert "Friday" not in str(logs.entries)
    assert SECRET not in str(logs.entries)


@asynccontextmanager
async def over_http() -> AsyncGenerator[int]:
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = rooms().streamable_http_app(transport_security=security, json_response=True)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", ws="none", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


def test_a_server_over_http_gets_the_secret_and_the_key_and_no_more_than_fits_is_taken() -> None:
    async def scenario() -> None:
        async with over_http() as port:
            file = McpServerFile.model_validate({"url": f"http://rooms.test:{port}/mcp", "auth": {"secret": "ROOMS"}})
            spec, told = McpSpec.of("rooms", file, ROOT), Told()
            async with running(spec, told) as servers:
                returned = await used(tool(servers, spec, "headers", ToolRules(timeout_s=20)))
                assert "Bearer [secret]" in returned.content
                assert "'voice-agent/idempotency-key': 'key-1'" in returned.content
                assert SECRET not in returned.content
                assert (await used(tool(servers, spec, "flood"))).outcome is ToolOutcome.FAILED
                assert (await used(tool(servers, spec, "free_rooms"), day="Friday")).outcome is ToolOutcome.OK

    play(scenario)


@pytest.mark.parametrize(
    ("file", "error"),
    [
        (McpServerFile(command=("no-such-program",)), "OutsideError no_program"),
        (McpServerFile(command=(sys.executable, "-c", "print('words of a caller')")), "MCPError"),
        (McpServerFile(url="http://rooms.test:1/mcp"), "ConnectError"),
        (McpServerFile(url="http://elsewhere.test/mcp"), "OutsideError host"),
    ],
)
def test_a_server_that_is_not_there_costs_nothing_but_its_tools(
    file: McpServerFile, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = LogCapture()
    log = structlog.wrap_logger(None, processors=[logs], wrapper_class=structlog.make_filtering_bound_logger(0))
    monkeypatch.setattr("agent.tools.mcp_servers.log", log)
    spec, told = McpSpec.of("rooms", file, ROOT), Told()

    async def scenario() -> None:
        async with running(spec, told) as servers:
            assert servers.tool(McpTool(spec, "free_rooms", "free_rooms", "-", READS)) is None

    play(scenario)
    assert {up for _, up in told.news} == {False}
    assert [(entry["event"], entry["error"]) for entry in logs.entries] == [("mcp server lost", error)]


def test_servers_are_bounded_and_one_that_nobody_names_is_let_go_later() -> None:
    async def scenario() -> None:
        told = Told()
        servers = McpServers(Egress(), told, linger_s=0.0)
        specs = [
            McpSpec.of(f"s{number}", McpServerFile(command=("no-such-program",)), ROOT)
            for number in range(SERVERS_LIMIT + 1)
        ]
        servers.want(specs)
        task = asyncio.create_task(servers.run())
        await servers.first_tries(5)
        assert len(servers.names) == SERVERS_LIMIT
        servers.want(specs[1:2])
        assert ("s0", None) in told.news
        assert ("s1", None) not in told.news
        await asyncio.sleep(0)
        assert servers.names == ["s1"]
        task.cancel()
        await asyncio.wait({task})

    play(scenario)


def test_a_server_that_is_edited_again_and_again_is_still_started() -> None:
    """Each edit is another server; older ones are kept for the sessions that know them, as long as there is room."""

    async def scenario() -> None:
        servers = McpServers(Egress(), Told(), linger_s=3600.0)
        edits = [
            McpSpec.of("rooms", McpServerFile(command=("no-such-program", str(number))), ROOT)
            for number in range(SERVERS_LIMIT + 2)
        ]
        task = asyncio.create_task(servers.run())
        for edit in edits[:-1]:
            servers.want([edit])
            await servers.first_tries(5)
        servers.want(edits[-1:])
        assert len(servers.names) == SERVERS_LIMIT
        kept = {edit for edit in edits if servers.keeps(edit)}
        assert kept == set(edits[2:])
        task.cancel()
        await asyncio.wait({task})

    play(scenario)


FILE = """\
name = "hotel"
version = 1
prompt = "You answer."

[mcp.rooms]
command = ["no-such-program", "--fast"]
secrets = { KEY = "ROOMS" }

[[tools]]
mcp = "rooms:free-rooms"
name = "free_rooms"
description = "Which rooms are free."
read_only = true

[[tools]]
use = "end_call"
"""


def definition(folder: Path, text: str) -> Any:
    path = folder / "hotel.toml"
    path.write_text(text, encoding="utf-8")
    return read_definition(path, Egress(["rooms.example"], environment={"TOOL_SECRET_ROOMS": SECRET}))


def test_a_file_names_servers_and_their_tools(tmp_path: Path) -> None:
    made = definition(tmp_path, FILE)
    (spec,) = made.servers
    assert made.tools["free_rooms"] == McpTool(
        spec, "free-rooms", "free_rooms", "Which rooms are free.", ToolRules(read_only=True)
    )
    assert SECRET not in repr(made)
    egress = Egress(environment={"TOOL_SECRET_ROOMS": SECRET})
    outside = OutsideTools(egress, McpServers(egress))
    book = AgentBook(tmp_path, "hotel", outside)
    assert outside.servers is not None
    assert outside.servers.names == ["rooms"]
    assert set(outside.of(book.usual)) == {"end_call"}, "what no server has offered is no tool"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"rooms:free-rooms"', '"hall:free-rooms"', ":9: tools: mcp: there is no [mcp.hall]"),
        ('description = "Which rooms are free."\n', "", ":9: tools: `mcp` takes a `description`"),
        ('name = "free_rooms"\n', "", ":9: tools: takes a `name`"),
        ('KEY = "ROOMS"', 'KEY = "NONE"', ":5: mcp.rooms: TOOL_SECRET_NONE is not set"),
        ('command = ["no-such-program", "--fast"]', 'url = "https://rooms.example"', ":5: mcp.rooms"),
        ('command = ["no-such-program", "--fast"]\nsecrets = { KEY = "ROOMS" }', 'url = "https://else.example"',
         ":5: mcp.rooms: else.example is not in VOICE_AGENT_TOOL_HOSTS"),
        ("read_only = true", 'input = { type = "object" }', ":9: tools: `input` does not go with `mcp`"),
        ("read_only = true", 'use = "end_call"', ":9: tools: `use` does not go with `mcp`"),
    ],
)  # fmt: skip
def test_a_server_that_is_named_wrongly_is_told_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in FILE
    with pytest.raises(DefinitionError) as caught:
        definition(tmp_path, FILE.replace(old, new))
    assert words in "\n".join(caught.value.problems)


FOREIGN = [
    ("mcp-server-time", "get_current_time", {"timezone": "Europe/Paris"}, "Europe/Paris"),
    ("mcp-server-everything", "echo", {"message": "hello"}, "hello"),
]
"""Reference servers: `pip install mcp-server-time`, `npm install @modelcontextprotocol/server-everything`."""


@pytest.mark.slow
@pytest.mark.parametrize(("program", "name", "arguments", "expected"), FOREIGN)
def test_a_foreign_reference_server_is_understood(
    program: str, name: str, arguments: dict[str, Any], expected: str
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    spec = McpSpec.of("foreign", McpServerFile(command=(program,)), ROOT)

    async def scenario() -> None:
        async with running(spec, Told()) as servers:
            returned = await used(tool(servers, spec, name), **arguments)
            assert returned.outcome is ToolOutcome.OK
            assert expected in returned.content

    play(scenario)
