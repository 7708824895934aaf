"""Frames leave in order, and a client that does not read costs bounded memory and then its connection."""

from __future__ import annotations

import asyncio
import json

from agent.transport.send_queue import MAX_WAITING, Outbox
from agent.transport.voice_agent_v1.messages import AudioStart, CloseCode


class FakeSocket:
    """A socket that writes down what it is sent; `blocked`, it does not take anything."""

    def __init__(self) -> None:
        self.frames: list[str | bytes] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send_text(self, data: str) -> None:
        await self.open.wait()
        self.frames.append(data)

    async def send_bytes(self, data: bytes) -> None:
        await self.open.wait()
        self.frames.append(data)


async def test_frames_leave_in_order_and_written_waits_for_them() -> None:
    outbox, wire = Outbox(), FakeSocket()
    task = asyncio.create_task(outbox.run(wire))
    outbox.send(AudioStart(turn=1))
    outbox.send(b"\1\2")
    await outbox.written()
    assert [type(frame) for frame in wire.frames] == [str, bytes]
    outbox.close(1000, "done")
    outbox.send(b"too late")
    assert await task == (1000, "done")
    assert len(wire.frames) == 2


async def test_a_client_that_does_not_read_is_closed_and_told_why() -> None:
    outbox, wire = Outbox(), FakeSocket()
    wire.open.clear()
    task = asyncio.create_task(outbox.run(wire))
    piece = bytes(32_000)
    for _ in range(MAX_WAITING // len(piece) + 10):
        outbox.send(piece)
        await asyncio.sleep(0)
    assert outbox.closed.is_set()
    wire.open.set()
    code, _ = await task
    assert code == CloseCode.SLOW_CLIENT
    last = wire.frames[-1]
    assert isinstance(last, str)
    assert json.loads(last)["code"] == "slow_client"
    assert sum(len(frame) for frame in wire.frames) < 2 * len(piece)


async def test_barge_in_forgets_audio_but_no_message() -> None:
    outbox, wire = Outbox(), FakeSocket()
    outbox.send(b"\0\0")
    outbox.send(AudioStart(turn=2))
    outbox.send(b"\0\0")
    outbox.discard_audio()
    outbox.close(1000, "")
    await outbox.run(wire)
    assert [type(frame) for frame in wire.frames] == [str]


async def test_written_returns_when_the_outbox_is_closed() -> None:
    outbox = Outbox()
    outbox.send(b"\0\0")
    waiter = asyncio.create_task(outbox.written())
    await asyncio.sleep(0)
    outbox.close(1000, "")
    await asyncio.wait_for(waiter, 1)
