"""A server that sleeps until it is told to leave."""

from __future__ import annotations

import asyncio
import signal

import pytest
import uvicorn

from agent.server import quiet_server
from agent.server.quiet_server import QuietServer


class _Counting(QuietServer):
    ticks = 0

    async def on_tick(self, counter: int) -> bool:
        self.ticks += 1
        return self.should_exit


@pytest.mark.parametrize("how", ["leave", "a signal", "should_exit"])
async def test_it_wakes_up_once_a_second_and_leaves_when_it_is_told(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(quiet_server, "TICK_S", 0.2 if how == "should_exit" else 60.0)
    server = _Counting(uvicorn.Config("nobody:app", log_config=None))
    running = asyncio.create_task(server.main_loop())
    await asyncio.sleep(0)
    match how:
        case "leave":
            server.leave()
        case "a signal":
            server.handle_exit(signal.SIGTERM, None)
        case _:
            server.should_exit = True  # as uvicorn's own code does
    async with asyncio.timeout(10):
        await running
    assert server.ticks == 2


async def test_the_date_of_answers_is_renewed() -> None:
    server = QuietServer(uvicorn.Config("nobody:app", log_config=None))
    server.config.encoded_headers = []
    server.leave()
    await server.main_loop()
    assert [name for name, _ in server.server_state.default_headers] == [b"date"]
