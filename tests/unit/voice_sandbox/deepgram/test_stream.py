"""The connection around a listener: its timer on both event loops that the sandbox may run on, and its audio input."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import pytest
import uvloop

from voice_sandbox.deepgram.stream import Close, Out, OutgoingMessage, serve
from voice_sandbox.deepgram.upgrade import BadRequestError, PcmInput, Upgrade, number, pcm_source
from voice_sandbox.state import SandboxOptions, SandboxState


class FakeSocket:
    """An accepted WebSocket on which twenty chunks of audio arrive at once."""

    def __init__(self) -> None:
        self.incoming = [{"type": "websocket.receive", "bytes": bytes(640)}] * 20
        self.sent: list[str] = []
        self.code: int | None = None
        self.closed = asyncio.Event()

    async def accept(self, headers: dict[str, str]) -> None: ...

    async def receive(self) -> dict[str, Any]:
        if self.incoming:
            return self.incoming.pop()
        await self.closed.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send_text(self, text: str) -> None:
        self.sent.append(text)

    async def close(self, code: int, reason: str) -> None:
        self.code = code
        self.closed.set()


class Late:
    """A listener whose deadline is always past; its check ends the stream after the audio."""

    def __init__(self) -> None:
        self.chunks = 0

    @property
    def deadline(self) -> float | None:
        return time.monotonic() - 1

    def opening(self, now: float) -> Sequence[Out]:
        return [OutgoingMessage({"type": "Connected"})]

    def audio(self, pcm: bytes, now: float) -> Sequence[Out]:
        self.chunks += 1
        return []

    def command(self, text: str, now: float) -> Sequence[Out]:
        return []

    def check(self, now: float) -> Sequence[Out]:
        return [Close(1000)] if self.chunks == 20 else []

    def wake_by(self, wake: Callable[[], None]) -> None:
        """It never wakes."""

    def close(self) -> None:
        """It holds nothing."""


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_deadline_that_is_already_past_is_kept_on_either_event_loop(run: Any) -> None:
    world = SandboxState.create(SandboxOptions(port=0, voice="tones"))

    async def call() -> FakeSocket:
        socket = FakeSocket()
        entry = world.log.open("deepgram", "m", "s")
        upgrade = Upgrade(cast("Any", socket), world, "m", "s", None, entry)
        async with asyncio.timeout(5):
            await serve(upgrade, Late(), PcmInput(16_000))
        return socket

    socket = run(call())
    assert socket.code == 1000 and len(socket.sent) == 1
    assert world.log.entries[-1].outcome == "served"
    assert world.counters.total("deepgram", "audio_seconds", session="s") == 0.4


def test_audio_is_converted_whatever_the_cuts() -> None:
    stereo = np.stack([np.arange(2_000, dtype="<i2"), np.zeros(2_000, "<i2")], axis=1).tobytes()
    source = PcmInput(16_000, channels=2)
    out = b"".join(source.convert(stereo[start : start + 7]) for start in range(0, len(stereo), 7))
    assert out == np.arange(2_000, dtype="<i2").tobytes()
    assert PcmInput(16_000).convert(b"RIFF" + bytes(40) + b"\x01\x02") == b"\x01\x02"
    assert pcm_source({"sample_rate": "8000"}).rate == 8_000


@pytest.mark.parametrize("raw", ["", "x", "nan", "-1", "11"])
def test_a_number_out_of_range_is_refused(raw: str) -> None:
    with pytest.raises(BadRequestError, match="eot"):
        number({"eot": raw}, "eot", 1, 0, 10)
