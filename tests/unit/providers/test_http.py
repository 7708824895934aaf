from __future__ import annotations

import pytest

from agent.core.calls import ErrorKind
from agent.providers.http import kind_of_status, retry_after_s


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ErrorKind.BAD_REQUEST),
        (401, ErrorKind.MISCONFIGURED),
        (402, ErrorKind.MISCONFIGURED),
        (403, ErrorKind.MISCONFIGURED),
        (404, ErrorKind.MISCONFIGURED),
        (408, ErrorKind.TIMEOUT),
        (413, ErrorKind.TOO_LONG),
        (422, ErrorKind.BAD_REQUEST),
        (429, ErrorKind.RATE_LIMITED),
        (500, ErrorKind.OVERLOADED),
        (502, ErrorKind.OVERLOADED),
        (503, ErrorKind.OVERLOADED),
        (504, ErrorKind.TIMEOUT),
        (529, ErrorKind.OVERLOADED),
        (200, ErrorKind.MALFORMED),
    ],
)
def test_a_status_has_one_meaning(status: int, kind: ErrorKind) -> None:
    assert kind_of_status(status) is kind


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("0", 0.0), ("86400", 300.0), ("-3", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)
def test_retry_after_is_believed_within_reason(value: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": value}) == seconds


def test_retry_after_may_be_absent() -> None:
    assert retry_after_s({}) is None
    assert retry_after_s(None) is None
