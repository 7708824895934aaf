"""Whether an address is on this machine or in one's own network."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

_OWN_ENDINGS: Final = (".local", ".lan", ".internal", ".home.arpa", ".localhost")


def is_own_host(url: str) -> bool:
    """True for loopback and private addresses, for names without a dot, and for names that only exist at home."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_OWN_ENDINGS))
    return address.is_loopback or address.is_private or address.is_link_local
