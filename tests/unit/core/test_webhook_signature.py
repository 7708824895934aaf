"""What a receiver of the webhook checks."""

from __future__ import annotations

from typing import Final

import pytest

from agent.core.webhook_signature import sign, verify

SECRET: Final = "a secret of the tests, long enough"
BODY: Final = b'{"type": "session.ended"}'


def test_what_was_signed_is_verified() -> None:
    assert verify(SECRET, BODY, sign(SECRET, BODY, 1_000.9), 1_000.0)
    assert sign(SECRET, BODY, 1_000.0) == sign(SECRET, BODY, 1_000.9)


@pytest.mark.parametrize(
    ("secret", "body", "now"),
    [("another secret", BODY, 1_000.0), (SECRET, BODY + b" ", 1_000.0), (SECRET, BODY, 1_400.0), (SECRET, BODY, 600.0)],
)
def test_another_secret_body_or_time_is_refused(secret: str, body: bytes, now: float) -> None:
    assert not verify(secret, body, sign(SECRET, BODY, 1_000.0), now)


@pytest.mark.parametrize("header", ["", "t=,v1=", "t=1000", "v1=00", "t=1000,v1=ü", "t=-1,v1=0", f"t={'9' * 400},v1=0"])
def test_nonsense_is_refused(header: str) -> None:
    assert not verify(SECRET, BODY, header, 1_000.0)
