"""The whole stack in one event loop: the real service and the sandbox, each under uvicorn on a free port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.server.app import create_app
from agent.server.in_process import serving_calls
from agent.server.operations_listener import bind_operations, serving_operations
from agent.server.wiring import Wiring
from agent.session.registry import Registry
from agent.settings import Settings
from agent.telemetry.log import configure_logging
from tests.support.paths import CLIPS, DATA
from voice_loadtest.audio import CallerRecording, load_wav
from voice_loadtest.caller import CallOptions
from voice_loadtest.records import CallRecord
from voice_loadtest.run import run_load
from voice_loadtest.script import Step
from voice_sandbox.recognizer.early_end import DOCUMENTED, EarlyEnds
from voice_sandbox.server import RunningSandbox, run_sandbox
from voice_sandbox.state import SandboxOptions

API_KEY = "test-key-0123456789"
BOOKING = sorted((DATA / "speech").glob("booking_*.wav"))

needs_speech_data = pytest.mark.skipif(
    not BOOKING, reason="the recorded speech is not here: VOICE_AGENT_DATA names its folder"
)


@dataclass(frozen=True, slots=True)
class Stack:
    """A running service with its sandbox."""

    url: str
    ops_url: str
    sandbox: RunningSandbox
    wiring: Wiring
    registry: Registry

    async def call(
        self,
        script: Sequence[Step],
        *,
        premium: bool = False,
        network_ms: float = 0.0,
        **options: Any,
    ) -> CallRecord:
        """One call, as the official caller makes it."""
        chosen = CallOptions(url=self.url, api_key=API_KEY if premium else None, gap_s=0.2, **options)
        load = await run_load(1, lambda _: script, chosen, network_ms=network_ms)
        return load.records[0]

    async def metrics(self, accept: str = "") -> str:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{self.ops_url}/metrics", headers={"accept": accept})).text

    async def quiet(self) -> None:
        """Waits until every session has ended and was recorded."""
        async with asyncio.timeout(10):
            await self.registry.empty()


@contextlib.asynccontextmanager
async def running_stack(
    profile: str = "instant",
    *,
    clips: Sequence[Path] = (),
    word_times: bool = True,
    seed: int = 1,
    send_buffer: int | None = None,
    early_ends: EarlyEnds = DOCUMENTED,
    prepare: Callable[[str], dict[str, Any]] = lambda _: {},
    **settings: Any,
) -> AsyncGenerator[Stack]:
    """A service whose providers are all simulated. `settings` are those of `agent.settings.Settings`.

    `prepare` gives more of them, when the address of the sandbox is known.
    """
    options = SandboxOptions(
        port=0, profile=profile, clips=tuple(clips), flux_word_times=word_times, seed=seed, early_ends=early_ends
    )
    with tempfile.TemporaryDirectory() as folder:
        async with run_sandbox(options) as sandbox:
            given: dict[str, Any] = {
                "sandbox_url": sandbox.url,
                "api_keys": (API_KEY,),
                "log_level": "error",
                "free_lag_s": 10.0,  # a busy test machine is late, and that is not what most tests are about
                "any_lag_s": 10.0,
                "unlimited_addresses": ("127.0.0.1",),  # limits have tests of their own
                "database_url": f"sqlite+aiosqlite:///{folder}/ledger.db",
            } | settings
            given |= prepare(sandbox.url)
            async with running_service(given, send_buffer) as (url, ops_url, wiring, registry):
                yield Stack(url, ops_url, sandbox, wiring, registry)


@contextlib.asynccontextmanager
async def running_service(
    given: dict[str, Any], send_buffer: int | None = None
) -> AsyncGenerator[tuple[str, str, Wiring, Registry]]:
    """The service alone: its address, that of its operators, its parts. `send_buffer` is that of each connection in the
    system, in bytes.
    """
    configured = Settings(_env_file=None, **given)  # pyright: ignore[reportCallIssue]  pydantic-settings' own parameter
    configure_logging(configured.log_format, configured.log_level)
    app = create_app(configured)
    app.state["wiring"].providers.sdks.load()  # else the first call of a test waits for it
    # asyncio switches Nagle's delay off only where the protocol is named
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if send_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)  # connections inherit it
    listener.bind(("127.0.0.1", 0))
    async with serving_calls(app, configured, listener):
        port = listener.getsockname()[1]
        operations = bind_operations("127.0.0.1", 0)
        ops_url = f"http://127.0.0.1:{operations.getsockname()[1]}"
        async with serving_operations(app.state["operations_app"], operations):
            yield f"http://127.0.0.1:{port}", ops_url, app.state["wiring"], app.state["wiring"].registry


def clip(name: str) -> CallerRecording:
    """A bundled clip, by its name without `.wav`."""
    return load_wav(CLIPS / f"{name}.wav")


def sample(text: str, name: str, **labels: str) -> float:
    """The value of one series in Prometheus text; 0.0 where it is missing."""
    wanted = {f'{key}="{value}"' for key, value in labels.items()}
    total = 0.0
    for line in text.splitlines():
        head, _, value = line.partition(" # ")[0].rpartition(" ")
        series, _, rest = head.partition("{")
        if series == name and wanted <= set(rest.rstrip("}").split(",")):
            total += float(value)
    return total
