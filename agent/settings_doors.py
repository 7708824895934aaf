"""Settings of the doors: who is let in, how fast, where the operators' own door is, and where tools may go."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

from agent.core.addresses import Networks

Names = Annotated[tuple[str, ...], NoDecode]
"""Written with commas between them."""

_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class DoorSettings(BaseSettings):
    """The part of `Settings` that is about strangers."""

    allowed_hosts: Names = Field((), description="names in the Host header that addresses are made of, beside loopback")
    embed_origins: Names = Field(
        (), description="origins whose pages may embed the client, such as https://shop.example; none by itself"
    )
    ops_host: str = Field("127.0.0.1", description="address of the operations listener: metrics, health, /v1/ops")
    ops_port: int = Field(8001, ge=0, le=65535, description="port of the operations listener; 0 takes a free one")
    trusted_proxies: Names = Field(
        (), description="addresses or networks whose X-Forwarded-For names the client, such as 10.0.0.0/8"
    )
    unlimited_addresses: Names = Field(
        (), description="addresses or networks without a limit of their own: load tests, a telephone gateway"
    )
    tokens_per_minute: int = Field(30, ge=1, le=100_000, description="session tokens that one address gets in a minute")
    tokens_per_minute_of_key: int = Field(
        1200, ge=1, le=1_000_000, description="session tokens that one API key gets in a minute, whoever they are for"
    )
    sessions_per_address: int = Field(20, ge=1, le=100_000, description="sessions that one address holds at once")
    connections_per_address: int = Field(
        60, ge=1, le=100_000, description="open connections of one address, of whatever kind"
    )
    max_connections: int = Field(
        1000, ge=10, le=200_000, description="open connections; fewer where the process has not enough descriptors"
    )
    request_timeout_s: float = Field(
        10.0, gt=0, le=300, description="how long a request's line and headers, and then its body, may take to arrive"
    )
    tool_hosts: Names = Field(
        (), description="hosts that tools of agents may ask over HTTPS, such as api.example.com or *.example.com"
    )
    tool_private_hosts: Names = Field(
        (), description="hosts of one's own network that tools may ask, too, also without TLS"
    )

    @field_validator("embed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [origin for origin in value if not _ORIGIN.fullmatch(origin)]:
            raise ValueError(f"takes origins, such as https://shop.example; not {wrong[0]!r}")
        return value

    @field_validator(
        "allowed_hosts",
        "embed_origins",
        "trusted_proxies",
        "unlimited_addresses",
        "tool_hosts",
        "tool_private_hosts",
        mode="before",
    )
    @classmethod
    def _split_names(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("trusted_proxies", "unlimited_addresses")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Networks.parse(value)
        return value

    @field_validator("tool_hosts", "tool_private_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+", name):
                raise ValueError("takes names of hosts with commas between them, without scheme, port and path")
        return tuple(name.lower() for name in value)
