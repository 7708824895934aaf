"""Looks after the processes of `serve --workers`: which of them live, and when one that has died is started again.

uvicorn's own supervisor waits for each process in turn, for a minute where it does not answer: one that dies or hangs
at its start made it deaf to SIGTERM and to all others. And it ends them all, with their calls, when a single one cannot
start again. Here nobody is waited for, and only a service of which no process has ever served ends for that.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable
from time import monotonic as now
from typing import Final

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

START_S: Final = 300.0
"""A process that has never served may take so long: on a busy machine it loads its modules for a minute and more."""
STEADY_S: Final = 30.0
"""A process that lived so long is started again at once when it dies."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0

log = structlog.get_logger()


class WatchedProcess(multiprocess.Process):
    """A process, and what is known of it."""

    started_at = 0.0
    ready = False
    """Whether it has ever said that it serves."""
    _asked_at: float | None = None

    def start(self) -> None:
        """Starts it."""
        self.started_at = now()
        super().start()

    def lives(self, within_s: float) -> bool:
        """Whether it runs and has answered within so many seconds of being asked. Does not wait."""
        if not self.process.is_alive():
            return False
        try:
            if self._asked_at is None:
                self.parent_conn.send(b"ping")
                self._asked_at = now()
            if self.parent_conn.poll(0):
                self.ready = bool(self.parent_conn.recv()) or self.ready
                self._asked_at = None
                return True
        except (OSError, EOFError, pickle.UnpicklingError):
            return False
        return now() - self._asked_at < within_s


class Supervisor(multiprocess.Multiprocess):
    """Starts a process that has died again: at once where it had served for a while, else later and later."""

    processes: list[WatchedProcess]  # pyright: ignore[reportIncompatibleVariableOverride]  it makes them by our class

    def __init__(
        self,
        config: uvicorn.Config,
        sockets: list[socket.socket],
        make: Callable[[uvicorn.Config, list[socket.socket]], WatchedProcess],
    ) -> None:
        super().__init__(config, sockets)
        self._make = make
        self._pauses: dict[int, float] = {}  # place → how long the next one waits there
        self._due: dict[int, float] = {}  # place of one that is gone → when the next one starts
        self._served = False
        self.failed = False
        """Whether it ended because no process could start."""

    def init_processes(self) -> None:
        """Starts all processes."""
        for _ in range(self.processes_num):
            self.processes.append(self._started())

    def keep_subprocess_alive(self) -> None:
        """Looks at every process once."""
        for place, process in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if place in self._due and process.process.is_alive():
                del self._due[place]  # SIGHUP has put another there meanwhile
            if place in self._due:
                if now() >= self._due[place]:
                    del self._due[place]
                    self.processes[place] = self._started()
            elif process.lives(self.config.timeout_worker_healthcheck if process.ready else START_S):
                self._served = self._served or process.ready
            else:
                self._lost(place, process)

    def _started(self) -> WatchedProcess:
        process = self._make(self.config, self.sockets)
        process.start()
        return process

    def _lost(self, place: int, process: WatchedProcess) -> None:
        process.kill()  # where it hangs
        process.join()
        if process.exitcode == STARTUP_FAILURE and not self._served:
            self.failed = True
            self.should_exit.set()
            return
        steady = process.ready and now() - process.started_at >= STEADY_S
        pause = 0.0 if steady else self._pauses.get(place, FIRST_PAUSE_S)
        self._pauses[place] = FIRST_PAUSE_S if steady else min(pause * 2, LONGEST_PAUSE_S)
        self._due[place] = now() + pause
        log.error("a process has ended", pid=process.pid, exit_code=process.exitcode, again_in_s=pause)
