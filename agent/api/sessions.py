"""The two doors: `POST /v1/sessions` gives a token, `GET /v1/voice` takes it and opens the session."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec
import structlog
from litestar import Request, Router, WebSocket, post, websocket
from litestar.datastructures import State
from litestar.plugins.problem_details import ProblemDetailsException
from pydantic import SecretStr

from agent.budgets import Tier
from agent.core.errors import ProtocolError, TokenError
from agent.core.resumed_state import ResumedState
from agent.session.registry import Registry
from agent.session.session import Session, SessionEnd
from agent.telemetry.events import QueueDropped, SessionOutcome, SessionRefused, Sink
from agent.transport.tokens import Claims, TokenBook, verify_membership
from agent.transport.voice_agent_v1.messages import SUBPROTOCOL, Capabilities, CloseCode, SessionReady
from agent.transport.voice_agent_v1.websocket import WebSocketConnection

log = structlog.get_logger()

COOKIE = "premium_token"
BEARER = "bearer."


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `POST /v1/sessions`."""

    session_id: str
    token: str
    url: str
    tier: str
    expires_at: str  # RFC 3339


class History(Protocol):
    """Where sessions are kept that may go on in another process."""

    async def past(self, session_id: str) -> ResumedState | None:
        """None for a session that never was. Raises, after a second at most, when it cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class SessionsApi:
    """What the two routes need; kept in the app's state."""

    tokens: TokenBook
    registry: Registry
    history: History
    sink: Sink
    api_keys: Sequence[SecretStr]
    membership_secrets: Sequence[str]
    membership_audience: str | None
    free_sessions: bool
    public_url: str | None
    start_timeout_s: float
    resume_s: float
    simulated: tuple[str, ...]


@post("/v1/sessions", summary="Get a token for one voice session")
async def new_session(
    request: Request[Any, Any, State],
    state: State,
) -> NewSession:
    """Premium with a membership cookie or an API key, free without; a wrong credential is refused, never ignored."""
    doors: SessionsApi = state.doors
    try:
        subject, tier = _who(doors, request.headers.get("authorization"), request.cookies.get(COOKIE))
    except TokenError as error:
        doors.sink.handle(SessionRefused(None, error.reason))
        raise ProblemDetailsException(status_code=401, title="Unauthorized", detail=str(error)) from None
    if tier is Tier.FREE and not doors.free_sessions:
        doors.sink.handle(SessionRefused(Tier.FREE, "members_only"))
        detail = "free sessions are switched off: send a membership cookie or an API key"
        raise ProblemDetailsException(status_code=403, title="Forbidden", detail=detail)
    token, session_id, expires = doors.tokens.issue(subject, tier)
    base = doors.public_url or str(request.base_url).rstrip("/")
    url = f"{base.replace('http', 'ws', 1)}/v1/voice"
    return NewSession(
        session_id=session_id, token=token, url=url, tier=tier.value, expires_at=expires.isoformat(timespec="seconds")
    )


def _who(doors: SessionsApi, authorization: str | None, cookie: str | None) -> tuple[str, Tier]:
    """Subject and tier of a request. Raises TokenError."""
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not _known(key.strip(), doors.api_keys):
            raise TokenError("api_key", "the API key is not known: send Authorization: Bearer <api key>")
        return f"key-{secrets.token_hex(8)}", Tier.PREMIUM
    if cookie is not None:
        if not doors.membership_secrets:
            raise TokenError("membership", f"memberships are not set up here: send no {COOKIE} cookie")
        return verify_membership(cookie, doors.membership_secrets, doors.membership_audience), Tier.PREMIUM
    return f"free-{secrets.token_hex(8)}", Tier.FREE


def _known(key: str, keys: Sequence[SecretStr]) -> bool:
    """Compares with every key in constant time."""
    found = [hmac.compare_digest(key.encode(), known.get_secret_value().encode()) for known in keys]
    return any(found)


@websocket("/v1/voice")
async def voice(socket: WebSocket[Any, Any, State], state: State) -> None:
    """One connection of a voice session, as docs/protocol.md describes it."""
    doors: SessionsApi = state.doors
    offered: list[str] = socket.scope["subprotocols"]
    # A refusal before the accept would hide its reason from browsers.
    await socket.accept(subprotocols=SUBPROTOCOL if SUBPROTOCOL in offered else None)
    connection = WebSocketConnection(socket)
    session: Session | None = None
    try:
        claims = _claims(doors, offered)
        start = await connection.read_start(doors.start_timeout_s)
        if start is None:
            return
        session, resumed = await _session(doors, claims, start.capabilities)
        connection.outbox.send(_ready(doors, claims, session, resumed=resumed))
        session.attach(connection, start)
        client_left = await connection.run(session)
        if not client_left:
            code, reason = connection.outbox.closing
            if code == CloseCode.SLOW_CLIENT:
                doors.sink.handle(QueueDropped("outbox"))
            await connection.close(code, reason)
    except ProtocolError as error:
        if session is not None:
            session.end(SessionEnd(SessionOutcome.REFUSED, error.close_code))
        await connection.refuse(error)
    finally:
        if session is not None:
            session.detach(connection)


async def _session(doors: SessionsApi, claims: Claims, capabilities: Capabilities) -> tuple[Session, bool]:
    """The session of these claims, and whether it was there before: in this process, or by the ledger in another."""
    known = doors.registry.find(claims)
    if known is not None:
        return known, True
    if claims.session_id is None:
        return doors.registry.open(claims, capabilities), False
    try:
        past = await doors.history.past(claims.session_id)
    except Exception:
        log.warning("history not restored", session_id=claims.session_id)
        if not claims.resume:
            return doors.registry.open(claims, capabilities), False
    else:
        if past is None:
            return doors.registry.open(claims, capabilities), False
        if claims.resume:
            return doors.registry.open(claims, capabilities, past), True
    # turns are numbered on from those before: an id whose turns are not known, or that was used up, is not taken again
    return doors.registry.open(replace(claims, session_id=None), capabilities), False


def _claims(doors: SessionsApi, offered: Sequence[str]) -> Claims:
    token = next((name.removeprefix(BEARER) for name in offered if name.startswith(BEARER)), "")
    try:
        if SUBPROTOCOL not in offered:
            raise ProtocolError("subprotocol", f"offer the subprotocol {SUBPROTOCOL}", CloseCode.BAD_MESSAGE)
        return doors.tokens.verify(token)
    except TokenError as error:
        doors.sink.handle(SessionRefused(None, error.reason))
        raise ProtocolError(f"token_{error.reason}", str(error), CloseCode.BAD_TOKEN) from None


def _ready(doors: SessionsApi, claims: Claims, session: Session, *, resumed: bool) -> SessionReady:
    info = session.parts.info
    budgets = {name: seconds * 1000 for name, seconds in session.parts.budgets.latency.seconds().items()}
    return SessionReady(
        session_id=info.session_id,
        tier=info.tier.value,
        policy=info.policy,
        resume_token=doors.tokens.issue_resume(claims, info.session_id, doors.resume_s),
        resumed=resumed,
        simulated=doors.simulated,
        budgets_ms=budgets,
    )


router = Router("/", route_handlers=[new_session, voice])
