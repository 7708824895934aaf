"""Which Host headers are believed: addresses that are given to clients are made of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_AUTHORITY: Final = re.compile(
    r"(?P<name>[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])(:(?P<port>[0-9]{1,5}))?"
)


@dataclass(frozen=True, slots=True)
class Hosts:
    """`public_url` is the address of this service where it is set; `allowed` are names beside loopback ones."""

    public_url: str | None
    allowed: Sequence[str] = ()

    def base_url(self, scheme: str, host: str | None) -> str | None:
        """The http(s) address of this service for a client that sent this Host; None where it is not believed."""
        if self.public_url is not None:
            return self.public_url
        match = _AUTHORITY.fullmatch((host or "").lower())
        if match is None or int(match["port"] or 0) > 65_535:
            return None
        names = {name.lower() for name in self.allowed}
        if match["name"] not in LOOPBACK and not {match["name"], match[0]} & names:
            return None
        return f"{'https' if scheme in ('https', 'wss') else 'http'}://{match[0]}"
