"""Debian's HAProxy with the shipped configuration, in front of services of the tests."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.support.paths import ROOT
from voice_loadtest.stack.ports import free_ports

CONFIGURATION = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
HAPROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"
SERVER = "server agent1 agent:8000"

needs_haproxy = pytest.mark.skipif(
    not Path(HAPROXY).exists(), reason="HAProxy is not installed: Debian has it as haproxy"
)


@dataclass(frozen=True)
class Proxy:
    """A running HAProxy: its ports, and the certificate that it shows."""

    plain: int
    tls: int
    trusted: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.tls}"

    def client(self, address: str = "127.0.0.1") -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(verify=self.trusted, local_address=address)
        return httpx.AsyncClient(base_url=self.url, transport=transport, timeout=10)

    def call(self, token: str) -> connect:
        offered = [Subprotocol("voice-agent.v1"), Subprotocol(f"bearer.{token}")]
        return connect(f"wss://127.0.0.1:{self.tls}/v1/voice", subprotocols=offered, ssl=self.trusted, max_size=None)

    async def token(self) -> str:
        async with self.client() as client:
            return (await client.post("/v1/sessions")).raise_for_status().json()["token"]


@asynccontextmanager
async def proxied(folder: Path, *urls: str) -> AsyncGenerator[Proxy]:
    """HAProxy in front of these services, with the shipped configuration but for its addresses."""
    certificates = folder / "certs"
    certificates.mkdir()
    await _run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
        "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key"), "-out", str(folder / "certificate"),
    )  # fmt: skip
    (certificates / "site.pem").write_bytes((folder / "certificate").read_bytes() + (folder / "key").read_bytes())
    plain, tls = free_ports(2)
    servers = "\n    ".join(f"server agent{n} {url.removeprefix('http://')}" for n, url in enumerate(urls))
    text = CONFIGURATION.read_text()
    for shipped, here in (
        ("bind :80\n", f"bind 127.0.0.1:{plain}\n"),
        ("bind :443 ssl crt /etc/haproxy/certs/", f"bind 127.0.0.1:{tls} ssl crt {certificates}/"),
        (SERVER, servers),
    ):
        assert shipped in text
        text = text.replace(shipped, here)
    file = folder / "haproxy.cfg"
    file.write_text(text)
    await _run(HAPROXY, "-c", "-f", str(file))
    with (folder / "haproxy.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(HAPROXY, "-db", "-f", str(file), stdout=log, stderr=log)
    found = Proxy(plain, tls, ssl.create_default_context(cafile=str(folder / "certificate")))
    try:
        await _ready(found)
        yield found
    finally:
        process.terminate()
        await process.wait()


async def _ready(proxy: Proxy) -> None:
    async with asyncio.timeout(15), proxy.client() as client:
        while True:
            try:
                if (await client.get("/health/live")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
