"""What strangers do to sockets: nothing stays open for ever, and nothing grows without a bound."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections import Counter
from typing import Any

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from agent.server.pieces import PIECE
from agent.server.protocols import MAX_FRAME
from tests.support.raw_server import (
    DEADLINE_S,
    HEARD,
    LARGE,
    ROUND_TRIPS,
    TOOK,
    UPGRADE,
    close_code,
    frame,
    raw_server,
    upgraded,
)


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"GET /health",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        UPGRADE + b"X-Never: ends",
    ],
)
async def test_what_never_arrives_is_not_waited_for(part: bytes) -> None:
    async with raw_server() as at:
        began = asyncio.get_running_loop().time()
        reader, writer = await at.connect()
        writer.write(part)
        async with asyncio.timeout(5):
            answer = await reader.read()
        assert b" 408 " in answer
        assert asyncio.get_running_loop().time() - began < 1.9 * DEADLINE_S  # a body's deadline begins with its headers
        assert at.counted("connections_cut_total", "request_timeout") == 1
        writer.close()
        await asyncio.sleep(0.01)
        assert at.gate.open == 0


@pytest.mark.parametrize("requests", [1, 3])
async def test_who_reads_nothing_of_an_answer_is_cut(requests: int) -> None:
    async with raw_server() as at:
        reader, writer = await at.connect()
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * requests)
        async with asyncio.timeout(10):
            await asyncio.sleep(0.05)
            while at.gate.open:  # noqa: ASYNC110  the gate has no event for it
                await asyncio.sleep(0.02)
        assert at.counted("connections_cut_total", "unread") == 1
        writer.transport.abort()


async def test_who_reads_slowly_gets_all_of_it() -> None:
    async with raw_server(deadline_s=1.0) as at:
        reader, writer = await at.connect()
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = 0
        while piece := await reader.read(400_000):
            got += len(piece)
            await asyncio.sleep(0.04)  # several deadlines for all of it
        assert got > LARGE
        assert not at.counted("connections_cut_total", "unread")
        writer.close()


async def test_single_bytes_do_not_prolong_the_deadline() -> None:
    async with raw_server() as at:
        reader, writer = await at.connect()
        began = asyncio.get_running_loop().time()
        answer = asyncio.create_task(reader.read())
        for byte in b"GET / HTTP/1.1\r\nHost: a-host-that-takes-a-long-time":
            if answer.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.03)
        assert b" 408 " in await answer
        assert asyncio.get_running_loop().time() - began < 3 * DEADLINE_S
        writer.close()


async def test_slow_but_complete_requests_are_answered_and_keep_alive_goes_on() -> None:
    async with raw_server() as at:
        reader, writer = await at.connect()
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
            await asyncio.sleep(DEADLINE_S / 2)
            writer.write(b"body")
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(DEADLINE_S / 2)
        writer.close()


async def test_an_upgrade_with_an_over_long_header_is_answered() -> None:
    async with raw_server() as at:
        reader, writer = await at.connect()
        writer.write(UPGRADE + b"X-Long: " + b"x" * 9_000 + b"\r\n\r\n")
        async with asyncio.timeout(5):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 4")
        writer.close()
        await asyncio.sleep(0.01)
        assert at.gate.open == 0
        assert at.counted("connections_cut_total", "handshake") == 1


async def test_a_frame_over_the_limit_is_refused_before_it_has_arrived() -> None:
    async with raw_server() as at:
        reader, writer = await upgraded(at)
        writer.write(frame(2, bytes(MAX_FRAME)))
        writer.write(frame(2, bytes(MAX_FRAME + 1))[:200])  # the header says how long it will be
        assert await close_code(reader) == 1009
        writer.close()


async def _marked(count: int) -> None:
    async with asyncio.timeout(5):
        while TOOK.count(("mark", 0)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_audio_is_handed_over_in_order_and_tiny_frames_are_not() -> None:
    TOOK.clear()
    mark = frame(1, b"mark")
    async with raw_server() as at:
        _, writer = await upgraded(at)
        writer.write(frame(2, bytes(640)) + frame(1, b"hand over") + mark)
        await _marked(1)
        for number, size in enumerate((640, 300, 999, 644), 2):
            writer.write(frame(2, bytes(size)))
            await asyncio.sleep(0.02)
            writer.write(mark)
            await _marked(number)
        writer.write(mark + frame(2, bytes(700)))
        await _marked(6)
        writer.write(mark)
        await _marked(7)
        writer.close()
    assert [size for kind, size in TOOK if kind != "mark"] == [640, 640, 300, 999, 644, 700]
    assert [kind for kind, size in TOOK if size in (640, 644, 999)] == ["message", "handed", "message", "handed"]
    assert TOOK[-3:] == [("mark", 0), ("message", 700), ("mark", 0)]  # it did not overtake the message before it


async def test_frames_that_come_together_are_handed_over_until_something_else_comes() -> None:
    """As after a moment in which the line or this process stood still."""
    TOOK.clear()
    mark = frame(1, b"mark")
    async with raw_server() as at:
        _, writer = await upgraded(at)
        writer.write(frame(1, b"hand over") + mark)
        await _marked(1)
        together = [frame(2, bytes(size)) for size in (640, 644, 648)]
        writer.write(b"".join(together) + together[0][:100])
        await asyncio.sleep(0.02)
        writer.write(together[0][100:])
        await asyncio.sleep(0.02)
        writer.write(frame(2, bytes(650)) + mark + frame(2, bytes(652)))
        await _marked(2)
        writer.write(frame(2, bytes(654)) + frame(2, bytes(999)) + frame(2, bytes(656)) + mark)
        await _marked(3)
        writer.close()
    handed = [("handed", size) for size in (640, 644, 648)]
    assert TOOK[1:] == [
        *handed, ("message", 640), ("handed", 650), ("mark", 0), ("message", 652),
        ("handed", 654), ("message", 999), ("message", 656), ("mark", 0),
    ]  # fmt: skip


async def test_frames_of_a_second_that_come_together_are_all_handed_over() -> None:
    """More than is taken at once: the pieces end where frames do."""
    TOOK.clear()
    async with raw_server() as at:
        _, writer = await upgraded(at)
        writer.write(frame(1, b"hand over") + frame(1, b"mark"))
        await _marked(1)
        writer.write(b"".join(frame(2, bytes(640)) for _ in range(50)))
        await asyncio.sleep(0.05)
        writer.write(frame(1, b"mark"))
        await _marked(2)
        writer.close()
    assert TOOK[1:] == [*[("handed", 640)] * 50, ("mark", 0)]


@pytest.mark.parametrize("seed", range(8))
async def test_audio_arrives_the_same_however_its_frames_are_cut(seed: int) -> None:
    """Whole frames, halves, several at once, pings and fragments between them: nothing is lost, doubled or moved."""
    TOOK.clear()
    chance = random.Random(seed)
    sizes = [chance.choice([2, 100, 320, 640, 642, 1_280, 70_000]) for _ in range(60)]
    async with raw_server() as at:
        reader, writer = await upgraded(at)
        answers = asyncio.create_task(reader.read())
        writer.write(frame(1, b"hand over") + frame(1, b"mark"))
        await _marked(1)
        for size in sizes:
            data = chance.choice([b"", frame(9, b"ping")])
            if chance.random() < 0.2:
                data += frame(2, bytes(size - 1), final=False) + frame(0, b"\0")
            else:
                data += frame(2, bytes(size))
            cut = chance.choice([0, 1, 3, 7, len(data) // 2, len(data)])
            for part in (data[:cut], data[cut:]):
                writer.write(part)
                await asyncio.sleep(chance.choice([0.0, 0.004]))
        writer.write(frame(1, b"mark"))
        await _marked(2)
        writer.close()
        await answers
    assert [size for kind, size in TOOK if kind != "mark"] == sizes
    assert {kind for kind, _ in TOOK} == {"handed", "message", "mark"}


async def test_fragments_count_together_and_empty_ones_count_too() -> None:
    async with raw_server() as at:
        reader, writer = await upgraded(at)
        writer.write(frame(2, bytes(100_000), final=False) + frame(0, bytes(40_000), final=False))
        assert await close_code(reader) == 1009
        writer.close()
        reader, writer = await upgraded(at)
        writer.write(frame(2, b"x", final=False) + frame(0, b"", final=False) * 5_000)
        assert await close_code(reader) == 1009
        writer.close()


async def test_a_flood_of_pings_is_cut_and_some_are_answered() -> None:
    async with raw_server() as at:
        reader, writer = await upgraded(at)
        writer.write(frame(9, b"a"))
        assert (await reader.readexactly(3)) == b"\x8a\x01a"
        writer.write(frame(9, b"b") * 5_000)
        assert await close_code(reader) == 1008
        assert at.counted("connections_cut_total", "frames") == 1
        writer.close()


async def test_text_that_is_not_utf8_is_refused_and_is_nobodys_fault(caplog: pytest.LogCaptureFixture) -> None:
    async with raw_server() as at:
        reader, writer = await upgraded(at)
        writer.write(frame(1, b"caf\xc3", final=False) + frame(0, b"\xa9"))  # a character in two fragments
        writer.write(frame(1, b'{"type": "\xff\xfe"}'))
        assert await close_code(reader) == 1007
        assert at.counted("connections_cut_total", "frames") == 1
        writer.close()
    assert [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR] == []


async def test_the_layers_own_pings_measure_the_line_and_forged_pongs_do_not() -> None:
    async with raw_server() as at:
        reader, writer = await upgraded(at)
        async with asyncio.timeout(5):
            ping = await reader.readexactly(6)  # 4 bytes that nobody can guess
            assert ping[:2] == b"\x89\x04"
            writer.write(frame(10, b"a guess"))
            await asyncio.sleep(0.15)
            assert ROUND_TRIPS[-1]() is None
            writer.write(frame(10, ping[2:]))
            while ROUND_TRIPS[-1]() is None:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert 0.15 <= (ROUND_TRIPS[-1]() or 0.0) < 1.0
        writer.close()


async def test_a_caller_whose_line_down_is_full_is_heard_all_the_same() -> None:
    HEARD.clear()
    async with raw_server() as at:
        _, writer = await upgraded(at)
        writer.write(frame(1, b"fill"))
        await asyncio.sleep(0.3)
        writer.write(frame(9, b"a") * 100)
        writer.write(frame(1, b"heard?"))
        async with asyncio.timeout(5):
            await HEARD.wait()
        writer.close()


@pytest.mark.parametrize(
    ("parent", "head", "flood"),
    [
        (WebSocketsSansIOProtocol, UPGRADE + b"\r\n", frame(2, b"\0\0") * 15_000),
        (H11Protocol, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 20_000),
    ],
)
async def test_tiny_frames_and_chunks_leave_everybody_else_a_turn(
    parent: Any, head: bytes, flood: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, taken = [0], Counter[int]()
    original = parent.data_received

    def note(self: Any, data: bytes) -> None:
        taken[turns[0]] += len(data)
        original(self, data)

    async def others() -> None:
        while True:
            await asyncio.sleep(0)
            turns[0] += 1

    monkeypatch.setattr(parent, "data_received", note)
    async with raw_server(deadline_s=60) as at:  # nobody is late here, however busy the machine is
        reader, writer = await at.connect()
        writer.write(head)
        if parent is WebSocketsSansIOProtocol:
            await reader.readuntil(b"\r\n\r\n")
        beside = asyncio.create_task(others())
        await asyncio.to_thread(_push, writer, flood)
        async with asyncio.timeout(60):
            while sum(taken.values()) < len(head) + len(flood):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        beside.cancel()
        writer.close()
    assert max(taken.values()) <= 2 * PIECE, "a piece, and the first one of what is read in the same round"
    assert len(taken) > len(flood) // (2 * PIECE)


def _push(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Writes as fast as the system takes it: the server reads as much at once as it can."""
    own = os.dup(writer.get_extra_info("socket").fileno())
    os.set_blocking(own, True)
    with os.fdopen(own, "wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
