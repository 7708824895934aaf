"""The service in the event loop of somebody else, on a listener of its own: for rehearsals and tests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator

import uvicorn
from litestar import Litestar

from agent.server.protocols import MAX_FRAME, guarded
from agent.server.quiet_server import QuietPart
from agent.settings import Settings

GRACE_S = 5


class _Answering(QuietPart):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()

    async def main_loop(self) -> None:
        self.answers.set()
        await super().main_loop()


@contextlib.asynccontextmanager
async def serving_calls(app: Litestar, settings: Settings, listener: socket.socket) -> AsyncGenerator[None]:
    """Answers callers on a bound socket while the block runs. Raises what the start of `app` raises."""
    http, websocket = guarded(app.state["gate"], settings.request_timeout_s)
    config = uvicorn.Config(
        app,
        http=http,
        ws=websocket,
        ws_max_size=MAX_FRAME,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Answering(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="service")
    answers = asyncio.create_task(server.answers.wait())
    await asyncio.wait({task, answers}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        answers.cancel()
        await task
    try:
        yield
    finally:
        server.leave()
        await task
