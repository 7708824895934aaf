"""One HTTP request to a simulated provider: its fault, its log entry, its counts, and its answer on the wire."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar.connection import Request

from voice_sandbox.counters import LoggedRequest
from voice_sandbox.faults import Fault, FaultKind
from voice_sandbox.state import SandboxState, session_of

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

AnyRequest = Request[Any, Any, Any]
STATUS_FAULTS: Final[Mapping[FaultKind, int]] = {
    FaultKind.UNAUTHORIZED: 401,
    FaultKind.RATE_LIMITED: 429,
    FaultKind.OVERLOADED: 529,
    FaultKind.SERVER_ERROR: 500,
    FaultKind.FORBIDDEN: 403,
    FaultKind.GONE: 404,
    FaultKind.NO_CREDIT: 402,
}
"""The usual status of a fault; a provider that says it with another has that in its own table."""


def identifier(prefix: str) -> str:
    """A fresh id in the vendors' style, such as req_ and 24 hexadecimal digits."""
    return prefix + secrets.token_hex(12)


@dataclass(slots=True)
class SimulatedCall:
    """A request while it is served. It settles once: served, cancelled, or the kind of what went wrong."""

    world: SandboxState
    request: AnyRequest
    provider: str
    model: str
    session: str | None
    fault: Fault | None
    entry: LoggedRequest
    _settled: bool = field(default=False)

    @staticmethod
    def begin(request: AnyRequest, provider: str, model: str, body: Any) -> SimulatedCall:
        """Counts and logs the request and draws its fault. `body` is what the control endpoint's log shows of it."""
        world, session = SandboxState.of(request), session_of(request)
        world.counters.add(provider, model, session, requests=1)
        world.timings.note(session, provider, "asked")
        world.rates.begin(provider)
        fault = world.faults.draw(provider, session, model=model)
        return SimulatedCall(
            world, request, provider, model, session, fault, world.log.open(provider, model, session, body)
        )

    def applies(self, kind: FaultKind) -> bool:
        return self.fault is not None and self.fault.kind is kind

    def count(self, **quantities: float) -> None:
        """Counts what this request is billed for."""
        self.world.counters.add(self.provider, self.model, self.session, **quantities)

    def settle(self, outcome: str) -> None:
        """Ends the request: the first outcome stands. `cancelled` and failures are counted apart."""
        if self._settled:
            return
        self._settled = True
        self.world.rates.end(self.provider)
        self.entry.outcome = outcome
        if outcome == "cancelled":
            self.count(requests_cancelled=1)
        elif outcome != "served":
            self.count(requests_failed=1)

    def retry_after(self, status: int) -> dict[str, str]:
        """The `retry-after` header of a status fault, in seconds; a 429 always has one."""
        wait_s = self.fault.retry_after_s if self.fault is not None else None
        if wait_s is None and status == 429:
            wait_s = 1
        return {} if wait_s is None else {"retry-after": f"{wait_s:g}"}

    async def hang_up(self) -> None:
        """Closes the connection after what was written, and waits for the server to notice. Returns only when
        cancelled.
        """
        self.world.wire.break_off(_client(self.request), "after_flush")
        await asyncio.get_running_loop().create_future()


def _client(request: AnyRequest) -> tuple[str, int] | None:
    return request.scope.get("client")


@dataclass(frozen=True, slots=True)
class ResponsePiece:
    """Bytes of an answer; `useful` ones (text, audio, a transcript) are what faults count."""

    data: bytes
    useful: bool = True


class Answer:
    """A whole JSON (or other) answer, as an ASGI application."""

    def __init__(self, status: int, content: object, headers: Mapping[str, str] | None = None) -> None:
        """`content` is bytes, or anything msgspec encodes as JSON."""
        self.status = status
        self.body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        self.headers = {"content-type": "application/json", **(headers or {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {**self.headers, "content-length": str(len(self.body))}
        await send({"type": "http.response.start", "status": self.status, "headers": _encoded(headers)})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class Streamed:
    """An answer that goes out piece by piece until it ends, the client leaves, or the call's fault bites."""

    def __init__(
        self,
        call: SimulatedCall,
        pieces: AsyncGenerator[ResponsePiece],
        headers: Mapping[str, str],
        spoil: Callable[[bytes], bytes],
    ) -> None:
        """`spoil` turns a useful piece into the broken one that a malformed answer carries in its place."""
        self.call = call
        self.pieces = pieces
        self.headers = headers
        self.spoil = spoil

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _encoded(self.headers)})
        sender = asyncio.create_task(self._send(send))
        listener = asyncio.create_task(until_gone(receive))
        try:
            await asyncio.wait({sender, listener}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            listener.cancel()
            sender.cancel()
            outcomes = await asyncio.gather(sender, listener, return_exceptions=True)
            await self.pieces.aclose()
            self.call.settle("cancelled")
        if isinstance(outcomes[0], Exception):
            raise outcomes[0]

    async def _send(self, send: Send) -> None:
        async with aclosing(self.pieces) as pieces:
            passed = 0
            async for piece in pieces:
                data = await self._under_fault(piece, passed)
                if piece.useful and not passed:
                    self.call.world.timings.note(self.call.session, self.call.provider, "answered")
                passed += piece.useful
                await send({"type": "http.response.body", "body": data, "more_body": True})
                if data is not piece.data:
                    self.call.settle(FaultKind.MALFORMED)
                    break
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        self.call.settle("served")

    async def _under_fault(self, piece: ResponsePiece, passed: int) -> bytes:
        fault = self.call.fault
        if fault is None or not piece.useful:
            return piece.data
        if fault.kind is FaultKind.SLOW_DRIP:
            await asyncio.sleep(fault.interval_s)
        if passed < fault.after:
            return piece.data
        if fault.kind is FaultKind.STALL:
            self.call.settle(FaultKind.STALL)
            await asyncio.get_running_loop().create_future()
        if fault.kind is FaultKind.CUT:
            self.call.settle(FaultKind.CUT)
            await self.call.hang_up()
        return self.spoil(piece.data) if fault.kind is FaultKind.MALFORMED else piece.data


async def until_gone(receive: Receive) -> None:
    """Waits until the client has closed its side of the request."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Silence:
    """Nothing at all, for as long as the client waits: a stalled answer that never sends its first byte."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await until_gone(receive)


async def refused(call: SimulatedCall) -> ASGIApp:
    """Drops the TCP connection without an answer: as near as a server on the port comes to a refused connection."""
    call.settle(FaultKind.REFUSE)
    call.world.wire.break_off(_client(call.request), "at_once")
    return Silence()


async def whole(call: SimulatedCall, answer: Answer) -> ASGIApp:
    """A non-streaming answer under the call's fault: stalled, late, cut short, broken, or as it is."""
    fault = call.fault
    if fault is None or fault.kind is FaultKind.EMPTY:
        call.settle("served")
        return answer
    if fault.kind is FaultKind.STALL:
        call.settle(FaultKind.STALL)
        return Silence()
    if fault.kind is FaultKind.MALFORMED:
        call.settle(FaultKind.MALFORMED)
        return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)

    async def pieces() -> AsyncGenerator[ResponsePiece]:
        half = len(answer.body) // 2
        yield ResponsePiece(answer.body[:half], useful=fault.kind is not FaultKind.CUT)
        yield ResponsePiece(answer.body[half:])

    return Streamed(call, pieces(), answer.headers, bytes)


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
