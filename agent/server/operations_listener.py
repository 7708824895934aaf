"""The operators' own listener: metrics, health with details and `/v1/ops`, away from strangers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator

import structlog
import uvicorn
from litestar import Litestar

from agent.core.errors import ConfigurationError
from agent.server.quiet_server import QuietPart
from agent.server.request_rules import CheckedRequests
from agent.settings import PREFIX

log = structlog.get_logger()


def bind_operations(host: str, port: int) -> socket.socket:
    """A listening address. Raises ConfigurationError where it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"{PREFIX}OPS_PORT: {host}:{port} cannot be used: {error.strerror}") from None
    return listener


@contextlib.asynccontextmanager
async def serving_operations(app: Litestar, listener: socket.socket) -> AsyncGenerator[None]:
    """Answers operators while the block runs, to its very end: a drain can be watched."""
    checked = CheckedRequests(app)
    config = uvicorn.Config(checked, lifespan="off", ws="none", access_log=False, log_config=None, limit_concurrency=64)
    server = QuietPart(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="operations")
    host, port = listener.getsockname()[:2]
    log.info("operations listener", host=host, port=port)
    try:
        yield
    finally:
        server.leave()
        await asyncio.wait({task})
