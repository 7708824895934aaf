"""Who is behind a proxy, and which addresses are one client."""

from __future__ import annotations

import pytest

from agent.core.addresses import ClientAddresses, Networks, client_address, limited_as

PROXIES = Networks.parse(("10.0.0.0/8", "::1"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # whoever is no proxy says what it likes
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),  # the first was the client's own idea
        ("10.0.0.1", "198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7:5123", "198.51.100.7"),
        ("::1", "[2001:db8::7]:5123", "2001:db8::7"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("::ffff:192.0.2.1", None, "192.0.2.1"),
        (None, "198.51.100.7", None),
        ("10.0.0.1", "9.9.9.9," * 1_000 + "198.51.100.7", "198.51.100.7"),
    ],
)
def test_the_last_address_that_is_no_proxy_is_the_client(
    peer: str | None, forwarded: str | None, client: str | None
) -> None:
    assert client_address(peer, forwarded, PROXIES) == client


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["1.2.3.4", "198.51.100.7"], "198.51.100.7"),  # the proxy added a line: the first is the client's own idea
        (["1.2.3.4, 5.6.7.8", "198.51.100.7", "10.9.9.9"], "198.51.100.7"),
        (["198.51.100.7", ""], "198.51.100.7"),
        (["nonsense", "198.51.100.7"], "198.51.100.7"),
        ([], "10.0.0.1"),
    ],
)
def test_lines_of_the_header_are_one_list_whatever_proxy_wrote_them(lines: list[str], client: str) -> None:
    assert ClientAddresses(PROXIES).of("10.0.0.1", lines) == client


def test_a_network_of_ipv6_is_one_client() -> None:
    assert limited_as("2001:db8:1:2:3:4:5:6") == limited_as("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert limited_as("2001:db8:1:3::9") != limited_as("2001:db8:1:2::9")
    assert limited_as("192.0.2.1") == limited_as("::ffff:192.0.2.1") == "192.0.2.1"
    assert limited_as(None) == limited_as("nonsense") == "unknown"


def test_networks_hold_addresses_and_nothing_else() -> None:
    assert "10.1.2.3" in PROXIES and "::1" in PROXIES
    assert "11.0.0.1" not in PROXIES and None not in PROXIES and "x" not in PROXIES
    with pytest.raises(ValueError, match=r"'10\.0\.0'"):
        Networks.parse(("10.0.0",))
