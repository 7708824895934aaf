"""`POST /v1/sessions`: gives a token to a caller who says who he is, or says nothing."""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, Router, post
from litestar.datastructures import State
from litestar.plugins.problem_details import ProblemDetailsException
from pydantic import SecretStr

from agent.api.hosts import Hosts
from agent.api.openapi import takes
from agent.api.session_request import SessionRequest, asked_for, check_allowed
from agent.auth.tokens import TokenBook, verify_membership
from agent.budgets import Tier
from agent.core import clock
from agent.core.addresses import ClientAddresses
from agent.core.errors import TokenError
from agent.core.pace import KeyedBuckets
from agent.definitions.book import AgentBook
from agent.session.admission import Refusal
from agent.session.claims import Claims
from agent.telemetry.catalog import PROBE
from agent.telemetry.events import SessionRefused, Sink

COOKIE = "premium_token"
MAX_BODY = 16 * 1024  # bytes


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `POST /v1/sessions`."""

    session_id: str
    token: str
    url: str
    tier: str
    expires_at: str  # RFC 3339
    limit_usd: float
    """What the call may cost at most; it ends politely there."""


@dataclass(frozen=True, slots=True)
class SessionsApi:
    """What the route needs; kept in the app's state."""

    tokens: TokenBook
    sink: Sink
    api_keys: Sequence[SecretStr]
    membership_secrets: Sequence[str]
    membership_audience: str | None
    free_sessions: bool
    hosts: Hosts
    addresses: ClientAddresses
    by_address: KeyedBuckets
    by_subject: KeyedBuckets
    by_key: KeyedBuckets
    refusal: Callable[[Claims], Refusal | None]
    """Whether a ceiling on money is reached."""
    limit_usd: Callable[[Tier], float]
    agents: AgentBook
    policies: Callable[[], Collection[str]] = tuple
    """Those that callers may choose from."""
    probe_key: SecretStr | None = None


@post(
    "/v1/sessions",
    summary="Get a token for one voice session",
    request_max_body_size=MAX_BODY,
    operation_class=takes(SessionRequest),
)
async def new_session(
    request: Request[Any, Any, State],
    state: State,
) -> NewSession:
    """Premium with a membership cookie or an API key, free without; a wrong credential is refused, never ignored.

    The body may name the agent that is to answer, and the variables of its prompt.
    """
    api: SessionsApi = state.sessions_api
    address, subject, tier, key = identified(api, request)
    if tier is Tier.FREE and not api.free_sessions:
        api.sink.handle(SessionRefused(Tier.FREE, "members_only"))
        detail = "free sessions are switched off: send a membership cookie or an API key"
        raise ProblemDetailsException(status_code=403, title="Forbidden", detail=detail)
    base = api.hosts.base_url(str(request.scope["scheme"]), request.headers.get("host"))
    if base is None:
        api.sink.handle(SessionRefused(tier, "host"))
        detail = "this Host is not known here: set VOICE_AGENT_PUBLIC_URL or VOICE_AGENT_ALLOWED_HOSTS"
        raise ProblemDetailsException(status_code=421, title="Misdirected Request", detail=detail)
    asked = asked_for(await request.body(), api.agents, tier)
    check_allowed(asked, tier, has_key=key is not None, policies=api.policies())
    _paced(api, tier, "rate", api.by_subject.take(subject, clock.now()))
    key_name = None if key is None else api.tokens.key_name(key)
    if key_name is not None:
        _paced(api, tier, "key_rate", api.by_key.take(key_name, clock.now()))
    refusal = api.refusal(Claims(subject, tier, None, address=address, key=key_name))
    if refusal is not None:
        api.sink.handle(SessionRefused(tier, refusal.reason))
        raise _too_many(refusal.text, refusal.retry_after_s)
    token, session_id, expires = api.tokens.issue(
        subject,
        tier,
        probe=_is_probe(api, key),
        key=key_name,
        agent=asked.name,
        variables=asked.variables,
        policy=asked.policy,
    )
    return NewSession(
        session_id=session_id,
        token=token,
        url=f"{base.replace('http', 'ws', 1)}/v1/voice",
        tier=tier.value,
        expires_at=expires.isoformat(timespec="seconds"),
        limit_usd=api.limit_usd(tier),
    )


def identified(api: SessionsApi, request: Request[Any, Any, State]) -> tuple[str | None, str, Tier, str | None]:
    """Address, subject, tier and key of a request. Each is counted before its credential is looked at, so that nobody
    can try one after the other; raises a 429 or a 401.
    """
    peer = request.client.host if request.client is not None else None
    address = api.addresses.of(peer, request.headers.getall("x-forwarded-for", []))
    authorization = request.headers.get("authorization")
    if address is not None and not _has_key(api, authorization):  # who has a key asks for all of its own callers
        _paced(api, None, "rate", api.by_address.take(address, clock.now()))
    try:
        return address, *_caller_of(api, authorization, request.cookies.get(COOKIE))
    except TokenError as error:
        api.sink.handle(SessionRefused(None, error.reason))
        raise ProblemDetailsException(status_code=401, title="Unauthorized", detail=str(error)) from None


def _paced(api: SessionsApi, tier: Tier | None, reason: str, wait_s: float) -> None:
    """Raises a 429 where there is something to wait for."""
    if wait_s > 0:
        api.sink.handle(SessionRefused(tier, reason))
        raise _too_many("too many tokens were asked for: use the one you have, or wait", wait_s)


def _too_many(detail: str, wait_s: float) -> ProblemDetailsException:
    headers = {"retry-after": str(max(1, math.ceil(wait_s)))}
    return ProblemDetailsException(status_code=429, title="Too Many Requests", detail=detail, headers=headers)


def _caller_of(api: SessionsApi, authorization: str | None, cookie: str | None) -> tuple[str, Tier, str | None]:
    """Subject and tier of a request, and the key that it was sent with. Raises TokenError."""
    if authorization is not None:
        if not _has_key(api, authorization):
            raise TokenError("api_key", "the API key is not known: send Authorization: Bearer <api key>")
        key = _bearer(authorization)
        name = PROBE if _is_probe(api, key) else "key"
        return f"{name}-{secrets.token_hex(8)}", Tier.PREMIUM, key
    if cookie is not None:
        if not api.membership_secrets:
            raise TokenError("membership", f"memberships are not set up here: send no {COOKIE} cookie")
        return verify_membership(cookie, api.membership_secrets, api.membership_audience), Tier.PREMIUM, None
    return f"free-{secrets.token_hex(8)}", Tier.FREE, None


def _has_key(api: SessionsApi, authorization: str | None) -> bool:
    key = _bearer(authorization)
    return key is not None and (_known(key, api.api_keys) or _is_probe(api, key))


def _is_probe(api: SessionsApi, key: str | None) -> bool:
    return key is not None and api.probe_key is not None and _known(key, [api.probe_key])


def _bearer(authorization: str | None) -> str | None:
    scheme, _, key = (authorization or "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def _known(key: str, keys: Sequence[SecretStr]) -> bool:
    """Compares with every key in constant time."""
    found = [hmac.compare_digest(key.encode(), known.get_secret_value().encode()) for known in keys]
    return any(found)


router = Router("/", route_handlers=[new_session])
