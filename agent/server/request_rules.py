"""Requests that two readers could understand differently, or that ask for what nobody here does: refused unread.

A proxy before the service may look at one `Authorization` header while the service looks at the other, so there may be
one alone. `Expect` knows `100-continue` and nothing else (RFC 9110, 10.1.1).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

_TYPE = b"application/problem+json"


@dataclass(frozen=True, slots=True)
class RequestProblem:
    """Why a request is not read."""

    status: HTTPStatus
    detail: str

    def body(self) -> bytes:
        """A problem document (RFC 9457)."""
        named = {"status": self.status.value, "title": self.status.phrase, "detail": self.detail}
        return json.dumps(named, separators=(",", ":")).encode()

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the answer. The connection is closed: what follows was not understood alike either."""
        return [
            (b"content-type", _TYPE),
            (b"content-length", str(len(self.body())).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
        ]

    def response(self) -> bytes:
        """The whole answer, as it goes over the wire."""
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}".encode()]
        lines += [b": ".join(pair) for pair in self.headers()]
        return b"\r\n".join([*lines, b"", self.body()])


TWO_CREDENTIALS = RequestProblem(HTTPStatus.BAD_REQUEST, "two Authorization headers: send one")
UNKNOWN_EXPECTATION = RequestProblem(HTTPStatus.EXPECTATION_FAILED, "Expect can be 100-continue only")


def problem_with(headers: Iterable[tuple[bytes, bytes]]) -> RequestProblem | None:
    """What is wrong with the headers of a request, whose names are in lower case; None where nothing is."""
    credentials = 0
    for name, value in headers:
        if name == b"authorization":
            credentials += 1
        elif name == b"expect" and value.strip().lower() != b"100-continue":
            return UNKNOWN_EXPECTATION
    return TWO_CREDENTIALS if credentials > 1 else None


class CheckedRequests:
    """An ASGI application that answers such requests itself and hands all others on."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request, or opens one WebSocket."""
        problem = problem_with(scope["headers"]) if scope["type"] == "http" else None
        if problem is None:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": problem.status.value, "headers": problem.headers()})
        await send({"type": "http.response.body", "body": problem.body()})
