"""Several processes of the service on one port, under a supervisor: one command uses all cores of a machine.

The supervisor starts a process again that has died, ends all by SIGTERM (each drains), and on SIGHUP replaces one after
the other: a new one answers before the old one drains. Each has an operations port of its own, and a file of
https://prometheus.io/docs/guides/file-sd/ that names it. When the supervisor is gone its processes drain and end.
"""

from __future__ import annotations

import json
import multiprocessing as processes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from agent.core.errors import ConfigurationError
from agent.ledger.database import parse_url
from agent.server.drain import DrainingServer
from agent.server.operations_listener import bind_operations
from agent.server.supervisor import Supervisor, WatchedProcess
from agent.settings import PREFIX, Settings

READY_S: Final = 60  # a process that does not answer its supervisor for so long is replaced
LAST_S: Final = 10.0  # from the end of the time to drain to the end by force
MakeServer = Callable[[Settings, socket.socket], DrainingServer]

log = structlog.get_logger()


class WorkersConfig(uvicorn.Config):
    """What the processes are given by their supervisor."""

    def __init__(self, settings: Settings, workers: int, targets: Path, make: MakeServer) -> None:
        super().__init__(
            "agent.server.workers:nothing",  # each process makes its own
            host=settings.host,
            port=settings.port,
            workers=workers,
            log_config=None,
            timeout_worker_healthcheck=READY_S,
        )
        self.settings = settings
        self.targets = targets
        self.make = make


class WorkerProcess(WatchedProcess):
    """One of the processes; `target` runs in it."""

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves until it is told to drain."""
        config = cast("WorkersConfig", self.config)
        try:
            listener = _own_listener(config.settings, config.workers)
            server = config.make(config.settings, listener)
        except ConfigurationError as error:
            log.error("a process cannot start", reason=str(error))
            sys.exit(STARTUP_FAILURE)
        port = listener.getsockname()[1]
        server.leaves_port = True  # the others take who comes now
        self._server = server  # before the supervisor asks whether it has started
        # a thread, since an event loop that stands still is no reason to stay
        threading.Thread(target=_end_with_supervisor, args=(config.settings.drain_s,), daemon=True).start()
        file = _tell_prometheus(config.targets, f"{config.settings.ops_host}:{port}", port)
        try:
            super().target(sockets)
        finally:
            file.unlink(missing_ok=True)


def run_workers(settings: Settings, workers: int, targets: Path, make: MakeServer) -> None:
    """Serves with so many processes until SIGINT or SIGTERM.

    Raises ConfigurationError before it listens, and where no process can start.
    """
    if parse_url(settings.database_url).get_backend_name() == "sqlite":
        raise ConfigurationError(f"{PREFIX}DATABASE_URL: several processes take PostgreSQL, SQLite is for one")
    config = WorkersConfig(settings, workers, targets, make)
    multiprocess.Process = WorkerProcess  # where one replaces another, uvicorn's supervisor makes it
    listener = config.bind_socket()
    supervisor = Supervisor(config, [listener], WorkerProcess)
    try:
        supervisor.run()
    finally:
        listener.close()
    if supervisor.failed:
        raise ConfigurationError("no process could start: the lines before this say why")


def _end_with_supervisor(drain_s: float) -> None:
    """Waits for the supervisor's end, however it comes, and ends this process: nobody else would."""
    supervisor = processes.parent_process()
    if supervisor is None:
        return
    supervisor.join()
    log.warning("the supervisor is gone", drain_s=drain_s)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(drain_s + LAST_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _own_listener(settings: Settings, workers: int) -> socket.socket:
    """The first free port from the configured one on; while processes are replaced there is one more of them."""
    for port in range(settings.ops_port, settings.ops_port + 2 * workers):
        try:
            listener = bind_operations(settings.ops_host, port)
        except ConfigurationError:
            continue
        try:
            listener.listen(128)  # a second process could have bound it, too, but two cannot listen
        except OSError:
            listener.close()
        else:
            return listener
    raise ConfigurationError(f"{PREFIX}OPS_PORT: no port is free from {settings.ops_port} on")


def _tell_prometheus(folder: Path, address: str, port: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{port}.json"
    unfinished = file.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps([{"targets": [address], "labels": {"job": "voice-agent"}}]), encoding="utf-8")
    unfinished.rename(file)  # Prometheus never reads half of it
    return file
