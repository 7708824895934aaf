"""Addresses of clients: who is behind a proxy, and which addresses are one client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

IPV6_CLIENT: Final = 64  # bits: whoever has one IPv6 address usually has all of its /64
MAX_HOPS: Final = 16

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Networks:
    """A list of addresses and networks."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, names: Sequence[str]) -> Networks:
        """Raises ValueError with the name that is none."""
        found: list[IPv4Network | IPv6Network] = []
        for name in names:
            try:
                found.append(ip_network(name, strict=False))
            except ValueError:
                raise ValueError(f"takes addresses or networks such as 10.0.0.0/8, and {name!r} is none") from None
        return cls(tuple(found))

    def __contains__(self, name: str | None) -> bool:
        address = _parse(name)
        return address is not None and any(address in network for network in self.networks)


def client_address(peer: str | None, forwarded: str | None, proxies: Networks) -> str | None:
    """The client's address: the last one in `X-Forwarded-For` that is not a trusted proxy's, else the peer's.

    What stands before it was said by the client itself, and nobody believes it. None where there is no address.
    """
    if peer not in proxies:
        return _name(peer)
    hops = [hop.strip() for hop in (forwarded or "").split(",") if hop.strip()][-MAX_HOPS:]
    for hop in reversed(hops):
        if _parse(hop) is None:
            return _name(peer)  # the proxy does not write addresses: it is not one to be trusted
        if hop not in proxies:
            return _name(hop)
    return _name(peer)


def limited_as(address: str | None) -> str:
    """The name under which an address is limited: an IPv6 client by its /64, no address as `unknown`."""
    parsed = _parse(address)
    if parsed is None:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, IPV6_CLIENT), strict=False))
    return str(parsed)


def _parse(name: str | None) -> Address | None:
    if not name:
        return None
    text = name.removeprefix("[").partition("]")[0] if name.startswith("[") else name
    if text.count(":") == 1:  # an IPv4 address with a port, as some proxies write it
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return parsed.ipv4_mapped or parsed if isinstance(parsed, IPv6Address) else parsed


def _name(name: str | None) -> str | None:
    parsed = _parse(name)
    return None if parsed is None else str(parsed)


@dataclass(frozen=True, slots=True)
class ClientAddresses:
    """Names clients by their addresses, as limits count them."""

    proxies: Networks = Networks()
    unlimited: Networks = Networks()

    def of(self, peer: str | None, forwarded: Sequence[str]) -> str | None:
        """The name under which a client is limited; None for one that has no limit of its own.

        `forwarded` are all lines of `X-Forwarded-For` in their order: a proxy may add one of its own below the client's
        instead of a name at its end, and both mean the same (RFC 9110, 5.3).
        """
        address = client_address(peer, ",".join(forwarded), self.proxies)
        return None if address in self.unlimited else limited_as(address)
