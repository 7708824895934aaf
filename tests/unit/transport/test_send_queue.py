"""Frames leave in order, and a client that does not read costs bounded memory and then its connection."""

from __future__ import annotations

import asyncio

from agent.transport.send_queue import MAX_WAITING, Overflow, SendQueue

TOO_SLOW = Overflow("too slow", 4410, "slow client")


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
    queue, wire = SendQueue(TOO_SLOW), FakeSocket()
    task = asyncio.create_task(queue.run(wire))
    queue.send("a message")
    queue.send(b"\1\2")
    await queue.written()
    assert [type(frame) for frame in wire.frames] == [str, bytes]
    queue.close(1000, "done")
    queue.send(b"too late")
    assert await task == (1000, "done")
    assert len(wire.frames) == 2


async def test_a_client_that_does_not_read_is_closed_and_told_why() -> None:
    queue, wire = SendQueue(TOO_SLOW), FakeSocket()
    wire.open.clear()
    task = asyncio.create_task(queue.run(wire))
    piece = bytes(32_000)
    for _ in range(MAX_WAITING // len(piece) + 10):
        queue.send(piece)
        await asyncio.sleep(0)
    assert queue.closed.is_set()
    wire.open.set()
    code, _ = await task
    assert code == TOO_SLOW.close_code
    assert queue.overflowed
    assert wire.frames[-1] == TOO_SLOW.frame
    assert sum(len(frame) for frame in wire.frames) < 2 * len(piece)


async def test_barge_in_forgets_audio_but_no_message() -> None:
    queue, wire = SendQueue(TOO_SLOW), FakeSocket()
    queue.send(b"\0\0")
    queue.send("a message")
    queue.send(b"\0\0")
    queue.discard_audio()
    queue.close(1000, "")
    await queue.run(wire)
    assert [type(frame) for frame in wire.frames] == [str]


async def test_written_returns_when_the_queue_is_closed() -> None:
    queue = SendQueue(TOO_SLOW)
    queue.send(b"\0\0")
    waiter = asyncio.create_task(queue.written())
    await asyncio.sleep(0)
    queue.close(1000, "")
    await asyncio.wait_for(waiter, 1)
