"""What goes wrong at Deepgram: exceptions of its SDK, of `websockets` and of the system, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from agent.core.calls import ErrorKind
from agent.providers.call import Failure, ProviderCall
from agent.providers.http import kind_of_status, retry_after_s
from agent.providers.refusals import ProviderRefusal, refusal_of

_POLICY_VIOLATION: Final = 1008  # Deepgram's close code for audio that it cannot decode


class ProtocolFaultError(Exception):
    """The recogniser sent an error message."""

    def __init__(self, kind: ErrorKind) -> None:
        super().__init__(kind)
        self.kind = kind


def classify(error: Exception, call: ProviderCall) -> Failure:
    """What an exception of the SDK, of `websockets` or of the operating system means."""
    from deepgram.core.api_error import ApiError
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

    if isinstance(error, ProtocolFaultError):
        return Failure(error.kind)
    if isinstance(error, ApiError):
        status, headers = error.status_code or 500, _response_headers(error)
        words = headers.get("dg-error", "") if headers else ""
        told = ProviderRefusal(status, "", words) if words else refusal_of(status, error.body)
        return told.failure(kind_of_status(status), retry_after_s(headers))
    if isinstance(error, ConnectionClosed):
        refused_audio = error.rcvd is not None and error.rcvd.code == _POLICY_VIOLATION
        return Failure(ErrorKind.BAD_REQUEST if refused_audio else ErrorKind.DISCONNECTED)
    if isinstance(error, InvalidURI):
        return Failure(ErrorKind.BAD_REQUEST)
    if isinstance(error, TimeoutError):
        return Failure(ErrorKind.STALLED if call.accepted else ErrorKind.REFUSED)
    if isinstance(error, OSError | EOFError | InvalidHandshake):
        return Failure(ErrorKind.DISCONNECTED if call.accepted else ErrorKind.REFUSED)
    return Failure(ErrorKind.MALFORMED)


def _response_headers(error: Exception) -> Mapping[str, str] | None:
    """The headers of a refused upgrade. The SDK's error carries those of our request; the cause has the answer's."""
    cause = error.__context__
    headers = getattr(cause, "headers", None) or getattr(getattr(cause, "response", None), "headers", None)
    return cast("Mapping[str, str] | None", headers)
