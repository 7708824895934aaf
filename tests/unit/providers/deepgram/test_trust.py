"""Connections over TLS: one context for all, read before the first call, and nothing trusted that should not be."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from websockets.asyncio.server import ServerConnection, serve

from agent.core.calls import ErrorKind, ProviderError
from agent.providers.deepgram import trust
from agent.providers.deepgram.flux import DeepgramFlux
from agent.providers.deepgram.nova import DeepgramNova
from tests.support.providers import RecordingRecorder


async def _certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 that it signed itself, with its key behind it."""
    key, certificate = folder / "key", folder / "certificate"
    making = await asyncio.create_subprocess_exec(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
        "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate),
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await making.wait() == 0
    both = folder / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    return both


async def _silent(connection: ServerConnection) -> None:
    await connection.wait_closed()


@asynccontextmanager
async def _vendor(certificate: Path) -> AsyncGenerator[str]:
    """A WebSocket server over TLS; its `https:` address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serve(_silent, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


@pytest.fixture(autouse=True)
def fresh() -> Generator[None]:
    """Each test reads what is trusted anew."""
    trust.trusted.cache_clear()
    yield
    trust.trusted.cache_clear()


@pytest.mark.parametrize("build", [DeepgramFlux, DeepgramNova])
async def test_no_connection_reads_the_authorities_again(
    build: type[DeepgramFlux | DeepgramNova], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = await _certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with _vendor(certificate) as address:
        recogniser = build(api_key="k", base_url=address)
        recogniser.load()
        read: list[str] = []

        def note(*_: object, **__: object) -> None:
            read.append("authorities")

        monkeypatch.setattr(ssl.SSLContext, "load_default_certs", note)
        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", note)
        for _ in range(2):
            async with recogniser.open("s1", RecordingRecorder()):
                pass
    assert read == []


async def test_who_is_not_trusted_is_not_connected_to(tmp_path: Path) -> None:
    async with _vendor(await _certificate(tmp_path)) as address:
        recogniser = DeepgramFlux(api_key="k", base_url=address)
        with pytest.raises(ProviderError) as refused:
            async with recogniser.open("s1", RecordingRecorder()):
                pass
    assert refused.value.kind is ErrorKind.REFUSED


def test_plain_addresses_get_no_context_and_modules_are_changed_once() -> None:
    asked: list[dict[str, object]] = []

    def plain(url: str, **options: object) -> None:
        asked.append({"url": url, **options})

    module = SimpleNamespace(websockets_client_connect=plain)
    trust.share_trust(module)
    changed = module.websockets_client_connect
    trust.share_trust(module)
    assert module.websockets_client_connect is changed
    module.websockets_client_connect("ws://127.0.0.1", extra_headers={})
    module.websockets_client_connect("wss://127.0.0.1", extra_headers={})
    assert asked == [
        {"url": "ws://127.0.0.1", "extra_headers": {}},
        {"url": "wss://127.0.0.1", "extra_headers": {}, "ssl": trust.trusted()},
    ]


def test_an_sdk_that_connects_otherwise_is_found_at_the_start() -> None:
    with pytest.raises(AttributeError, match="websockets_client_connect"):
        trust.share_trust(SimpleNamespace())
