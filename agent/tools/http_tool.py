"""An HTTP endpoint as a tool: a method, an address with `{argument}` places, and JSON Schemas of both sides.

Arguments that have no place in the address are the query of GET and DELETE, and the JSON body of other methods.
A redirect is followed by GET alone, three times at most, and only to where tools may go; a secret stays
with its origin.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import quote, urlencode, urljoin, urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent.providers.base import ToolSpec
from agent.tools.arguments import SchemaArguments, SchemaError, fit, validator_of
from agent.tools.egress import Egress
from agent.tools.outside import OutsideError
from agent.tools.python_tool import ToolDeclarationError
from agent.tools.strict_json import read_json
from agent.tools.tool import Tool, ToolContext, ToolError, ToolRules

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from httpx2 import Response

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
REDIRECTS: Final = 3
SAYS_NO: Final = frozenset({400, 404, 409, 410, 422})
"""Statuses with which an endpoint answers that it cannot do this; the model is told its words."""
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_QUERY: Final = frozenset({"GET", "DELETE"})
_RESERVED: Final = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "cookie"})

SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]


class Auth(BaseModel):
    """A secret of the environment in a header. `Authorization` has `Bearer ` before it, where nothing else is said."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    secret: SecretName
    header: HeaderName = "Authorization"
    prefix: str | None = Field(None, max_length=20, pattern=r"^[\x20-\x7e]*$")

    def headers(self, egress: Egress) -> dict[str, str]:
        """The header with the secret in it."""
        usual = "Bearer " if self.header.lower() == "authorization" else ""
        return {self.header: f"{usual if self.prefix is None else self.prefix}{egress.secret(self.secret)}"}

    def problem(self, egress: Egress) -> str | None:
        """What speaks against it."""
        if self.header.lower() in _RESERVED:
            return f"auth: {self.header} is not for secrets"
        return egress.secret_problem(self.secret)


class HttpEndpoint(BaseModel):
    """What a definition says of an endpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    url: str = Field(max_length=500)
    auth: Auth | None = None
    input: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    output: dict[str, Any] | None = None
    max_bytes: int = Field(65_536, ge=100, le=1_000_000)


@dataclass(frozen=True, slots=True)
class _Request:
    url: str
    headers: Mapping[str, str]
    body: bytes | None


def http_tool(name: str, description: str, endpoint: HttpEndpoint, rules: ToolRules, egress: Egress) -> Tool:
    """Makes a tool of an endpoint. Raises ToolDeclarationError with what is wrong."""
    places = _places(endpoint.url)
    if problem := egress.url_problem(endpoint.url) or (endpoint.auth and endpoint.auth.problem(egress)):
        raise ToolDeclarationError(f"{name}: {problem}")
    if rules.read_only and endpoint.method not in ("GET", "POST"):
        raise ToolDeclarationError(f"{name}: what is `read_only` takes GET or POST")
    try:
        arguments = SchemaArguments(endpoint.input)
        expected = None if endpoint.output is None else validator_of(endpoint.output)
    except SchemaError as error:
        raise ToolDeclarationError(f"{name}: {error}") from None
    if missing := sorted(places - arguments.always):
        raise ToolDeclarationError(f"{name}: {{{missing[0]}}} is no required argument")

    async def run(given: Mapping[str, Any], call: ToolContext) -> str:
        request = _request(endpoint, places, given, rules, egress, call)
        async with _answer(endpoint, request, egress) as response:
            body = await _body(response, endpoint.max_bytes)
            if response.status_code in SAYS_NO:
                raise ToolError(egress.redacted(_words(body)) or f"status {response.status_code}")
            if not 200 <= response.status_code < 300:
                raise OutsideError(f"status_{response.status_code // 100}xx")
            return egress.redacted(_checked(body, response, expected))

    return Tool(ToolSpec(name, description, arguments.schema), arguments, rules, run)


def _places(url: str) -> frozenset[str]:
    """The arguments that an address names. Raises ToolDeclarationError."""
    try:
        named = [(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(url) if name is not None]
        head = urlsplit(url)
    except ValueError as error:
        raise ToolDeclarationError(f"http: {error}") from None
    if any(not re.fullmatch(r"[A-Za-z_]\w*", name) or spec or conversion for name, spec, conversion in named):
        raise ToolDeclarationError("http: takes {argument} places")
    if "{" in head.scheme or "{" in head.netloc or "{" in head.fragment:
        raise ToolDeclarationError("http: places stand in the path or the query")
    return frozenset(name for name, _, _ in named)


def _request(
    endpoint: HttpEndpoint, places: frozenset[str], given: Mapping[str, Any], rules: ToolRules, egress: Egress,
    call: ToolContext,
) -> _Request:  # fmt: skip
    """One request. Raises ToolError for a value that cannot stand in an address."""
    url = endpoint.url.format_map({name: _in_address(name, given[name]) for name in places})
    rest = {name: value for name, value in given.items() if name not in places}
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "voice-agent"}
    if endpoint.auth is not None:
        headers |= endpoint.auth.headers(egress)
    if not rules.read_only:
        headers[IDEMPOTENCY_HEADER] = call.idempotency_key
    if endpoint.method in _QUERY:
        query = urlencode({name: _written(value) for name, value in rest.items()})
        return _Request(f"{url}{'&' if '?' in url else '?'}{query}" if query else url, headers, None)
    return _Request(url, {**headers, "Content-Type": "application/json"}, json.dumps(rest).encode())


def _in_address(name: str, value: object) -> str:
    text = _written(value)
    if not text or text.strip(".") == "":  # `..` would be another path
        raise ToolError(f"{name}: cannot stand in an address")
    return quote(text, safe="")


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@asynccontextmanager
async def _answer(endpoint: HttpEndpoint, request: _Request, egress: Egress) -> AsyncGenerator[Response]:
    """The answer of the last address. Raises OutsideError."""
    url, headers = request.url, dict(request.headers)
    for left in range(REDIRECTS, -1, -1):
        made = egress.client.build_request(endpoint.method, url, headers=headers, content=request.body)
        try:
            response = await egress.client.send(made, stream=True)
        except (OutsideError, TimeoutError):
            raise
        except Exception as error:  # the messages of libraries hold addresses, and so what callers said
            raise _failure(error) from None
        try:
            if response.status_code not in _MOVED:
                yield response
                return
            before, url = str(made.url), _joined(str(made.url), response.headers.get("location", ""))
        finally:
            await response.aclose()
        if endpoint.method != "GET" or not left or egress.redirect_problem(before, url) is not None:
            raise OutsideError("redirect")
        if _origin(url) != _origin(before) and endpoint.auth is not None:
            headers.pop(endpoint.auth.header, None)


def _joined(url: str, location: str) -> str:
    """Where an answer sends to; empty where that is no address."""
    try:
        return urljoin(url, location)
    except ValueError:
        return ""


def _origin(url: str) -> tuple[str, str]:
    return urlsplit(url).scheme, urlsplit(url).netloc


async def _body(response: Response, most: int) -> bytes:
    """The body, as it came. Raises OutsideError where it is too long or cannot be read."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise OutsideError("encoding")
    body = bytearray()
    try:
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > most:
                raise OutsideError("too_large")
    except (OutsideError, TimeoutError):
        raise
    except Exception as error:
        raise _failure(error) from None
    return bytes(body)


def _words(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")


def _checked(body: bytes, response: Response, expected: Any) -> str:
    """The result; JSON without its white space. Raises OutsideError where it is not what was declared."""
    is_json = "json" in response.headers.get("content-type", "")
    try:
        result = read_json(body) if body and (is_json or expected is not None) else _words(body)
    except ValueError:
        raise OutsideError("malformed") from None
    if expected is not None and fit(expected, result):
        raise OutsideError("malformed")
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)


def _failure(error: Exception) -> OutsideError | TimeoutError:
    """What a library raised, without its words."""
    names = {ancestor.__name__ for ancestor in type(error).__mro__}
    if "TimeoutException" in names:
        return TimeoutError()
    return OutsideError("connection" if names & {"NetworkError", "ProtocolError"} else "request")
