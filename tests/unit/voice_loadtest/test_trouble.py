"""Trouble that no provider makes: a way that is cut and mended, a process that stands still and goes on."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import pytest

from tests.support.virtual_time import run_virtual
from voice_loadtest.errors import StackError
from voice_loadtest.gameday.scenario import STALL_EVERY_S
from voice_loadtest.gameday.trouble import stand_still, way_to
from voice_loadtest.stack.processes import LocalStack


@asynccontextmanager
async def echo() -> AsyncGenerator[LocalStack]:
    """A stack whose service sends back what it gets."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield LocalStack(f"http://127.0.0.1:{port}", "", "", "", "", "", "", ())


async def said(port: int) -> bytes:
    """What comes back through the way."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello")
    try:
        return await reader.readexactly(5)
    finally:
        writer.close()


async def test_a_way_passes_on_until_it_is_cut_and_again_when_it_is_mended() -> None:
    async with asyncio.timeout(10), echo() as stack, way_to(stack) as way:
        port = int(way.url.rpartition(":")[2])
        assert await said(port) == b"hello"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        await way.cut()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""  # what was open is dropped
        writer.close()
        with pytest.raises(OSError):
            await said(port)
        await way.open()
        assert await said(port) == b"hello"


def test_a_process_stands_still_again_and_again_and_goes_on_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[float, int]] = []

    async def stalls() -> None:
        clock = asyncio.get_running_loop()

        def kill(_pid: int, signal: int) -> None:
            sent.append((clock.time(), signal))

        monkeypatch.setattr("os.kill", kill)
        process = cast("subprocess.Popen[bytes]", SimpleNamespace(pid=12))
        stack = LocalStack("", "", "", "", "", "", "", (("service", process),))
        stalling = asyncio.create_task(stand_still(stack, 1.2))
        await asyncio.sleep(STALL_EVERY_S + 0.6)
        stalling.cancel()  # in the middle of a stall
        await asyncio.wait({stalling})

    run_virtual(stalls())
    times = [time - sent[0][0] for time, _ in sent]
    assert times == pytest.approx([0.0, 1.2, STALL_EVERY_S, STALL_EVERY_S + 0.6])
    assert [one for _, one in sent] == [signal.SIGSTOP, signal.SIGCONT] * 2


async def test_without_a_service_nothing_stands_still() -> None:
    with pytest.raises(StackError, match="no service runs"):
        await stand_still(LocalStack("", "", "", "", "", "", "", ()), 1.0)
