"""Session tokens: HS256 JWTs, scope `voice-session`, 15 minutes.

A token that another issuer signed with the same secret is accepted. Such an issuer (an edge worker at the membership
site) sets no `tier`: it issues tokens to members only, so its callers are premium.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from agent.budgets import Tier
from agent.core.errors import TokenError
from agent.session.claims import Claims, new_session_id

SCOPE: Final = "voice-session"
RESUME_SCOPE: Final = "voice-resume"
ALGORITHM: Final = "HS256"
MAX_TOKEN: Final = 4096  # characters; a longer one is refused unread
MAX_SUBJECT: Final = 256
LEEWAY_S: Final = 5  # between the clocks of two issuers


class TokenBook:
    """Issues and verifies session tokens with one secret."""

    def __init__(self, secret: str, minutes: int) -> None:
        self._secret = secret
        self._lifetime = timedelta(minutes=minutes)

    def issue(self, subject: str, tier: Tier, *, probe: bool = False) -> tuple[str, str, datetime]:
        """A new token, the session id in it, and when it ends. `probe` marks the synthetic caller's."""
        session_id = new_session_id()
        now = datetime.now(UTC)
        expires = now + self._lifetime
        claims: dict[str, Any] = {
            "sub": subject,
            "scope": SCOPE,
            "tier": tier.value,
            "sid": session_id,
            "iat": now,
            "exp": expires,
        }
        if probe:
            claims["probe"] = True
        return jwt.encode(claims, self._secret, ALGORITHM), session_id, expires

    def fingerprint(self, text: str) -> str:
        """A keyed hash that tells equal texts and nothing else; the same in all processes with the same secret."""
        return hmac.new(self._secret.encode(), b"fingerprint:" + text.encode(), "sha256").hexdigest()[:24]

    def issue_resume(self, claims: Claims, session_id: str, lifetime_s: float) -> str:
        """A token that opens the same session again; it lives as long as the session may."""
        now = datetime.now(UTC)
        body = {
            "sub": claims.subject,
            "scope": RESUME_SCOPE,
            "tier": claims.tier.value,
            "sid": session_id,
            "iat": now,
            "exp": now + timedelta(seconds=lifetime_s),
            "probe": claims.probe,
        }
        return jwt.encode(body, self._secret, ALGORITHM)

    def verify(self, token: str) -> Claims:
        """Reads a session or resume token. Raises TokenError, whose message says what is wrong and what to do."""
        claims = _decode(token, self._secret)
        scope = claims.get("scope")
        if scope not in (SCOPE, RESUME_SCOPE):
            raise TokenError("scope", f"the token's scope is not {SCOPE}: get a token from POST /v1/sessions")
        session_id = claims.get("sid")
        if session_id is not None and not _is_session_id(session_id):
            raise TokenError("malformed", "the token's sid is not a session id: get a new token")
        if scope == RESUME_SCOPE and session_id is None:
            raise TokenError("malformed", "the resume token has no sid: get a new token")
        return Claims(
            claims["sub"],
            _tier(claims.get("tier")),
            session_id,
            resume=scope == RESUME_SCOPE,
            probe=claims.get("probe") is True,
        )


def verify_membership(cookie: str, secret: str) -> str:
    """The subject of a membership cookie (HS256, `sub`, `exp`). Raises TokenError."""
    return _decode(cookie, secret)["sub"]


def _is_session_id(value: object) -> bool:
    return isinstance(value, str) and 8 <= len(value) <= 64 and value.replace("-", "").isalnum()


def _tier(value: object) -> Tier:
    if value is None:
        return Tier.PREMIUM
    if isinstance(value, str) and value in set(Tier):
        return Tier(value)
    raise TokenError("tier", f"the token's tier is not one of {', '.join(Tier)}: get a new token")


def _decode(token: str, secret: str) -> dict[str, Any]:
    if not token:
        raise TokenError("missing", "there is no token: get one from POST /v1/sessions")
    if len(token) > MAX_TOKEN:
        raise TokenError("oversized", f"the token is longer than {MAX_TOKEN} characters: get a new token")
    try:
        claims: dict[str, Any] = jwt.decode(
            token, secret, algorithms=[ALGORITHM], leeway=LEEWAY_S, options={"require": ["sub", "exp"]}
        )
    except jwt.ExpiredSignatureError:
        raise TokenError("expired", "the token has expired: get a new one from POST /v1/sessions") from None
    except jwt.InvalidSignatureError:
        raise TokenError("signature", "the token was signed with another secret: get a new token") from None
    except jwt.InvalidAlgorithmError:
        raise TokenError("algorithm", f"the token is not signed with {ALGORITHM}: get a new token") from None
    except (jwt.InvalidTokenError, ValueError):
        raise TokenError("malformed", "the token cannot be read: get a new one from POST /v1/sessions") from None
    if not claims["sub"] or len(claims["sub"]) > MAX_SUBJECT:
        raise TokenError("malformed", f"the token's sub takes 1 to {MAX_SUBJECT} characters: get a new token")
    return claims
