"""Bearer tokens of the operator's routes and of Alertmanager."""

from __future__ import annotations

import hmac

from litestar.plugins.problem_details import ProblemDetailsException
from pydantic import SecretStr


def check_bearer(header: str | None, token: SecretStr | None, setting: str) -> None:
    """Raises a 401 for a missing or wrong token, and a 403 where no token is set up at all."""
    if token is None:
        raise ProblemDetailsException(
            status_code=403, title="Forbidden", detail=f"this route is switched off: set {setting}"
        )
    scheme, _, given = (header or "").partition(" ")
    known = hmac.compare_digest(given.strip().encode(), token.get_secret_value().encode())
    if scheme.lower() != "bearer" or not known:
        raise ProblemDetailsException(
            status_code=401, title="Unauthorized", detail=f"send Authorization: Bearer with the value of {setting}"
        )
