"""How far a frame of audio and a final transcript walk through the service, measured in a call."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, cast

from agent.core.calls import CallRecorder
from agent.providers.base import SpeechStream
from agent.providers.call import Failure, ProviderCall
from agent.providers.deepgram.flux import FluxReader
from agent.providers.deepgram.stream import DeepgramSocket, DeepgramStream
from agent.providers.fallback.chain import ChainStep
from agent.providers.fallback.stt import SttFallback
from agent.session.events import ReplyStarted
from agent.session.transport import Capabilities
from agent.transport.voice_agent_v1.websocket import WebSocketConnection
from tests.support.paths import ROOT
from tests.support.session import PREMIUM, SessionHarness, running, voice
from tests.support.virtual_time import run_virtual

FRAME = 640  # bytes of 20 ms


@dataclass
class DeepgramSide:
    """The recogniser's side of the SDK's socket."""

    sent: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def send_media(self, message: bytes) -> None:
        self.sent += len(message)

    async def send_close_stream(self) -> None:
        self.gone.set()

    async def recv(self) -> Any:
        await self.gone.wait()
        raise EOFError


class Deepgram:
    """The real stream of the service on a scripted socket."""

    provider = "deepgram"
    model = "flux-general-en"

    def __init__(self) -> None:
        self.side = DeepgramSide()

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[SpeechStream]:
        call = ProviderCall("stt", self.provider, self.model, recorder, lambda _error, _call: cast("Failure", None))
        yield DeepgramStream(cast("DeepgramSocket", self.side), FluxReader, call)


class ClientSide:
    """A WebSocket whose client speaks for a second and then waits."""

    def __init__(self, pcm: bytes) -> None:
        self._frames = [pcm[start : start + FRAME] for start in range(0, len(pcm), FRAME)]

    async def receive(self) -> Any:
        await asyncio.sleep(0.02)
        if self._frames:
            return {"type": "websocket.receive", "bytes": self._frames.pop(0)}
        await asyncio.sleep(1)
        return {"type": "websocket.disconnect"}

    async def send_text(self, data: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...

    async def close(self, code: int = 1000, reason: str | None = None) -> None: ...


@dataclass
class Watch:
    """Notes which modules of the service run (`ran`), are handed audio (`carried`) and look at samples (`looked`)."""

    ran: set[str] = field(default_factory=set[str])
    carried: set[str] = field(default_factory=set[str])
    looked: set[str] = field(default_factory=set[str])

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        module = str(frame.f_globals.get("__name__", ""))
        if not module.startswith("agent."):
            return
        self.ran.add(module)
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        if event == "call" and any(isinstance(frame.f_locals.get(name), bytes) for name in names):
            self.carried.add(module)
            if frame.f_code.co_name == "rms" and frame.f_back is not None:
                self.looked.add(str(frame.f_back.f_globals["__name__"]))
        if event == "c_call" and getattr(argument, "__name__", "") in ("frombuffer", "process", "is_speech"):
            self.looked.add(module)


async def _speak_to(harness: SessionHarness, watch: Watch, pcm: bytes) -> None:
    connection = WebSocketConnection(ClientSide(pcm))
    session, _ = await harness.registry.join(PREMIUM, Capabilities())
    session.attach(connection, Capabilities())
    sys.setprofile(watch)
    try:
        await connection.run(session)
    finally:
        sys.setprofile(None)
        session.detach(connection)


def test_a_frame_passes_six_modules_and_one_detector_looks_at_it() -> None:
    watch, deepgram = Watch(), Deepgram()

    async def scenario() -> None:
        harness = SessionHarness()
        harness.stt = cast("Any", SttFallback([ChainStep("deepgram", deepgram, None)]))
        async with running(harness):
            await _speak_to(harness, watch, voice(1.0))

    run_virtual(scenario())
    assert deepgram.side.sent >= len(voice(0.9))
    detector = {"agent.turn.vad", "agent.core.audio"}
    assert watch.carried - detector == {
        "agent.transport.voice_agent_v1.websocket",
        "agent.session.session",
        "agent.turn.listen",
        "agent.providers.fallback.stt",
        "agent.providers.fallback.replay_buffer",
        "agent.providers.deepgram.stream",
    }
    assert watch.looked - {"agent.core.audio"} == {"agent.turn.vad"}


def test_no_turn_runs_through_the_composition_root() -> None:
    watch = Watch()

    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call()
            sys.setprofile(watch)
            try:
                caller.type("what rooms do you have")
                await caller.get(ReplyStarted)
            finally:
                sys.setprofile(None)

    run_virtual(scenario())
    assert "agent.turn.turn" in watch.ran
    assert not [module for module in watch.ran if module.startswith(("agent.server", "agent.api", "agent.transport"))]


def test_the_composition_root_only_wires() -> None:
    source = (ROOT / "agent" / "server" / "app.py").read_text()
    assert len(source.splitlines()) < 150
