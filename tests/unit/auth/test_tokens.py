"""Session tokens: what is accepted, and why the rest is not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.auth.tokens import MAX_SUBJECT, TokenBook, verify_membership
from agent.budgets import Tier
from agent.core.errors import TokenError
from agent.definitions.definition import VARIABLES_LIMIT

SECRET = "s" * 40
BOOK = TokenBook(SECRET, minutes=15)


def test_an_issued_token_says_who_and_lives_fifteen_minutes() -> None:
    token, session_id, expires = BOOK.issue("caller", Tier.FREE)
    claims = BOOK.verify(token)
    assert (claims.subject, claims.tier, claims.session_id) == ("caller", Tier.FREE, session_id)
    assert not claims.resume
    assert timedelta(minutes=14, seconds=50) < expires - datetime.now(UTC) <= timedelta(minutes=15)
    assert jwt.decode(token, SECRET, ["HS256"])["scope"] == "voice-session"


@pytest.mark.parametrize("char", ["x", "é", "予", "😀", '"', "\\"])
def test_what_was_taken_fits_into_a_token_that_is_taken(char: str) -> None:
    """The longest subject and the most variables, in any script."""
    subject, room = char * MAX_SUBJECT, VARIABLES_LIMIT // len(json.dumps(char, ensure_ascii=False)[1:-1].encode())
    variables = {"note": char * (room - 4)}
    token, session_id, _ = BOOK.issue(subject, Tier.PREMIUM, key="k" * 24, agent="a" * 32, variables=variables)
    claims = BOOK.verify(token)
    assert (claims.subject, dict(claims.variables)) == (subject, variables)
    assert BOOK.verify(BOOK.issue_resume(claims, session_id, 3600)).variables == claims.variables


@pytest.mark.parametrize("subject", ["a\0b", "\ud800", "a\udfff"])
def test_a_subject_that_cannot_be_stored_is_none(subject: str) -> None:
    """JSON has room for half a character: it would end in a fault wherever it is hashed or written down."""
    signed = jwt.encode({"sub": subject, "exp": datetime.now(UTC) + timedelta(minutes=5)}, SECRET, "HS256")
    with pytest.raises(TokenError):
        verify_membership(signed, [SECRET])


def test_the_policy_that_was_asked_for_is_in_both_tokens() -> None:
    book = TokenBook(SECRET, minutes=15)
    claims = book.verify(book.issue("ada", Tier.FREE, policy="fast")[0])
    assert claims.policy == "fast"
    assert book.verify(book.issue_resume(claims, "0" * 24, 60.0)).policy == "fast"
    assert book.verify(book.issue("ada", Tier.FREE)[0]).policy is None


def test_a_resume_token_names_its_session() -> None:
    token, session_id, _ = BOOK.issue("caller", Tier.PREMIUM, key=BOOK.key_name("the-key-0123456789"))
    resumed = BOOK.verify(BOOK.issue_resume(BOOK.verify(token), session_id, 3600))
    assert resumed.resume
    assert (resumed.subject, resumed.tier, resumed.session_id) == ("caller", Tier.PREMIUM, session_id)
    assert resumed.key == BOOK.key_name("the-key-0123456789") != BOOK.key_name("another-key-0123456")
    assert "the-key" not in (resumed.key or "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": datetime(2020, 1, 1, tzinfo=UTC)}, "expired"),
        ({"exp": None}, "malformed"),
        ({"exp": float("inf")}, "malformed"),
        ({"exp": 1e300}, "lifetime"),
        ({"exp": datetime(2120, 1, 1, tzinfo=UTC)}, "lifetime"),
        ({"exp": "soon"}, "malformed"),
        ({"iat": datetime(2120, 1, 1, tzinfo=UTC)}, "clock"),
        ({"nbf": datetime(2120, 1, 1, tzinfo=UTC)}, "clock"),
        ({"sub": None}, "malformed"),
        ({"sub": ""}, "malformed"),
        ({"sub": "x" * 300}, "malformed"),
        ({"scope": "admin"}, "scope"),
        ({"scope": None}, "scope"),
        ({"tier": "gold"}, "tier"),
        ({"tier": 7}, "tier"),
        ({"sid": "../../etc"}, "malformed"),
        ({"sid": 12}, "malformed"),
        ({"scope": "voice-resume"}, "malformed"),
    ],
)
def test_wrong_claims_are_refused_with_their_reason(changes: dict[str, object], reason: str) -> None:
    claims: dict[str, object] = {
        "sub": "a", "scope": "voice-session", "tier": "free", "exp": datetime.now(UTC) + timedelta(minutes=1)
    }  # fmt: skip
    claims |= changes
    token = jwt.encode({key: value for key, value in claims.items() if value is not None}, SECRET, "HS256")
    with pytest.raises(TokenError) as caught:
        BOOK.verify(token)
    assert caught.value.reason == reason
    assert token not in str(caught.value)


@given(st.text(max_size=200))
def test_garbage_is_refused_and_nothing_else_is_raised(garbage: str) -> None:
    with pytest.raises(TokenError):
        BOOK.verify(garbage)


def test_no_secret_but_ours_and_no_other_algorithm() -> None:
    claims = {"sub": "a", "scope": "voice-session", "exp": datetime.now(UTC) + timedelta(minutes=1)}
    for token, reason in (
        (jwt.encode(claims, "o" * 40, "HS256"), "signature"),
        (jwt.encode(claims, "", "none"), "algorithm"),
        (jwt.encode(claims, SECRET * 2, "HS512"), "algorithm"),
    ):
        with pytest.raises(TokenError) as caught:
            BOOK.verify(token)
        assert caught.value.reason == reason


def test_a_membership_cookie_gives_its_subject() -> None:
    cookie = jwt.encode({"sub": "member", "exp": datetime.now(UTC) + timedelta(minutes=1)}, SECRET, "HS256")
    assert verify_membership(cookie, [SECRET]) == "member"
    with pytest.raises(TokenError):
        verify_membership(cookie, ["o" * 40])


def membership(**changes: object) -> str:
    claims = {"sub": "member", "exp": datetime.now(UTC) + timedelta(minutes=1)} | changes
    return jwt.encode(claims, SECRET, "HS256")


@pytest.mark.parametrize("scope", ["voice-session", "voice-resume", "profile voice-session", ["voice-session"]])
def test_a_session_token_is_no_membership_even_where_both_have_one_secret(scope: object) -> None:
    with pytest.raises(TokenError, match="no membership"):
        verify_membership(membership(scope=scope), [SECRET])
    with pytest.raises(TokenError, match="no membership"):
        verify_membership(BOOK.issue("caller", Tier.FREE)[0], [SECRET])
    assert verify_membership(membership(scope="profile email"), [SECRET]) == "member"


def test_an_audience_is_checked_where_one_is_configured() -> None:
    right, wrong, without = membership(aud="voice"), membership(aud="shop"), membership()
    assert verify_membership(right, [SECRET], "voice") == "member"
    assert verify_membership(membership(aud=["shop", "voice"]), [SECRET], "voice") == "member"
    for cookie in (wrong, without):
        with pytest.raises(TokenError, match="audience"):
            verify_membership(cookie, [SECRET], "voice")
    assert verify_membership(wrong, [SECRET]) == "member"  # none is configured


def test_two_secrets_are_accepted_while_they_are_changed() -> None:
    old, _, _ = BOOK.issue("caller", Tier.FREE)
    changing = TokenBook("n" * 40, minutes=15, previous=(SECRET,))
    assert changing.verify(old).subject == "caller"
    fresh, _, _ = changing.issue("caller", Tier.FREE)
    with pytest.raises(TokenError, match="another secret"):
        BOOK.verify(fresh)
    with pytest.raises(TokenError, match="another secret"):
        TokenBook("n" * 40, minutes=15).verify(old)
    assert verify_membership(membership(), ["n" * 40, SECRET]) == "member"
