"""Clients of the vendors' SDKs. To import them all takes two seconds of processor time: a process opens its port first.

They are loaded in a thread as soon as the port is open. Until then the process is not ready; whoever calls all the same
waits for that, and no call pays for an import.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable

from agent.providers.http import CONNECT_TIMEOUT_S, KEEPALIVE_EXPIRY_S, MAX_CONNECTIONS, MAX_IDLE_CONNECTIONS

if TYPE_CHECKING:
    import httpx

A = TypeVar("A")
C = TypeVar("C")


def connections(read_timeout_s: float) -> httpx.AsyncClient:
    """What SDKs over httpx share: connections are kept for 300 s, and connecting takes 2 s at most. Imports httpx."""
    import httpx

    return httpx.AsyncClient(
        timeout=httpx.Timeout(read_timeout_s, connect=CONNECT_TIMEOUT_S),
        limits=httpx.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_IDLE_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_EXPIRY_S,
        ),
    )


@runtime_checkable
class LoadsSdk(Protocol):
    """An adapter over an SDK."""

    def load(self) -> None:
        """Imports the SDK and makes its client, with all that a call needs of it. May run in another thread."""
        ...


class SdkClient(Generic[C]):
    """A client that is made when it is first asked for; two threads that ask at once get the same one."""

    def __init__(self, make: Callable[[], C]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self.made: C | None = None

    def get(self) -> C:
        """The client. The first time it imports the SDK."""
        if self.made is None:
            with self._lock:
                if self.made is None:
                    self.made = self._make()
        return self.made


class SdkLoading(Generic[A]):
    """Loads the SDKs of all adapters of a process, once."""

    def __init__(self, adapters: list[A], *, later: bool) -> None:
        """`adapters` grows by `add`; with `later` nothing is loaded before `load` or `wait`."""
        self._adapters = adapters
        self._loading: asyncio.Future[None] | None = None
        self.done = not later
        """Whether calls can be made without an import."""

    def add(self, adapter: A) -> None:
        """Notes an adapter, which is loaded at once, unless all are to be loaded later."""
        self._adapters.append(adapter)
        if self.done:
            _load(adapter)

    def load(self) -> None:
        """Loads them now, and blocks for it. Raises whatever an import raises."""
        for adapter in tuple(self._adapters):
            _load(adapter)
        self.done = True

    async def wait(self) -> None:
        """Loads what is not loaded, in a thread, and waits for that. Raises whatever an import raises."""
        if self.done:
            return
        if self._loading is None or self._loading.done():
            self._loading = asyncio.get_running_loop().run_in_executor(None, self.load)
        await asyncio.shield(self._loading)


def _load(adapter: object) -> None:
    if isinstance(adapter, LoadsSdk):
        adapter.load()
