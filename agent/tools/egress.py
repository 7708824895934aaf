"""Where tools may go, and with which secrets: what the operator allows, whatever a definition says.

A host has to be on a list of the operator's. Its addresses have to be public, all of them, unless it is on the list of
private hosts; they are looked up once, and the connection goes to the address that was judged. So a name whose address
changes in between (DNS rebinding) leads nowhere.

A definition names secrets; their values are in the environment as `TOOL_SECRET_…`, and in nothing that is returned.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus, urlsplit

from agent.core.hosts import is_nowhere, is_public
from agent.tools.outside import OutsideError

if TYPE_CHECKING:
    from httpx2 import AsyncClient

    from agent.tools.guarded_http import GuardedTransport

SECRET_PREFIX: Final = "TOOL_SECRET_"  # noqa: S105  a name
SHORTEST_SECRET: Final = 8
HIDDEN: Final = "[secret]"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, by the system. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class Egress:
    """What tools of a process may reach. `close` it at the end."""

    def __init__(
        self,
        hosts: Sequence[str] = (),
        private: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        *,
        resolve: Resolve = resolve,
    ) -> None:
        """`environment` holds the secrets, among other things that are not looked at."""
        self._hosts, self._private = (*hosts, *private), tuple(private)
        known = (environment or {}).items()
        self._secrets = {name.removeprefix(SECRET_PREFIX): v for name, v in known if name.startswith(SECRET_PREFIX)}
        self._forms = sorted({form for value in self._secrets.values() for form in _forms(value)}, key=len)[::-1]
        self._resolve = resolve
        self._client: AsyncClient | None = None

    def url_problem(self, url: str) -> str | None:
        """What speaks against an address; None where a tool may ask it."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return "is no address"
        host = parts.hostname or ""
        try:
            _ = parts.port
        except ValueError:
            return "its port is none"
        if parts.scheme not in ("http", "https") or not host:
            return "takes https://host/path"
        if parts.username is not None or parts.password is not None:
            return "takes no user and password: `secret` names one"
        if not _listed(host, self._hosts):
            return f"{host} is not in VOICE_AGENT_TOOL_HOSTS"
        if parts.scheme == "http" and not _listed(host, self._private):
            return "takes https; http is for VOICE_AGENT_TOOL_PRIVATE_HOSTS"
        return None

    def redirect_problem(self, before: str, url: str) -> str | None:
        """What speaks against going on to another address: nobody outside sends a tool into one's own network."""
        here, there = (urlsplit(one).hostname or "" for one in (before, url))
        if _listed(there, self._private) and not _listed(here, self._private):
            return f"{there} is private"
        return self.url_problem(url)

    def secret_problem(self, name: str) -> str | None:
        """What speaks against a secret; None where there is a good one."""
        value = self._secrets.get(name)
        if value is None:
            return f"{SECRET_PREFIX}{name} is not set"
        if len(value) < SHORTEST_SECRET or not re.fullmatch(r"[\x21-\x7e]+", value):
            return f"{SECRET_PREFIX}{name} takes {SHORTEST_SECRET} printable characters or more, without spaces"
        return None

    def secret(self, name: str) -> str:
        """The value of a secret, for a request, and for nothing else."""
        return self._secrets[name]

    def redacted(self, text: str) -> str:
        """A text without the secrets of any tool, in whichever form they may come back."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return text

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host that may be asked. Raises OutsideError."""
        if not _listed(host, self._hosts):
            raise OutsideError("host")
        try:
            found = await self._resolve(host, port)
        except OSError:
            raise OutsideError("name") from None
        own = _listed(host, self._private)
        if not found or not all(is_public(one) or (own and not is_nowhere(one)) for one in found):
            raise OutsideError("address")
        return found

    def transport(self, most_bytes: int | None = None) -> GuardedTransport:
        """Connections that go where they may, with answers of so many bytes at most. Who takes them closes them."""
        from agent.tools.guarded_http import GuardedTransport

        return GuardedTransport(self.addresses, most_bytes)

    @property
    def client(self) -> AsyncClient:
        """The HTTP client that tools share: no cookies, no redirects, no proxies of the environment."""
        if self._client is None:
            from agent.tools.guarded_http import guarded_client

            self._client = guarded_client(self.transport())
        return self._client

    async def close(self) -> None:
        """Closes all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _listed(host: str, names: Sequence[str]) -> bool:
    host = host.lower().rstrip(".")
    return any(host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in names)


def _forms(value: str) -> set[str]:
    """A secret as it is, and as JSON, addresses and base64 write it."""
    if len(value) < SHORTEST_SECRET:
        return set()
    encoded = b64encode(value.encode()).decode()
    return {value, json.dumps(value)[1:-1], quote(value, safe=""), quote_plus(value), encoded}
