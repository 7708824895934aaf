"""`GET /v1/voice`: takes a token, opens or finds its session, and carries it over one WebSocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any, Final

from litestar import WebSocket, websocket
from litestar.datastructures import State

from agent.auth.tokens import TokenBook
from agent.budgets import Tier
from agent.core.addresses import ClientAddresses
from agent.core.errors import TokenError
from agent.session.admission import AdmissionError, SessionOverError
from agent.session.claims import Claims
from agent.session.registry import Registry
from agent.session.session import Session
from agent.telemetry.events import InputDropped, QueueDropped, SessionOutcome, SessionRefused, Sink
from agent.transport.voice_agent_v1.errors import ProtocolError
from agent.transport.voice_agent_v1.messages import SUBPROTOCOL, CloseCode, SessionReady
from agent.transport.voice_agent_v1.translation import capabilities_of
from agent.transport.voice_agent_v1.websocket import AUDIO, ROUND_TRIP, WebSocketConnection

BEARER: Final = "bearer."


async def _at_once() -> None:
    """Nothing has to be loaded."""


@dataclass(frozen=True, slots=True)
class VoiceRoute:
    """What the route needs; kept in the app's state."""

    tokens: TokenBook
    registry: Registry
    sink: Sink
    start_timeout_s: float
    resume_s: float
    simulated: Callable[[], tuple[str, ...]]
    addresses: ClientAddresses
    local: Callable[[], tuple[str, ...]] = tuple
    loaded: Callable[[], Awaitable[None]] = _at_once
    """Waits until calls can be made: in the first seconds of a process."""


@websocket("/v1/voice")
async def voice(socket: WebSocket[Any, Any, State], state: State) -> None:
    """One connection of a voice session, as docs/protocol.md describes it."""
    route: VoiceRoute = state.voice
    offered: list[str] = socket.scope["subprotocols"]
    # A refusal before the accept would hide its reason from browsers.
    await socket.accept(subprotocols=SUBPROTOCOL if SUBPROTOCOL in offered else None)
    round_trip, audio = _extension(socket, ROUND_TRIP), _extension(socket, AUDIO)
    connection = WebSocketConnection(
        socket,
        lambda kind: route.sink.handle(InputDropped(kind)),
        **({"layer_round_trip": round_trip["seconds"]} if round_trip else {}),
        **({"hand_audio_to": audio["to"]} if audio else {}),
    )
    session: Session | None = None
    try:
        address = _address(route, socket)
        claims = _claims(route, offered)
        claims = replace(claims, address=address, origin=_origin(route, claims, address))
        start = await connection.read_start(route.start_timeout_s)
        if start is None:
            return
        capabilities = capabilities_of(start.capabilities)
        await route.loaded()
        try:
            session, resumed = await route.registry.join(claims, capabilities)
        except AdmissionError as error:
            raise _overloaded(error) from None
        except SessionOverError as error:
            route.sink.handle(SessionRefused(claims.tier, "ended"))
            raise ProtocolError("token_ended", str(error), CloseCode.BAD_TOKEN) from None
        connection.send_message(_ready(route, claims, session, resumed=resumed))
        session.attach(connection, capabilities)
        client_left = await connection.run(session)
        if not client_left:
            if connection.queue.overflowed:
                route.sink.handle(QueueDropped("outbox"))
            await connection.finish()
    except ProtocolError as error:
        if session is not None:
            session.end(SessionOutcome.REFUSED)
        await connection.refuse(error)
    finally:
        if session is not None:
            session.detach(connection)


def _extension(socket: WebSocket[Any, Any, State], name: str) -> dict[str, Any]:
    """What the server's WebSocket layer offers beyond ASGI; a server without the extension offers nothing."""
    extensions: Any = socket.scope.get("extensions") or {}
    return extensions.get(name, {})


def _address(route: VoiceRoute, socket: WebSocket[Any, Any, State]) -> str | None:
    peer = socket.client.host if socket.client is not None else None
    return route.addresses.of(peer, socket.headers.getall("x-forwarded-for", []))


def _overloaded(error: AdmissionError) -> ProtocolError:
    refusal = error.refusal
    return ProtocolError(refusal.reason, refusal.text, CloseCode.OVERLOADED, retry_after_s=refusal.retry_after_s)


def _claims(route: VoiceRoute, offered: Sequence[str]) -> Claims:
    token = next((name.removeprefix(BEARER) for name in offered if name.startswith(BEARER)), "")
    try:
        if SUBPROTOCOL not in offered:
            raise ProtocolError("subprotocol", f"offer the subprotocol {SUBPROTOCOL}", CloseCode.BAD_MESSAGE)
        return route.tokens.verify(token)
    except TokenError as error:
        route.sink.handle(SessionRefused(None, error.reason))
        raise ProtocolError(f"token_{error.reason}", str(error), CloseCode.BAD_TOKEN) from None


def _origin(route: VoiceRoute, claims: Claims, address: str | None) -> str | None:
    """A free caller's network as a keyed hash: an IPv4 address, or an IPv6 /64. A member's subject is his own.

    None where it is not known: behind a proxy whose headers are not trusted every caller has the proxy's address.
    """
    try:
        network = ip_network(address or "")
    except ValueError:
        return None
    return route.tokens.fingerprint(str(network)) if claims.tier is Tier.FREE and network.is_global else None


def _ready(route: VoiceRoute, claims: Claims, session: Session, *, resumed: bool) -> SessionReady:
    info = session.parts.info
    budgets = {name: seconds * 1000 for name, seconds in session.parts.budgets.latency.seconds().items()}
    simulated = route.simulated()
    # who could tell which arm of a comparison he is in could be slow in that one alone
    told = info.tier is Tier.PREMIUM or simulated
    return SessionReady(
        session_id=info.session_id,
        tier=info.tier.value,
        policy=info.policy if told else None,
        agent=info.agent or None if told else None,
        agent_version=info.agent_version or None if told else None,
        resume_token=route.tokens.issue_resume(claims, info.session_id, route.resume_s),
        resumed=resumed,
        simulated=simulated,
        local=route.local(),
        budgets_ms=budgets,
        limit_usd=session.parts.spending.limit_usd,
        greets=session.parts.greets and not resumed,
    )
