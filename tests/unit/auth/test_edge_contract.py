"""The contract with the worker at the edge: both sides read `deploy/edge/test/vectors.json` alike."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from agent.auth.tokens import TokenBook, verify_membership
from agent.budgets import Tier
from agent.core.errors import TokenError
from tests.support.paths import ROOT

VECTORS: dict[str, Any] = json.loads((ROOT / "deploy" / "edge" / "test" / "vectors.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["membership"], ids=lambda vector: vector["name"])
def test_a_membership_cookie_is_read_as_the_worker_reads_it(vector: dict[str, Any]) -> None:
    try:
        found = {"subject": verify_membership(vector["cookie"], VECTORS["membership_secrets"], vector["audience"])}
    except TokenError as error:
        found = {"reason": error.reason}
    assert found == {key: vector[key] for key in ("subject", "reason") if key in vector}


def test_the_worker_s_session_token_opens_a_premium_session() -> None:
    session, secret = VECTORS["session"], VECTORS["token_secret"]
    minted = session["claims"]
    assert (minted["iat"], minted["exp"] - minted["iat"]) == (session["now"], 15 * 60)
    now = int(datetime.now(UTC).timestamp())
    token = jwt.encode({**minted, "iat": now, "exp": now + 15 * 60}, secret, "HS256")
    claims = TokenBook(secret, 15).verify(token)
    assert (claims.subject, claims.session_id) == (session["subject"], session["session_id"])
    assert (claims.tier, claims.resume) == (Tier.PREMIUM, False)
