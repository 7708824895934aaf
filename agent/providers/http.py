"""What all provider clients share: connection limits, transport timeouts, headers, and what an HTTP status means.

The SDKs' own defaults do not fit a voice call: connections idle out after 5 s, which costs a new TLS handshake per
turn; reads wait for minutes; failed requests are retried twice with back-off while the caller hears nothing. Deadlines
to the first useful output are the chains' business; the timeouts here only free connections that nobody waits for.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from agent.core.calls import ErrorKind
from agent.providers.call import ProviderCall

CONNECT_TIMEOUT_S: Final = 2.0
READ_TIMEOUT_S: Final = 10.0  # between two pieces of an answer
KEEPALIVE_EXPIRY_S: Final = 300.0
MAX_CONNECTIONS: Final = 200
MAX_IDLE_CONNECTIONS: Final = 50

SESSION_HEADER: Final = "x-client-session"
_LONGEST_RETRY_AFTER_S: Final = 300.0  # a longer one is not believed: it would shut a provider out for a whole evening

_BY_STATUS: Final = {
    401: ErrorKind.MISCONFIGURED,
    402: ErrorKind.MISCONFIGURED,  # the account behind our key is out of credit
    403: ErrorKind.MISCONFIGURED,
    404: ErrorKind.MISCONFIGURED,
    408: ErrorKind.TIMEOUT,
    410: ErrorKind.MISCONFIGURED,
    413: ErrorKind.TOO_LONG,
    429: ErrorKind.RATE_LIMITED,
    504: ErrorKind.TIMEOUT,
}


def session_headers(session: str) -> dict[str, str]:
    """Headers that name the session to the provider, for support: an opaque id, never a person."""
    return {SESSION_HEADER: session}


def kind_of_status(status: int) -> ErrorKind:
    """The error kind of an HTTP status that is not a success; a success status here means an unreadable answer."""
    if status < 400:
        return ErrorKind.MALFORMED
    return _BY_STATUS.get(status) or (ErrorKind.OVERLOADED if status >= 500 else ErrorKind.BAD_REQUEST)


def retry_after_s(headers: Mapping[str, str] | None) -> float | None:
    """Seconds of a `retry-after` header, at most 300; None where it is absent or says nothing.

    It may be a date (RFC 9110, 10.2.3), which counts from the answer's own `date`; `retry-after-ms` is finer.
    """
    if headers is None:
        return None
    thousand = _number(headers.get("retry-after-ms"))
    seconds = _number(headers.get("retry-after")) if thousand is None else thousand / 1000
    if seconds is None and (until := _seconds_of_date(headers.get("retry-after"))) is not None:
        told = _seconds_of_date(headers.get("date"))
        seconds = max(0.0, until - (time.time() if told is None else told))
    return None if seconds is None else min(seconds, _LONGEST_RETRY_AFTER_S)


def _number(value: str | None) -> float | None:
    try:
        number = -1.0 if value is None else float(value)
    except ValueError:
        return None
    return number if number >= 0 else None  # which NaN is not


def _seconds_of_date(value: str | None) -> float | None:
    try:
        date = parsedate_to_datetime(value or "")
        return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def kind_of_transport_error(error: Exception, call: ProviderCall) -> ErrorKind:
    """The error kind of an exception of httpx or httpx2, whose classes have the same names; `malformed` for any other.

    Before the provider answered, a broken connection is a refusal; afterwards it was cut.
    """
    names = {ancestor.__name__ for ancestor in type(error).__mro__}
    if "ConnectTimeout" in names or "ConnectError" in names:
        return ErrorKind.REFUSED
    if "TimeoutException" in names:
        return ErrorKind.STALLED if call.first_output_at is not None else ErrorKind.TIMEOUT
    if names & {"NetworkError", "ProtocolError", "StreamError"}:
        return ErrorKind.DISCONNECTED if call.accepted else ErrorKind.REFUSED
    return ErrorKind.MALFORMED
