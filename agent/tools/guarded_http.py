"""HTTP connections that go to addresses which were looked at, and to no others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpcore2
import httpx2

from agent.tools.outside import OutsideError

CONNECTIONS: Final = 50
"""Open connections of all tools of a process at most."""
IDLE_S: Final = 60.0
CONNECT_S: Final = 3.0
READ_S: Final = 30.0

Addresses = Callable[[str, int], Awaitable[Sequence[str]]]


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Looks a name up once, and connects to what was found: nothing asks the name again."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._inner: httpcore2.AsyncNetworkBackend = httpcore2.AnyIOBackend()  # pyright: ignore

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connects to the first address that takes it. Raises OutsideError, and httpcore2's errors."""
        failed: httpcore2.ConnectError | httpcore2.ConnectTimeout | None = None
        for address in (await self._addresses(host, port))[:3]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore2.ConnectError("no address")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Never."""
        raise httpcore2.ConnectError("no sockets of this machine")

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await self._inner.sleep(seconds)


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """The library's own transport with a network of ours below it.

    `steady`: a request that fails is answered with 502, and a body that breaks off ends there. The MCP SDK would else
    end the connection to a server, with all calls on it, for the sake of one.
    """

    def __init__(self, addresses: Addresses, most_bytes: int | None = None) -> None:
        self._most, self.steady = most_bytes, False
        trusted = httpx2.create_ssl_context()  # SSL_CERT_FILE is the operator's word
        super().__init__(verify=trusted, trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=trusted,
            max_connections=CONNECTIONS,
            max_keepalive_connections=CONNECTIONS,
            keepalive_expiry=IDLE_S,
            network_backend=GuardedBackend(addresses),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Asks. An answer that is too long is cut off, and a packed one is none: unpacked it may be a thousand times as
        long. A stream of events has no length.
        """
        if self._most is not None:
            request.headers["accept-encoding"] = "identity"
        try:
            response = await super().handle_async_request(request)
        except (httpx2.TransportError, OutsideError):
            if not self.steady or request.method != "POST":
                raise
            return httpx2.Response(502, request=request)
        if self._most is not None and response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            return httpx2.Response(502, request=request)
        streams = response.headers.get("content-type", "").startswith("text/event-stream")
        if self._most is not None and not streams and isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _Bounded(response.stream, self._most)
        return response


class _Bounded(httpx2.AsyncByteStream):
    """A body of so many bytes at most."""

    def __init__(self, inner: httpx2.AsyncByteStream, most: int) -> None:
        self._inner, self._left = inner, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._inner:
                self._left -= len(piece)
                if self._left < 0:
                    return  # what is cut off cannot be read: that call fails, and no other
                yield piece
        except httpx2.TransportError:
            return  # the same: it is not whole

    async def aclose(self) -> None:
        """Closes the connection's stream."""
        await self._inner.aclose()


def guarded_client(transport: httpx2.AsyncHTTPTransport) -> httpx2.AsyncClient:
    """A client that follows nothing, keeps no cookie and takes nothing from the environment."""
    timeout = httpx2.Timeout(READ_S, connect=CONNECT_S)
    none_kept = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # callers share the client
    return httpx2.AsyncClient(transport=transport, cookies=none_kept, trust_env=False, timeout=timeout)
