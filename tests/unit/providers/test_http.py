from __future__ import annotations

import time
from email.utils import formatdate

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
    [
        ("2", 2.0), ("0.5", 0.5), ("0", 0.0), ("86400", 300.0), ("-3", None), ("nan", None), ("inf", 300.0),
        ("soon", None), ("", None), ("²", None),
    ],
)  # fmt: skip
def test_retry_after_is_believed_within_reason(value: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": value}) == seconds


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("Wed, 21 Oct 2026 07:28:30 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:28:30 -0000", "Wed, 21 Oct 2026 07:28:00 GMT", 30.0),
        ("Wednesday, 21-Oct-26 07:28:30 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 30.0),
        ("Wed, 21 Oct 2026 09:00:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 300.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 0.0),
        ("Wed, 99 Oct 2026 07:28:30 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", "Wed, 21 Oct 2026 07:28:00 GMT", 300.0),
    ],
)
def test_a_date_counts_from_the_time_that_its_own_answer_tells(value: str, date: str, seconds: float | None) -> None:
    """A clock of ours that is wrong by an hour must not shut a provider out for one."""
    assert retry_after_s({"retry-after": value, "date": date}) == seconds


def test_a_date_without_the_answers_own_time_counts_from_our_clock() -> None:
    at = formatdate(time.time() + 60, usegmt=True)
    for headers in ({"retry-after": at}, {"retry-after": at, "date": "yesterday"}):
        seconds = retry_after_s(headers)
        assert seconds is not None and 55 < seconds <= 60


def test_milliseconds_are_finer_than_seconds() -> None:
    assert retry_after_s({"retry-after-ms": "250", "retry-after": "1"}) == 0.25
    assert retry_after_s({"retry-after-ms": "x", "retry-after": "1"}) == 1.0


def test_retry_after_may_be_absent() -> None:
    assert retry_after_s({}) is None
    assert retry_after_s(None) is None
