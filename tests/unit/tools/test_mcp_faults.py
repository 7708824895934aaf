"""MCP servers that break the rules: each call fails honestly and soon, and those beside it go on."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest

from agent.providers.fallback.breaker import Breakers
from agent.session.call_actions import SessionActions
from agent.tools import mcp_servers, mcp_stdio
from agent.tools.egress import Egress
from agent.tools.mcp_server import McpServerFile, McpSpec, McpTool
from agent.tools.mcp_servers import McpServers
from agent.tools.runner import TOOL_BREAKER, Returned, ToolOutcome, run_tool
from agent.tools.tool import ToolContext, ToolRules
from tests.support import mcp_liar
from tests.support.http_endpoint import Answer, Asked, endpoint
from tests.support.paths import ROOT
from tests.support.providers import RecordingRecorder

PROGRAM = McpServerFile(command=(sys.executable, "-S", "-m", "tests.support.mcp_liar"))
SOON = ToolRules(timeout_s=8)
"""Longer than any of it takes: what fails by its time says so in its own test."""


async def loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


class Watched:
    """Servers while they run, and what was noted of them."""

    def __init__(
        self, servers: McpServers, spec: McpSpec, notes: Counter[str], news: asyncio.Queue[bool | None]
    ) -> None:
        self.servers, self.spec, self.notes, self.news = servers, spec, notes, news

    async def used(self, name: str, rules: ToolRules = SOON) -> Returned:
        made = self.servers.tool(McpTool(self.spec, name, name, "Words.", rules))
        assert made is not None
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("tool", name, TOOL_BREAKER)
        return await run_tool(made, {}, ToolContext("session", "key", SessionActions(lambda _: None)), breaker)

    async def until(self, up: bool) -> None:
        async with asyncio.timeout(10):
            while await self.news.get() is not up:
                pass


@asynccontextmanager
async def running(file: McpServerFile) -> AsyncGenerator[Watched]:
    spec, notes, news = McpSpec.of("liar", file, ROOT), Counter[str](), asyncio.Queue[bool | None]()
    egress = Egress([], ["liar.test"], resolve=loopback)
    servers = McpServers(
        egress, lambda _name, up: news.put_nowait(up), note=lambda _name, reason: notes.update([reason])
    )
    servers.want([spec])
    task = asyncio.create_task(servers.run())
    try:
        await servers.first_tries(20)
        yield Watched(servers, spec, notes, news)
    finally:
        task.cancel()
        await asyncio.wait({task})
        await egress.close()


async def test_a_wrong_line_fails_its_own_call_and_no_other() -> None:
    """One program plays them all, and answers each right call between them over the same connection."""
    expected = {
        "too_long": (ToolOutcome.FAILED, "too_large"),
        "not_json": (ToolOutcome.FAILED, "malformed"),
        "half_utf8": (ToolOutcome.FAILED, "malformed"),
        "half_character": (ToolOutcome.FAILED, "malformed"),
        "nan": (ToolOutcome.FAILED, "malformed"),
        "infinite": (ToolOutcome.FAILED, "malformed"),
        "wrong_type": (ToolOutcome.FAILED, "malformed"),
        "no_result": (ToolOutcome.FAILED, "malformed"),
        "deep": (ToolOutcome.FAILED, "malformed"),
        "error": (ToolOutcome.FAILED, "mcp"),
        "says_no": (ToolOutcome.REFUSED, ""),
        "twice": (ToolOutcome.OK, ""),
        "asks_back": (ToolOutcome.OK, ""),
        "talks": (ToolOutcome.OK, ""),
        "pictures": (ToolOutcome.OK, ""),
    }
    found: dict[str, tuple[str, str]] = {}
    async with running(PROGRAM) as liar:
        assert liar.servers.names == ["liar"]
        for name in expected:
            beside, returned = await asyncio.gather(liar.used("ok"), liar.used(name))
            found[name] = returned.outcome, returned.reason
            assert beside.outcome is ToolOutcome.OK, name
            assert "words of a caller" not in returned.content
        assert found == expected
        assert liar.notes == {"too_large": 2, "malformed": 205}
        for name in ("silent", "other_id"):
            late = await liar.used(name, ToolRules(timeout_s=0.1))
            assert late.outcome is ToolOutcome.TIMEOUT
            assert "not known whether it happened" in late.content
        assert (await liar.used("ok")).outcome is ToolOutcome.OK


@pytest.mark.parametrize("name", ["dies", "closes", "endless", "spawns"])
async def test_a_program_that_ends_in_a_call_fails_it_at_once_and_is_started_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_servers, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(mcp_stdio, "GOES_BY_ITSELF_S", 0.2)
    async with running(PROGRAM) as liar:
        await liar.until(up=True)
        returned = await liar.used(name)
        assert returned.outcome is ToolOutcome.FAILED
        assert "not known whether it happened" in returned.content
        await liar.until(up=False)
        await liar.until(up=True)
        assert (await liar.used("ok")).outcome is ToolOutcome.OK
        assert liar.notes == ({"too_large": 1} if name == "endless" else {})
    mine = [one for one in psutil.Process().children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]
    assert [one for one in mine if "mcp_liar" in " ".join(one.cmdline())] == []


async def test_a_tool_that_is_offered_no_more_fails_and_new_ones_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.tools.mcp_server.LOOK_S", 0.05)
    shrinks = McpServerFile(command=(*(PROGRAM.command or ()), "shrinks"))
    async with running(shrinks) as liar:
        last = McpTool(liar.spec, mcp_liar.FAULTS[-2], "pictures", "Words.", SOON)
        async with asyncio.timeout(10):
            while liar.servers.tool(last) is not None:  # noqa: ASYNC110  nothing tells of it
                await asyncio.sleep(0.01)
        assert (await liar.used("ok")).outcome is ToolOutcome.OK


JSON = {"content-type": "application/json"}
STREAM = b"HTTP/1.1 200 -\r\ncontent-type: text/event-stream\r\n\r\n"
HTTP = {
    "too_long": ("malformed", Answer(body=b"")),
    "not_json": ("malformed", Answer(body=b"")),
    "half_utf8": ("malformed", Answer(body=b"")),
    "nan": ("malformed", Answer(body=b"")),
    "wrong_type": ("malformed", Answer(body=b"")),
    "error": ("mcp", Answer(body=b"")),
    "html": ("mcp", Answer(body=b"<html>", headers={"content-type": "text/html"})),
    "status_500": ("mcp", Answer(500, body=b"trouble", headers={})),
    "redirect": ("mcp", Answer(307, body=b"", headers={"location": "http://127.0.0.1:1/mcp"})),
    "cut": ("malformed", Answer(raw=b"HTTP/1.1 200 -\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{")),
    "packed": ("mcp", Answer(body=gzip.compress(bytes(9_000_000)), headers={**JSON, "content-encoding": "gzip"})),
    "stream_cut": ("mcp", Answer(raw=STREAM + b'data: {"jsonrpc"')),
    "stream_ends": ("mcp", Answer(raw=STREAM)),
    "stream_too_long": ("mcp", Answer(raw=STREAM + b"data: " + b"x" * 1_100_000 + b"\n\n")),
    "stream_wrong": ("malformed", Answer(raw=STREAM + b"data: nothing\n\n")),
    "drops": ("mcp", Answer(raw=b"")),
    "babble": ("mcp", Answer(raw=b"\x16\x03\x01\x02\x00")),
}  # fmt: skip


async def test_over_http_each_wrong_answer_fails_its_own_call() -> None:
    found: dict[str, tuple[str, str]] = {}
    async with endpoint() as server:

        def say(asked: Asked) -> Answer:
            if asked.method != "POST":
                return Answer(405, body=b"", headers={})
            request = json.loads(asked.body)
            name: Any = (request.get("params") or {}).get("name", "ok")
            if request.get("method") == "tools/call" and name != "ok":
                fixed = HTTP[name][1]
                if fixed.raw is not None:
                    return fixed
                body = mcp_liar.wrong(name, request) if name in mcp_liar.FAULTS else fixed.body
                return Answer(fixed.status, body, fixed.headers)
            right = mcp_liar.answer(request, ("ok", *HTTP))
            return Answer(202, body=b"", headers={}) if right is None else Answer(body=right)

        server.answer = say
        async with running(McpServerFile(url=f"http://liar.test:{server.port}/mcp")) as liar:
            for name in HTTP:
                beside, returned = await asyncio.gather(liar.used("ok"), liar.used(name))
                assert beside.outcome is ToolOutcome.OK, name
                assert returned.outcome is ToolOutcome.FAILED, name
                found[name] = returned.reason, ""
            assert (await liar.used("ok")).outcome is ToolOutcome.OK
    assert {name: reason for name, (reason, _) in found.items()} == {name: reason for name, (reason, _) in HTTP.items()}
