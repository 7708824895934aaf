"""Session tokens: HS256 JWTs, scope `voice-session`, 15 minutes.

A token that another issuer signed with the same secret is accepted. Such an issuer (an edge worker at the membership
site) sets no `tier`: it issues tokens to members only, so its callers are premium.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, cast

import jwt
from jwt.types import Options

from agent.budgets import Tier
from agent.core.errors import TokenError
from agent.session.claims import Claims, new_session_id

SCOPE: Final = "voice-session"
RESUME_SCOPE: Final = "voice-resume"
OWN_SCOPES: Final = frozenset({SCOPE, RESUME_SCOPE})
ALGORITHM: Final = "HS256"
MAX_TOKEN: Final = 4096  # characters; a longer one is refused unread
MAX_SUBJECT: Final = 256
Variable = str | int | float | bool
NO_VARIABLES: Final[Mapping[str, Variable]] = MappingProxyType({})
LEEWAY_S: Final = 5  # between the clocks of two issuers
LONGEST_S: Final = 86_400  # that a session token may have left to live, whoever signed it


class _Utf8(json.JSONEncoder):
    """Writes every character as it is: escaped, a name in another script would make a token too long to be read."""

    def __init__(self, **options: Any) -> None:
        options["ensure_ascii"] = False
        super().__init__(**options)


class TokenBook:
    """Issues session tokens with one secret, and verifies them with it and with those before it."""

    def __init__(self, secret: str, minutes: int, previous: Sequence[str] = ()) -> None:
        self._secret = secret
        self._secrets = (secret, *previous)
        self._lifetime = timedelta(minutes=minutes)

    def issue(
        self,
        subject: str,
        tier: Tier,
        *,
        probe: bool = False,
        key: str | None = None,
        agent: str | None = None,
        variables: Mapping[str, Variable] = NO_VARIABLES,
        policy: str | None = None,
    ) -> tuple[str, str, datetime]:
        """A new token, the session id in it, and when it ends. `probe` marks the synthetic caller's.

        `key` names the API key that it is given for: what its callers spend is counted together. `agent` and
        `variables` say who is to answer, `policy` by which one.
        """
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
        if key is not None:
            claims["key"] = key
        claims |= _asked_for(agent, variables, policy)
        return self._signed(claims), session_id, expires

    def key_name(self, api_key: str) -> str:
        """Under which name an API key's spending is counted: nobody can read the key from it."""
        return self.fingerprint(f"api-key:{api_key}")

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
        } | ({} if claims.key is None else {"key": claims.key})
        body |= _asked_for(claims.agent, dict(claims.variables), claims.policy)
        return self._signed(body)

    def _signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._secret, ALGORITHM, json_encoder=_Utf8)

    def verify(self, token: str) -> Claims:
        """Reads a session or resume token. Raises TokenError, whose message says what is wrong and what to do."""
        claims = _decode(token, self._secrets)
        scope = claims.get("scope")
        if scope not in (SCOPE, RESUME_SCOPE):
            raise TokenError("scope", f"the token's scope is not {SCOPE}: get a token from POST /v1/sessions")
        if scope == SCOPE and claims["exp"] - datetime.now(UTC).timestamp() > LONGEST_S + LEEWAY_S:
            raise TokenError("lifetime", "the token lives longer than a day: let its issuer set an `exp` of 15 minutes")
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
            key=_key(claims.get("key")),
            agent=_key(claims.get("agent")),
            variables=_variables(claims.get("vars")),
            policy=_key(claims.get("policy")),
        )


def verify_membership(cookie: str, secrets: Sequence[str], audience: str | None = None) -> str:
    """The subject of a membership cookie (HS256, `sub`, `exp`, and `aud` where one is expected). Raises TokenError.

    A session token is no membership, whoever signed it: it would make a caller of the free tier premium.
    """
    claims = _decode(cookie, secrets, audience, any_audience=audience is None)
    if not OWN_SCOPES.isdisjoint(_scopes(claims)) or "sid" in claims:
        raise TokenError("membership", "a session token is no membership: send the cookie of the membership site")
    return claims["sub"]


def _scopes(claims: Mapping[str, Any]) -> set[str]:
    """Every scope of a token, in whichever form its issuer writes them."""
    found: set[str] = set()
    for name in ("scope", "scopes", "scp"):
        value = claims.get(name)
        parts: Iterable[object] = value.split() if isinstance(value, str) else value if isinstance(value, list) else ()
        found.update(part for part in parts if isinstance(part, str))
    return found


def _is_session_id(value: object) -> bool:
    return isinstance(value, str) and 8 <= len(value) <= 64 and value.replace("-", "").isalnum()


def _key(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= MAX_SUBJECT else None


def _asked_for(agent: str | None, variables: Mapping[str, Variable], policy: str | None) -> dict[str, Any]:
    named = {"agent": agent, "policy": policy, "vars": dict(variables) or None}
    return {name: value for name, value in named.items() if value is not None}


def _variables(value: object) -> tuple[tuple[str, Variable], ...]:
    """What fills the places of a prompt; anything else that somebody has signed is left out."""
    given = cast("dict[Any, Any]", value) if isinstance(value, dict) else {}
    return tuple((str(name), one) for name, one in given.items() if isinstance(one, str | int | float | bool))


def _tier(value: object) -> Tier:
    if value is None:
        return Tier.PREMIUM
    if isinstance(value, str) and value in set(Tier):
        return Tier(value)
    raise TokenError("tier", f"the token's tier is not one of {', '.join(Tier)}: get a new token")


def _decode(
    token: str, secrets: Sequence[str], audience: str | None = None, *, any_audience: bool = False
) -> dict[str, Any]:
    """The claims of a token that one of the secrets signed. Raises TokenError."""
    if not token:
        raise TokenError("missing", "there is no token: get one from POST /v1/sessions")
    if len(token) > MAX_TOKEN:
        raise TokenError("oversized", f"the token is longer than {MAX_TOKEN} characters: get a new token")
    for position, secret in enumerate(secrets):
        try:
            return _decode_with(token, secret, audience, any_audience=any_audience)
        except TokenError as error:
            if error.reason != "signature" or position == len(secrets) - 1:
                raise
    raise TokenError("signature", "no secret is set up for this token")


def _decode_with(token: str, secret: str, audience: str | None, *, any_audience: bool) -> dict[str, Any]:
    options: Options = {"require": ["sub", "exp"], "verify_aud": not any_audience}
    try:
        claims: dict[str, Any] = jwt.decode(
            token, secret, algorithms=[ALGORITHM], leeway=LEEWAY_S, audience=audience, options=options
        )
    except jwt.ExpiredSignatureError:
        raise TokenError("expired", "the token has expired: get a new one from POST /v1/sessions") from None
    except jwt.ImmatureSignatureError:
        raise TokenError(
            "clock", f"the token is from the future, by more than {LEEWAY_S} s: set its issuer's clock, or this one's"
        ) from None
    except jwt.InvalidSignatureError:
        raise TokenError("signature", "the token was signed with another secret: get a new token") from None
    except jwt.InvalidAlgorithmError:
        raise TokenError("algorithm", f"the token is not signed with {ALGORITHM}: get a new token") from None
    except (jwt.InvalidAudienceError, jwt.MissingRequiredClaimError):
        raise TokenError("malformed", "the token lacks sub, exp or its audience, or is for another one") from None
    except (jwt.InvalidTokenError, ValueError, OverflowError):  # an endless `exp` is no number of seconds
        raise TokenError("malformed", "the token cannot be read: get a new one from POST /v1/sessions") from None
    if not claims["sub"] or len(claims["sub"]) > MAX_SUBJECT:
        raise TokenError("malformed", f"the token's sub takes 1 to {MAX_SUBJECT} characters: get a new token")
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in claims["sub"]):
        raise TokenError("malformed", "the token's sub takes characters that can be stored: no NUL and no half of one")
    return claims
