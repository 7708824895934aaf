"""Who looks after several processes: nobody is waited for, and one that cannot start ends no other."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from multiprocessing import Pipe
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from agent.server import supervisor as module
from agent.server.supervisor import LONGEST_PAUSE_S, START_S, STEADY_S, Supervisor, WatchedProcess


@dataclass
class Fake:
    """A process that lives, serves and dies as a test says."""

    born: float
    ready: bool = False
    alive: bool = True
    exitcode: int | None = None
    pid: int = 1
    patience_s: float = 0.0
    calls: list[str] = field(default_factory=list[str])

    @property
    def started_at(self) -> float:
        return self.born

    @property
    def process(self) -> SimpleNamespace:
        return SimpleNamespace(is_alive=lambda: self.alive)

    def start(self) -> None:
        self.calls.append("start")

    def lives(self, within_s: float) -> bool:
        self.patience_s = within_s
        return self.alive

    def kill(self) -> None:
        self.alive = False

    def join(self) -> None:
        assert not self.alive, "nobody is waited for"

    def dies(self, exitcode: int = 1) -> None:
        self.alive, self.exitcode = False, exitcode


@dataclass
class House:
    """A supervisor whose clock stands until it is moved."""

    now: float = 100.0
    made: list[Fake] = field(default_factory=list[Fake])

    def make(self, _config: uvicorn.Config, _sockets: list[socket.socket]) -> WatchedProcess:
        self.made.append(Fake(self.now))
        return cast("WatchedProcess", self.made[-1])


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> tuple[House, Supervisor]:
    found = House()
    monkeypatch.setattr(module, "now", lambda: found.now)
    monkeypatch.setattr("signal.signal", Mock())
    made = Supervisor(uvicorn.Config("nothing", workers=2), [], found.make)
    made.init_processes()
    return found, made


def looks(house: House, supervisor: Supervisor, seconds: float) -> None:
    until = house.now + seconds
    while house.now < until:
        house.now += 0.5
        supervisor.keep_subprocess_alive()


def test_one_that_had_served_is_started_again_at_once(house: tuple[House, Supervisor]) -> None:
    found, supervisor = house
    found.made[0].ready = True
    looks(found, supervisor, STEADY_S)
    found.made[0].dies()
    looks(found, supervisor, 1.0)
    assert len(found.made) == 3
    assert not supervisor.should_exit.is_set()


def test_one_that_dies_at_its_start_waits_longer_and_longer_and_the_others_are_looked_after(
    house: tuple[House, Supervisor],
) -> None:
    found, supervisor = house
    other = found.made[1]
    other.ready = True
    looks(found, supervisor, STEADY_S)
    began = found.now
    while found.now < began + 300:
        for one in found.made:
            if one is not other:
                one.dies(STARTUP_FAILURE)
        looks(found, supervisor, 0.5)
    assert 10 <= len(found.made) <= 4 + 300 / LONGEST_PAUSE_S + 4, "1, 2, 4 … 30 s"
    assert other.alive
    assert not supervisor.should_exit.is_set(), "its calls are not ended for another's sake"
    other.dies()
    count = len(found.made)
    looks(found, supervisor, 1.0)
    assert len(found.made) == count + 1


def test_who_has_never_served_may_take_its_time(house: tuple[House, Supervisor]) -> None:
    found, supervisor = house
    supervisor.config.timeout_worker_healthcheck = 60
    found.made[1].ready = True
    looks(found, supervisor, 0.5)
    assert [one.patience_s for one in found.made] == [START_S, 60]


def test_where_none_has_ever_served_one_that_cannot_start_ends_the_service(house: tuple[House, Supervisor]) -> None:
    found, supervisor = house
    found.made[0].dies(STARTUP_FAILURE)
    looks(found, supervisor, 0.5)
    assert supervisor.should_exit.is_set()
    assert supervisor.failed


def test_what_was_put_in_the_place_of_one_that_is_gone_is_no_second_one(house: tuple[House, Supervisor]) -> None:
    found, supervisor = house
    found.made[1].ready = True
    looks(found, supervisor, 1.0)
    found.made[0].dies()
    looks(found, supervisor, 0.5)
    supervisor.processes[0] = found.make(supervisor.config, [])  # as SIGHUP does
    looks(found, supervisor, 60.0)
    assert len(found.made) == 3


def test_a_process_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module, "now", lambda: now[0])
    process: Any = WatchedProcess.__new__(WatchedProcess)
    process.process = SimpleNamespace(is_alive=lambda: True)
    process.parent_conn, child = Pipe()
    assert process.lives(60.0)
    now[0] += 59.0
    assert process.lives(60.0)
    assert not process.ready
    assert child.recv() == b"ping"
    assert not child.poll(0), "it is asked once"
    child.send(False)
    assert process.lives(60.0)
    assert process.lives(60.0)
    child.send(True)
    assert process.lives(60.0)
    assert process.ready
    process.lives(60.0)
    now[0] += 60.0
    assert not process.lives(60.0)
