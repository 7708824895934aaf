"""What the provider tests share: a meter that remembers, a scripted Deepgram, and the recorded Deepgram traffic."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

import pytest
from websockets.asyncio.server import ServerConnection, serve

from agent.core.calls import Call
from tests.support.paths import DATA
from voice_sandbox.faults import FaultKind, FaultRule
from voice_sandbox.server import RunningSandbox, run_sandbox
from voice_sandbox.state import SandboxOptions


@dataclass
class RecordingRecorder:
    """A meter that keeps every call."""

    calls: list[Call] = field(default_factory=list[Call])

    def record(self, call: Call) -> None:
        self.calls.append(call)

    @property
    def only(self) -> Call:
        """The one call there was."""
        assert len(self.calls) == 1, [call.outcome for call in self.calls]
        return self.calls[0]


@dataclass
class Peer:
    """A WebSocket server that plays a script; it notes the request headers and what it was sent."""

    url: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    path: str = ""
    audio: bytearray = field(default_factory=bytearray)
    texts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, socket: ServerConnection, until: str | None = None) -> None:
        """Reads what the client sends until a message of this type, or until it goes."""
        async for message in socket:
            if isinstance(message, bytes):
                self.audio += message
            else:
                self.texts.append(json.loads(message))
                self.told.set()
                if self.texts[-1]["type"] == until:
                    return


Script = Callable[[ServerConnection, Peer], Awaitable[None]]


@asynccontextmanager
async def deepgram_peer(script: Script) -> AsyncGenerator[Peer]:
    """Runs a scripted Deepgram on a free port."""
    peer = Peer()

    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        peer.headers = {name.lower(): value for name, value in socket.request.headers.raw_items()}
        peer.path = socket.request.path
        await script(socket, peer)

    async with serve(handle, "127.0.0.1", 0) as server:
        port = cast("int", next(iter(server.sockets)).getsockname()[1])
        peer.url = f"http://127.0.0.1:{port}"
        yield peer


def recorded(name: str) -> list[dict[str, Any]]:
    """The messages of one recorded Deepgram stream. Skips the test where the recordings are not at hand."""
    file = DATA / "speech" / "deepgram_events" / f"{name}.json"
    if not file.exists():
        pytest.skip("recorded Deepgram traffic not found; set VOICE_AGENT_DATA")
    return [event["data"] for event in json.loads(file.read_text())["events"]]


SDKS: Final = {
    "agent.providers.anthropic.claude": "anthropic",
    "agent.providers.openai.client": "openai",
    "agent.providers.elevenlabs.tts": "elevenlabs.text_to_speech.client",
    "agent.providers.deepgram.tts": "deepgram.speak.v1.audio.client",
}


def load_sdks() -> None:
    """Imports the SDKs of the adapters that a test has imported: no deadline of its chains passes meanwhile."""
    for adapter, sdk in SDKS.items():
        if adapter in sys.modules:
            importlib.import_module(sdk)


@asynccontextmanager
async def instant_sandbox(**options: Any) -> AsyncGenerator[RunningSandbox]:
    """The simulated providers without latency, on a free port; tones for a voice."""
    load_sdks()
    async with run_sandbox(SandboxOptions(port=0, profile="instant", voice="tones", **options)) as sandbox:
        yield sandbox


def connections(sandbox: RunningSandbox) -> int:
    """How many connections the sandbox's server holds."""
    return len(vars(sandbox.world.wire)["_connections"])


def inject_fault(sandbox: RunningSandbox, provider: str, kind: str, **rule: Any) -> None:
    """Puts a fault in force for every call of a provider."""
    sandbox.world.faults.add(FaultRule(provider=provider, kind=FaultKind(kind), **rule))


async def until(true: Callable[[], bool]) -> None:
    """Lets the loop run until something is true; fails after 5 s."""
    deadline = asyncio.get_running_loop().time() + 5
    while not true():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.005)


def hidden(error: BaseException, *secrets: str) -> bool:
    """Whether neither an error nor what it carries along shows any of these."""
    shown = "".join(traceback.format_exception(error)) + repr(vars(error))
    return not any(secret in shown for secret in secrets)
