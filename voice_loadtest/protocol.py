"""The callers' own small view of the session protocol (docs/protocol.md): getting a token, frames, messages, closes."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol

SUBPROTOCOL: Final = "voice-agent.v1"
CLIENT: Final = "voice-agent call"
REAL_REPLY: Final = frozenset({"replied", "interrupted", "typed"})  # outcomes of `turn.metrics` with a real reply
GREETING: Final = 0  # the turn in which an agent speaks first
NO_REPLY: Final = frozenset({"apology", "failed"})  # something else was played, or nothing
_CONNECT_TIMEOUT_S: Final = 10.0
_MAX_MESSAGE: Final = 4_000_000  # bytes of one message of the server

NO_CAPACITY: Final = 4429  # the close code of a session that was not taken
CLOSE_MEANINGS: Final[Mapping[int, str]] = {
    1000: "the call is over",
    1001: "the server drains: connect again with the resume token",
    1006: "the connection was lost without a close",
    1011: "a fault of the server: connect again with the resume token",
    4400: "the server could not read a message or frame of the client",
    4401: "the token was not accepted: get a new one",
    4408: "no `start` came within 10 seconds",
    4409: "a newer connection of the same caller took over",
    4410: "the client did not read what it was sent",
    4411: "another process of the service has the call: it goes on where the client came back",
    4413: "a frame was too large (64 KiB of audio, 16 KiB of JSON)",
    NO_CAPACITY: "the server has no capacity: try later",
}


class CallError(Exception):
    """A call that did not come about; the message is one line that says what to do."""


class ConnectError(CallError):
    """Nothing answers at the address, or what answers is not the service."""


class NobodyListensError(ConnectError):
    """No program listens at the address: the connection was refused, or there is no way to the host."""


class CallRefusedError(CallError):
    """The service refused to open a session. `status` is that of the HTTP answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class SessionGrant(msgspec.Struct, frozen=True):
    """The answer of `POST /v1/sessions`; `token` is a secret."""

    session_id: str
    token: str
    url: str
    tier: str

    def __repr__(self) -> str:
        return f"Session({self.session_id!r}, {self.url!r}, {self.tier!r})"


class ServerEvent(msgspec.Struct, frozen=True):
    """Any message of the server: the fields of those that a caller acts on, unknown ones are ignored."""

    type: str
    turn: int | None = None
    clause: int | None = None
    text: str = ""
    spoken: bool | None = None
    heard: str = ""
    id: int | None = None
    code: str = ""
    message: str = ""
    fatal: bool = False
    reason: str = ""
    service: str = ""
    tier: str | int | None = None
    session_id: str = ""
    policy: str | None = None  # null for free callers of real providers
    greets: bool = False
    agent: str | None = None
    agent_version: int | None = None
    resume_token: str | None = None
    resumed: bool = False
    simulated: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    budgets_ms: dict[str, float] = {}
    outcome: str | None = None
    model: str | None = None
    answered_by: str | None = None
    rule: str | None = None
    voice_to_voice_ms: float | None = None
    stages: dict[str, float | None] = {}
    over_budget: tuple[str, ...] = ()
    trace_id: str | None = None
    audio_ms: float | None = None
    usd: float | None = None
    turns: int | None = None
    retry_after_s: float | None = None


_message_decoder = msgspec.json.Decoder(ServerEvent)
_session_decoder = msgspec.json.Decoder(SessionGrant)


def decode(frame: str) -> ServerEvent:
    """A message of the server. Raises msgspec.DecodeError when it is not one."""
    return _message_decoder.decode(frame)


def text_of(message: Mapping[str, Any]) -> str:
    """A message as JSON."""
    return msgspec.json.encode(message).decode()


def text_frame(message: Mapping[str, Any]) -> bytes:
    """A masked WebSocket text frame that holds a JSON message, ready for the transport."""
    return Frame(Opcode.TEXT, msgspec.json.encode(message)).serialize(mask=True)


def audio_frame(pcm: bytes) -> bytes:
    """A masked WebSocket binary frame, ready for the transport: built once per clip and sent by any number of callers.

    RFC 6455 wants a fresh mask per frame so that web pages cannot choose the bytes on the wire; nobody chooses here.
    """
    return Frame(Opcode.BINARY, pcm).serialize(mask=True)


def close_meaning(code: int) -> str:
    """What a close code says, in words."""
    return CLOSE_MEANINGS.get(code, "the server gave a close code that the protocol does not have")


def http_client(url: str) -> httpx.AsyncClient:
    """A client for `open_session`; a loopback address never goes through a proxy of the environment."""
    return httpx.AsyncClient(timeout=_CONNECT_TIMEOUT_S, trust_env=not _is_loopback(url))


async def open_session(client: httpx.AsyncClient, url: str, api_key: str | None) -> SessionGrant:
    """Gets a session token: with an API key for the premium tier, without for the free one.

    Raises ConnectError, or RefusedError with what the problem document says.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        response = await client.post(f"{url.rstrip('/')}/v1/sessions", headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConnectError(_nothing_answers(url, error)) from None
    if response.status_code != 201:
        raise CallRefusedError(response.status_code, _problem(response))
    try:
        return _session_decoder.decode(response.content)
    except msgspec.DecodeError:
        raise ConnectError(f"{url} answers, but it is not a voice agent: no session in its answer") from None


Push = Callable[[Callable[[], None]], None]
"""Delivers something one way of a simulated network later."""


def _far(push: Push) -> type[ClientConnection]:
    """A connection whose pongs are as late as everything else: `websockets` would answer pings of its layer at once."""

    class FarConnection(ClientConnection):
        def __init__(self, protocol: ClientProtocol, **options: Any) -> None:
            super().__init__(protocol, **options)
            self._send_frame = protocol.send_frame
            protocol.send_frame = self._send_late

        def _send_late(self, frame: Frame) -> None:
            if frame.opcode is Opcode.PONG:
                push(partial(push, partial(self._answer, frame)))
            else:
                self._send_frame(frame)

        def _answer(self, frame: Frame) -> None:
            if self.state is State.OPEN:
                self._send_frame(frame)
                self.send_data()

    return FarConnection


async def open_line(url: str, token: str, push: Push | None = None) -> ClientConnection:
    """Opens the WebSocket. The caller closes it. `push` is one way of a simulated network. Raises ConnectError."""
    try:
        connection = await connect(
            url,
            subprotocols=[Subprotocol(SUBPROTOCOL), Subprotocol(f"bearer.{token}")],
            compression=None,  # PCM does not shrink
            ping_interval=None,  # the protocol has its own ping
            open_timeout=_CONNECT_TIMEOUT_S,
            close_timeout=2.0,
            max_size=_MAX_MESSAGE,
            proxy=None if _is_loopback(url) else True,
            create_connection=None if push is None else _far(push),
        )
    except (OSError, InvalidHandshake, InvalidURI) as error:
        refused = isinstance(error, OSError) and not isinstance(error, TimeoutError)
        raise (NobodyListensError if refused else ConnectError)(_nothing_answers(url, error)) from None
    if connection.subprotocol != SUBPROTOCOL:
        await connection.close()
        raise ConnectError(f"{url} answers, but it does not speak {SUBPROTOCOL}")
    return connection


def _nothing_answers(url: str, error: Exception) -> str:
    return (
        f"cannot connect to {url} ({type(error).__name__}): start the service with `make run` "
        "or `voice-agent serve`, or give its URL"
    )


def _problem(response: httpx.Response) -> str:
    """One line out of an RFC 9457 problem document."""
    try:
        body = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError:
        body = {}
    words = [str(body[key]) for key in ("title", "detail") if isinstance(body.get(key), str) and body[key]]
    return f"the service refused the session ({response.status_code}): {': '.join(words) or response.reason_phrase}"


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
