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


_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is of the public Internet; an IPv6 address that carries an IPv4 one is judged by that."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        carried = parsed.ipv4_mapped or parsed.sixtofour
        if carried is None and (parsed in _NAT64 or int(parsed) < 2**32):
            carried = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if carried is not None:
            return is_public(str(carried))
        if parsed.is_site_local:
            return False
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified)


def is_nowhere(address: str) -> bool:
    """Whether nobody has a service of his own at an address: link-local (metadata of clouds), multicast, 0.0.0.0."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    if isinstance(parsed, ipaddress.IPv6Address) and (mapped := parsed.ipv4_mapped) is not None:
        parsed = mapped
    return parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified
