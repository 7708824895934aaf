"""Where tools may go: names, addresses, secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpcore2
import pytest

from agent.core.hosts import is_nowhere, is_public
from agent.tools.egress import Egress
from agent.tools.guarded_http import GuardedBackend
from agent.tools.outside import OutsideError

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "::ffff:10.0.0.1",
    "::127.0.0.1", "64:ff9b::10.0.0.1", "2002:7f00:1::", "2001:db8::1", "198.18.0.1", "240.0.0.1", "rooms",
]  # fmt: skip
PUBLIC = ["93.184.215.14", "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::93.184.215.14"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_public_internet_is_none(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_one(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "0.0.0.0", "::", "::ffff:169.254.169.254"])
def test_nobody_has_a_service_of_his_own_at_the_metadata_address(address: str) -> None:
    assert is_nowhere(address)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://api.rooms.example/v1", None),
        ("https://API.rooms.example./v1", None),
        ("https://a.b.wide.example:8443/v1", None),
        ("http://10.0.0.5:8080/v1", None),
        ("http://api.rooms.example/v1", "takes https"),
        ("https://wide.example/v1", "not in VOICE_AGENT_TOOL_HOSTS"),
        ("https://evilwide.example/v1", "not in VOICE_AGENT_TOOL_HOSTS"),
        ("https://api.rooms.example.evil.example/", "not in VOICE_AGENT_TOOL_HOSTS"),
        ("https://api.rooms.example@evil.example/", "no user and password"),
        ("https://user:secret@api.rooms.example/", "no user and password"),
        ("ftp://api.rooms.example/", "takes https://"),
        ("file:///etc/passwd", "takes https://"),
        ("https://api.rooms.example:99999/", "its port is none"),
    ],
)
def test_only_listed_hosts_are_asked_and_in_the_open_only_private_ones(url: str, words: str | None) -> None:
    egress = Egress(["api.rooms.example", "*.wide.example"], ["10.0.0.5"])
    problem = egress.url_problem(url)
    assert (problem is None) if words is None else (problem is not None and words in problem)


def addresses(found: Sequence[str], *, private: bool) -> Sequence[str]:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return found

    hosts = (["rooms.example"], []) if not private else ([], ["rooms.example"])
    return asyncio.run(Egress(*hosts, resolve=resolve).addresses("rooms.example", 443))


@pytest.mark.parametrize("found", [[one] for one in PRIVATE] + [["93.184.215.14", "127.0.0.1"], []])
def test_a_host_with_an_address_that_is_not_public_is_not_asked(found: list[str]) -> None:
    with pytest.raises(OutsideError, match="address"):
        addresses(found, private=False)


def test_a_private_host_is_asked_where_it_is_listed_as_one_but_metadata_never() -> None:
    assert addresses(["10.1.2.3"], private=True) == ["10.1.2.3"]
    with pytest.raises(OutsideError):
        addresses(["169.254.169.254"], private=True)


def test_a_name_that_changes_its_address_in_between_leads_to_the_one_that_was_looked_at() -> None:
    """DNS rebinding: the name is asked once for each connection, and the connection gets an address, no name."""
    asked: list[str] = []
    connected: list[str] = []
    answers = [["93.184.215.14"], ["127.0.0.1"]]

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    class Inner(httpcore2.AsyncNetworkBackend):
        async def connect_tcp(self, host: str, *_: object, **__: object) -> httpcore2.AsyncNetworkStream:  # pyright: ignore[reportIncompatibleMethodOverride]
            connected.append(host)
            return httpcore2.AsyncNetworkStream()

    async def scenario() -> None:
        backend = GuardedBackend(Egress(["rooms.example"], resolve=resolve).addresses)
        backend._inner = Inner()  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
        await backend.connect_tcp("rooms.example", 443)
        with pytest.raises(OutsideError):
            await backend.connect_tcp("rooms.example", 443)
        with pytest.raises(httpcore2.ConnectError):
            await backend.connect_unix_socket("/run/docker.sock")

    asyncio.run(scenario())
    assert asked == ["rooms.example"] * 2
    assert connected == ["93.184.215.14"]


def test_a_secret_comes_back_in_no_form() -> None:
    egress = Egress(environment={"TOOL_SECRET_ROOMS": 'pa"ss/word+1', "OTHER": "x" * 20})
    assert egress.secret_problem("ROOMS") is None
    for form in ('pa"ss/word+1', 'pa\\"ss/word+1', "pa%22ss%2Fword%2B1", "cGEic3Mvd29yZCsx"):
        assert egress.redacted(f"<{form}>") == "<[secret]>"
    assert egress.redacted("x" * 20) == "x" * 20


@pytest.mark.parametrize(
    ("environment", "words"),
    [({}, "is not set"), ({"OTHER_SECRET_ROOMS": "x" * 20}, "is not set"), ({"TOOL_SECRET_ROOMS": "short"}, "8 print"),
     ({"TOOL_SECRET_ROOMS": "two words of it"}, "without spaces"), ({"TOOL_SECRET_ROOMS": "line\r\nbreak"}, "print")],
)  # fmt: skip
def test_a_secret_that_cannot_be_used_is_told_by_its_name(environment: dict[str, str], words: str) -> None:
    problem = Egress(environment=environment).secret_problem("ROOMS")
    assert problem is not None
    assert words in problem
    assert all(value not in problem for value in environment.values())
