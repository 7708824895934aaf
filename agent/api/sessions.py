"""`POST /v1/sessions`: gives a token to a caller who says who he is, or says nothing."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, Router, post
from litestar.datastructures import State
from litestar.plugins.problem_details import ProblemDetailsException
from pydantic import SecretStr

from agent.auth.tokens import TokenBook, verify_membership
from agent.budgets import Tier
from agent.core.errors import TokenError
from agent.telemetry.catalog import PROBE
from agent.telemetry.events import SessionRefused, Sink

COOKIE = "premium_token"


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `POST /v1/sessions`."""

    session_id: str
    token: str
    url: str
    tier: str
    expires_at: str  # RFC 3339


@dataclass(frozen=True, slots=True)
class SessionsApi:
    """What the route needs; kept in the app's state."""

    tokens: TokenBook
    sink: Sink
    api_keys: Sequence[SecretStr]
    membership_secret: str | None
    free_sessions: bool
    public_url: str | None
    probe_key: SecretStr | None = None


@post("/v1/sessions", summary="Get a token for one voice session")
async def new_session(
    request: Request[Any, Any, State],
    state: State,
) -> NewSession:
    """Premium with a membership cookie or an API key, free without; a wrong credential is refused, never ignored."""
    api: SessionsApi = state.sessions_api
    try:
        subject, tier, probe = _who(api, request.headers.get("authorization"), request.cookies.get(COOKIE))
    except TokenError as error:
        api.sink.handle(SessionRefused(None, error.reason))
        raise ProblemDetailsException(status_code=401, title="Unauthorized", detail=str(error)) from None
    if tier is Tier.FREE and not api.free_sessions:
        api.sink.handle(SessionRefused(Tier.FREE, "members_only"))
        detail = "free sessions are switched off: send a membership cookie or an API key"
        raise ProblemDetailsException(status_code=403, title="Forbidden", detail=detail)
    token, session_id, expires = api.tokens.issue(subject, tier, probe=probe)
    base = api.public_url or str(request.base_url).rstrip("/")
    url = f"{base.replace('http', 'ws', 1)}/v1/voice"
    return NewSession(
        session_id=session_id, token=token, url=url, tier=tier.value, expires_at=expires.isoformat(timespec="seconds")
    )


def _who(api: SessionsApi, authorization: str | None, cookie: str | None) -> tuple[str, Tier, bool]:
    """Subject and tier of a request, and whether it is the synthetic caller's. Raises TokenError."""
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == "bearer" and api.probe_key is not None and _known(key.strip(), [api.probe_key]):
            return f"{PROBE}-{secrets.token_hex(8)}", Tier.PREMIUM, True
        if scheme.lower() != "bearer" or not _known(key.strip(), api.api_keys):
            raise TokenError("api_key", "the API key is not known: send Authorization: Bearer <api key>")
        return f"key-{secrets.token_hex(8)}", Tier.PREMIUM, False
    if cookie is not None:
        if api.membership_secret is None:
            raise TokenError("membership", f"memberships are not set up here: send no {COOKIE} cookie")
        return verify_membership(cookie, api.membership_secret), Tier.PREMIUM, False
    return f"free-{secrets.token_hex(8)}", Tier.FREE, False


def _known(key: str, keys: Sequence[SecretStr]) -> bool:
    """Compares with every key in constant time."""
    found = [hmac.compare_digest(key.encode(), known.get_secret_value().encode()) for known in keys]
    return any(found)


router = Router("/", route_handlers=[new_session])
