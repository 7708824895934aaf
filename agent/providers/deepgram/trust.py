"""One TLS context for all connections to the recogniser.

The SDK passes none to `websockets`, so asyncio makes one for each connection, on the event loop, and reads the system's
authorities for it: 20 to 33 ms for 144 of them (measured on two cores), in which no other call is heard.
"""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Any, Final

_CONNECT: Final = "websockets_client_connect"  # the name under which the SDK's clients import it


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """What the system trusts, or the file that SSL_CERT_FILE names; read once in a process."""
    return ssl.create_default_context()


def share_trust(*clients: Any) -> None:
    """Makes these modules of the SDK connect with the shared context where the address is `wss:`.

    Raises AttributeError where the SDK does not import `websockets` as it did when this was written.
    """
    for client in clients:
        plain = getattr(client, _CONNECT)
        if not hasattr(plain, "shares_trust"):
            setattr(client, _CONNECT, _with_trust(plain))


def _with_trust(plain: Any) -> Any:
    def connect(url: str, **options: Any) -> Any:
        return plain(url, **({"ssl": trusted()} if url.startswith("wss:") else {}), **options)

    setattr(connect, "shares_trust", True)  # noqa: B010  a function has no such attribute
    return connect
