"""SIGTERM on the real process: a reply is finished, callers are sent elsewhere, and the process ends well."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support.paths import ROOT
from voice_loadtest.stack.ports import free_port
from voice_sandbox.server import run_sandbox
from voice_sandbox.state import SandboxOptions


@asynccontextmanager
async def process(folder: Path, **settings: str) -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
    """`python -m agent serve` with a sandbox of its own; (process, address)."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with run_sandbox(SandboxOptions(port=0, profile="instant")) as sandbox:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VOICE_AGENT_")}
        environment |= {
            "VOICE_AGENT_PORT": str(port),
            "VOICE_AGENT_OPS_PORT": "0",
            "VOICE_AGENT_UNLIMITED_ADDRESSES": "127.0.0.1",
            "VOICE_AGENT_SANDBOX_URL": sandbox.url,
            "VOICE_AGENT_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/ledger.db",
            "VOICE_AGENT_LOG_LEVEL": "error",
            "VOICE_AGENT_FREE_LAG_S": "10",
            "VOICE_AGENT_ANY_LAG_S": "10",
            "PYTHONPATH": str(ROOT),
        } | {f"VOICE_AGENT_{name.upper()}": value for name, value in settings.items()}
        service = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent", "serve", cwd=folder, env=environment
        )
        try:
            assert await status_turns(url, 200)
            yield service, url
        finally:
            if service.returncode is None:
                service.kill()
                await service.wait()


async def status_turns(url: str, wanted: int) -> bool:
    """Whether `/health/ready` answers with this status within 30 s."""
    async with httpx.AsyncClient() as client:
        for _ in range(600):
            try:
                if (await client.get(f"{url}/health/ready")).status_code == wanted:
                    return True
            except httpx.TransportError:
                pass  # not listening yet
            await asyncio.sleep(0.05)
    return False


@asynccontextmanager
async def replying(url: str) -> AsyncGenerator[ClientConnection]:
    """A connection in the middle of a long reply."""
    async with httpx.AsyncClient() as client:
        token = (await client.post(f"{url}/v1/sessions")).json()["token"]
    offered = [Subprotocol("voice-agent.v1"), Subprotocol(f"bearer.{token}")]
    async with connect(f"{url.replace('http', 'ws')}/v1/voice", subprotocols=offered) as line:
        await line.send('{"type": "start"}')
        await line.send('{"type": "text", "text": "what rooms do you have"}')
        async with asyncio.timeout(10):
            while not isinstance(await line.recv(), bytes):
                pass
        yield line


async def rest_of(line: ClientConnection) -> tuple[list[str], int, str]:
    """The types of the messages that still come, the close code and why the session ended."""
    kinds: list[str] = []
    reason = ""
    try:
        async with asyncio.timeout(60):
            while True:
                frame = await line.recv()
                if isinstance(frame, str):
                    message = json.loads(frame)
                    kinds.append(message["type"])
                    reason = message["reason"] if message["type"] == "session.end" else reason
    except ConnectionClosed as closed:
        return kinds, closed.rcvd.code if closed.rcvd else 1006, reason


@pytest.mark.slow
async def test_after_sigterm_the_reply_is_finished_and_the_process_ends_with_0(tmp_path: Path) -> None:
    async with process(tmp_path) as (service, url), replying(url) as line:
        service.send_signal(signal.SIGTERM)
        assert await status_turns(url, 503)
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{url}/health/live")).status_code == 200
        kinds, code, reason = await rest_of(line)
        assert "audio.end" in kinds  # all of it was sent
        assert "turn.metrics" in kinds  # and its books were closed
        assert (reason, code) == ("drained", 1001)
        assert await asyncio.wait_for(service.wait(), 15) == 0


@pytest.mark.slow
async def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    async with process(tmp_path) as (service, url), replying(url) as line:
        service.send_signal(signal.SIGTERM)
        assert await status_turns(url, 503)
        service.send_signal(signal.SIGTERM)
        kinds, _, _ = await rest_of(line)
        assert "turn.metrics" not in kinds  # the reply was longer
        await asyncio.wait_for(service.wait(), 15)
