"""The listener sends audio where it arrives, if the stream can take it without a wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from agent.core import clock
from agent.core.audio import bytes_for
from agent.core.calls import Call, CallRecorder
from agent.providers.base import SttEvent
from agent.turn.listen import CallerListener
from tests.support.virtual_time import run_virtual

FRAME = bytes_for(0.02)


class Prompt:
    """Takes audio without a wait, but while it is `busy`."""

    provider = "prompt"
    model = "test"

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.busy = False
        self.finished = asyncio.Event()

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[Prompt]:
        yield self

    async def send(self, pcm: bytes, *, voiced_s: float = 0.0) -> None:
        self.sent.append(pcm)

    def send_now(self, pcm: bytes, *, voiced_s: float = 0.0) -> bool:
        if not self.busy:
            self.sent.append(pcm)
        return not self.busy

    async def finish(self) -> None:
        self.finished.set()

    async def __aiter__(self) -> AsyncIterator[SttEvent]:
        await self.finished.wait()
        return
        yield


class Unrecorded:
    def record(self, call: Call) -> None: ...

    def dropped(self, frames: int) -> None:
        raise AssertionError(frames)


@asynccontextmanager
async def listening(stream: Prompt, idle_s: float = 30.0) -> AsyncGenerator[CallerListener]:
    """A listener whose stream is open, and has been told all that came before."""
    listener = CallerListener(stream, "s", Unrecorded(), idle_s=idle_s)
    running = asyncio.create_task(listener.run())
    listener.feed(bytes(FRAME), clock.now())
    await asyncio.sleep(0.5)
    assert b"".join(stream.sent) == bytes(FRAME)
    stream.sent.clear()
    yield listener
    running.cancel()
    await asyncio.wait({running})


def test_what_cannot_go_at_once_goes_before_the_rest() -> None:
    audio = bytes(range(200)) * 160
    size = 3_200  # 100 ms

    async def scenario() -> None:
        stream = Prompt()
        async with listening(stream) as listener:
            for number in range(10):
                stream.busy = number in (3, 4)
                listener.feed(audio[number * size : (number + 1) * size], clock.now())
                sent = number if stream.busy else number + 1
                assert b"".join(stream.sent) == audio[: min(sent, 3 if stream.busy else 10) * size]
            stream.busy = True
            listener.feed(audio[:size], clock.now())
            await asyncio.sleep(0.01)
        assert b"".join(stream.sent) == audio[: 10 * size] + audio[:size]  # the task sends what is left

    run_virtual(scenario())


def test_a_rest_goes_up_also_when_no_further_frame_comes() -> None:
    async def scenario() -> float:
        stream = Prompt()
        async with listening(stream) as listener:
            listener.feed(bytes(FRAME), began := clock.now())
            while not stream.sent:  # noqa: ASYNC110  what is asked is when
                await asyncio.sleep(0.005)
            return clock.now() - began

    assert run_virtual(scenario()) <= 0.125


def test_a_stream_without_a_voice_is_finished_though_its_frames_never_wake_the_task() -> None:
    async def scenario() -> tuple[bool, float]:
        stream = Prompt()
        async with listening(stream, idle_s=5.0) as listener:
            began = clock.now()
            while not stream.finished.is_set() and clock.now() - began < 20:
                await asyncio.sleep(0.02)
                listener.feed(bytes(FRAME), clock.now())
            return stream.finished.is_set(), clock.now() - began

    finished, after = run_virtual(scenario())
    assert finished
    assert after < 5.2
