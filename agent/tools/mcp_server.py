"""One MCP server: how it is reached, what it offers, and calls of its tools. The official SDK speaks the protocol.

Its connection belongs to one task, which begins it, looks after it and ends it. Calls come from the turns' tasks.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import structlog
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from agent.providers.base import ToolSpec
from agent.tools.arguments import SchemaArguments, SchemaError
from agent.tools.egress import Egress
from agent.tools.http_tool import Auth, SecretName
from agent.tools.mcp_stdio import LINE_LIMIT, NOT_TAKEN, Note, stdio_streams
from agent.tools.outside import REASONS, OutsideError
from agent.tools.strict_json import finite
from agent.tools.tool import Tool, ToolContext, ToolError, ToolRules, confirm_problems

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import ErrorData

OFFERED_LIMIT: Final = 128
"""Tools of a server that are looked at, at most."""
ANSWER_LIMIT: Final = LINE_LIMIT
"""Bytes of one message of a server, at most."""
CALLS_LIMIT: Final = 16
"""Calls of one server at once, at most."""
REQUEST_S: Final = 30.0
CONNECT_S: Final = 10.0
LOOK_S: Final = 30.0
"""A server is asked what it offers so often, which also tells whether it is there."""
_PARSE_ERROR: Final = -32_700
_TIMED_OUT: Final = -32_001
IDEMPOTENCY_META: Final = "voice-agent/idempotency-key"

log = structlog.get_logger()

Word = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]+$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class McpServerFile(BaseModel):
    """One `[mcp.name]` table: an `url` (streamable HTTP), or a `command` whose standard input and output it speaks on.

    A command gets the `env` and `secrets` (variable → name of a secret) that stand here, and nothing else of ours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = Field(default=None, max_length=500)
    auth: Auth | None = None
    command: tuple[Word, ...] | None = Field(default=None, min_length=1, max_length=32)
    env: dict[VariableName, Word] = Field(default_factory=dict[str, str], max_length=32)
    secrets: dict[VariableName, SecretName] = Field(default_factory=dict[str, str], max_length=8)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.url is None) == (self.command is None):
            raise ValueError("takes either `url` or `command`")
        if self.url is None and self.auth is not None:
            raise ValueError("`auth` belongs to `url`; a command has `secrets`")
        if self.command is None and (self.env or self.secrets):
            raise ValueError("`env` and `secrets` belong to `command`")
        return self

    def problem(self, egress: Egress) -> str | None:
        """What speaks against it, as far as that is known without asking it."""
        if self.url is not None:
            return egress.url_problem(self.url) or (None if self.auth is None else self.auth.problem(egress))
        return next((words for name in self.secrets.values() if (words := egress.secret_problem(name))), None)


@dataclass(frozen=True, slots=True)
class McpSpec:
    """A server as a definition describes it. Two of the same text are one server. `folder` is where a command runs."""

    name: str
    written: str
    folder: Path

    @classmethod
    def of(cls, name: str, file: McpServerFile, folder: Path) -> McpSpec:
        return cls(name, file.model_dump_json(), folder)

    @property
    def file(self) -> McpServerFile:
        return McpServerFile.model_validate_json(self.written)


@dataclass(frozen=True, slots=True)
class McpTool:
    """A tool of a server, as a definition allows it: under a name and with words of ours."""

    server: McpSpec
    offered_as: str
    name: str
    description: str
    rules: ToolRules


@dataclass(slots=True)
class McpServer:
    """A server while it runs. What it offered last is kept while it is away: its tools then fail, and say so."""

    spec: McpSpec
    egress: Egress
    note: Note = lambda _reason: None
    """Is told of messages that were not taken."""
    offered: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """Tool → the JSON Schema of its arguments."""
    _client: Client | None = None
    _lost: asyncio.Event = field(default_factory=asyncio.Event)
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CALLS_LIMIT))

    @property
    def up(self) -> bool:
        return self._client is not None

    async def stay(self, came: Callable[[], None]) -> None:
        """Connects, calls `came`, and looks after the connection until it is lost. Raises whatever ended it."""
        self._lost.clear()
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(CONNECT_S):
                client = await stack.enter_async_context(_connection(self.spec, self.egress, self.note))
                self.offered = await _offered(client)
            self._client = client
            came()
            try:
                while True:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            await self._lost.wait()
                    self._lost.clear()
                    self.offered = await _offered(client)
            finally:
                self._client = None

    def tool(self, wanted: McpTool) -> Tool | None:
        """The tool as it is offered now; None where it never was, or cannot be used as it is declared."""
        schema = self.offered.get(wanted.offered_as)
        if schema is None:
            return None
        try:
            arguments = SchemaArguments(schema, foreign=True)
        except SchemaError as error:
            log.warning("mcp tool not used", server=self.spec.name, tool=wanted.name, problem=str(error)[:200])
            return None
        if problem := next(iter(confirm_problems(wanted.name, wanted.rules.confirm, arguments)), None):
            log.warning("mcp tool not used", server=self.spec.name, tool=wanted.name, problem=problem[:200])
            return None

        async def run(given: Mapping[str, Any], call: ToolContext) -> str:
            return await self._call(wanted, given, call)

        spec = ToolSpec(wanted.name, wanted.description, arguments.schema)
        return Tool(spec, arguments, wanted.rules, run, f"{wanted.server.written} {wanted.offered_as}")

    async def _call(self, wanted: McpTool, given: Mapping[str, Any], call: ToolContext) -> str:
        from mcp import MCPError

        client = self._client
        if client is None:
            raise OutsideError("down")
        async with self._places:
            try:
                result = await client.call_tool(wanted.offered_as, dict(given), meta=_meta(wanted, call))
            except MCPError as error:
                raise self._failure(error.error) from None
            except ValidationError:  # an answer, but none to this call
                raise OutsideError("malformed") from None
            except Exception:  # the messages of the SDK hold results and arguments
                self._lost.set()
                raise OutsideError("connection") from None
        try:
            text = self.egress.redacted(_text(result))
        except ValueError:
            raise OutsideError("malformed") from None
        if result.is_error:
            raise ToolError(text or "it did not work")
        return text

    def _failure(self, error: ErrorData) -> Exception:
        """What an error of the protocol means. Its words are those of a stranger, and are not kept."""
        if error.code == NOT_TAKEN and error.data in REASONS:
            return OutsideError(str(error.data))
        if error.code == _PARSE_ERROR:  # of the SDK, for an answer over HTTP that is cut off or no JSON
            return OutsideError("malformed")
        if error.code == _TIMED_OUT:
            return TimeoutError()
        self._lost.set()  # it is asked at once whether it is still there
        return OutsideError("mcp")


def _meta(wanted: McpTool, call: ToolContext) -> Any:
    return None if wanted.rules.read_only else {IDEMPOTENCY_META: call.idempotency_key}


async def _offered(client: Client) -> Mapping[str, Mapping[str, Any]]:
    """What a server offers, page by page, up to a limit."""
    found: dict[str, Mapping[str, Any]] = {}
    cursor: str | None = None
    for _ in range(OFFERED_LIMIT):
        page = await client.list_tools(cursor=cursor)
        found |= {one.name: one.input_schema for one in page.tools[: OFFERED_LIMIT - len(found)]}
        cursor = page.next_cursor
        if cursor is None or len(found) >= OFFERED_LIMIT:
            break
    return found


def _text(result: Any) -> str:
    """A result as text: what is structured as JSON, else its texts; of pictures and sounds only that there are some."""
    if result.structured_content is not None:
        return json.dumps(finite(result.structured_content), ensure_ascii=False)
    return "\n".join(one.text if one.type == "text" else f"[{one.type}]" for one in result.content)


@asynccontextmanager
async def _connection(spec: McpSpec, egress: Egress, note: Note) -> AsyncGenerator[Client]:
    """A connection while the block runs. Raises what the SDK raises."""
    await asyncio.to_thread(importlib.import_module, "mcp")  # it takes a second, in which calls go on
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)  # it writes what servers say
    file, network = spec.file, None
    async with AsyncExitStack() as stack:
        if file.url is not None:
            headers = {} if file.auth is None else file.auth.headers(egress)
            network = egress.transport(ANSWER_LIMIT)
            http = httpx2.AsyncClient(
                transport=network,
                headers=headers,
                timeout=httpx2.Timeout(REQUEST_S, connect=CONNECT_S, read=300.0),
                trust_env=False,
            )
            await stack.enter_async_context(http)
            transport = streamable_http_client(file.url, http_client=http, max_sse_event_size=ANSWER_LIMIT)
        else:
            program, *arguments = file.command or ("",)
            if shutil.which(program) is None:
                raise OutsideError("no_program")
            secrets = {name: egress.secret(secret) for name, secret in file.secrets.items()}
            transport = stdio_streams((program, *arguments), {**file.env, **secrets}, spec.folder, note)
        client = await stack.enter_async_context(Client(transport, read_timeout_seconds=REQUEST_S, cache=None))
        client.session.validate_tool_result = _believed
        if network is not None:
            network.steady = True
        yield client


async def _believed(name: str, result: Any) -> None:
    """In the place of the SDK's check of results: a stranger's schema of them may hold an expression without end."""
