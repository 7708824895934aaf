"""Speech of the machine itself that fails at its start, later, or with the whole program that runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from agent.core.calls import Service
from agent.providers.own_machine import OwnMachine
from agent.server.local_speech import BEGUN_ANEW, GONE, LOADING, LocalSpeechWatch
from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics
from tests.support.virtual_time import run_virtual

RUNS: Mapping[str, Any] = {"process": 7, "local": ["stt", "tts"], "restarts": {"stt": 0, "tts": 0}}


class Machine:
    """A watch, and what the sandbox answers it; an error is raised."""

    def __init__(self, *wanted: Service) -> None:
        self.answer: Mapping[str, Any] | Exception = RUNS
        self.asked = 0
        self.state = OwnMachine(wanted)
        self.metrics = Metrics()
        self.watch = LocalSpeechWatch("http://sandbox", self.state, self.metrics, self.ask)

    async def ask(self) -> Mapping[str, Any]:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def failed(self, service: str) -> float | None:
        return self.metrics.registry.get_sample_value(catalog.LOCAL_FAILED.name, {"service": service})

    def restarts(self, service: str) -> float | None:
        return self.metrics.registry.get_sample_value(catalog.LOCAL_RESTARTS.name, {"service": service})


def follow(machine: Machine, *scenes: tuple[float, Mapping[str, Any] | Exception]) -> list[dict[Service, str]]:
    """Plays answers, each from its second on; what had failed a little before the next one, and at the end."""

    async def scenario() -> list[dict[Service, str]]:
        seen: list[dict[Service, str]] = []
        following = asyncio.create_task(machine.watch.follow())
        for seconds, answer in scenes:
            machine.answer = answer
            await asyncio.sleep(seconds)
            seen.append(dict(machine.state.failed))
        following.cancel()
        await asyncio.wait({following})
        return seen

    return run_virtual(scenario())


def test_a_process_is_not_ready_while_speech_is_being_loaded() -> None:
    machine = Machine("stt", "tts")
    loading = {**RUNS, "local": ["tts"], "loading": True}
    assert follow(machine, (5, ConnectionRefusedError()), (5, loading)) == [{}, {}]
    assert not machine.state.known
    assert follow(machine, (1, RUNS)) == [{}]
    assert machine.state.known
    assert (machine.failed("stt"), machine.failed("tts")) == (0, 0)


@pytest.mark.parametrize("answer", [ConnectionRefusedError(), {**RUNS, "local": [], "loading": True}])
def test_what_never_loads_keeps_nobody_waiting(answer: Mapping[str, Any] | Exception) -> None:
    machine = Machine("stt")
    assert set(follow(machine, (29, answer), (3, answer))[1]) == {"stt"}
    assert machine.state.known


def test_what_could_not_be_loaded_is_named_with_its_reason() -> None:
    machine = Machine("stt", "tts")
    broken = {**RUNS, "local": ["tts"], "failed": {"stt": "OSError: [libonnx] is broken"}}
    assert follow(machine, (1, broken)) == [{"stt": "OSError: [libonnx] is broken"}]
    assert (machine.failed("stt"), machine.failed("tts")) == (1, 0)


def test_what_fails_in_the_middle_of_calls_is_said_until_it_runs_again() -> None:
    machine = Machine("stt", "tts")
    broken = {**RUNS, "local": ["stt"], "failed": {"tts": "piper stopped"}, "restarts": {"stt": 0, "tts": 2}}
    seen = follow(machine, (10, RUNS), (10, broken), (10, {**RUNS, "restarts": {"stt": 0, "tts": 3}}))
    assert seen == [{}, {"tts": "piper stopped"}, {}]
    assert (machine.failed("tts"), machine.restarts("tts"), machine.restarts("stt")) == (0, 3, 0)


def test_a_program_that_was_killed_is_seen_at_the_second_silence_and_its_successor_is_a_restart_of_all() -> None:
    machine = Machine("stt", "tts")
    again = {**RUNS, "process": 8}
    loading = {**again, "loading": True}
    seen = follow(machine, (10, RUNS), (1, OSError()), (9, OSError()), (10, loading), (10, again))
    assert seen == [{}, {}, {"stt": GONE, "tts": GONE}, {"stt": LOADING}, {}]
    assert (machine.restarts("stt"), machine.restarts("tts")) == (1, 1)


def test_one_late_answer_says_nothing() -> None:
    machine = Machine("stt")
    assert follow(machine, (9, RUNS), (2, TimeoutError()), (9, RUNS)) == [{}, {}, {}]
    assert machine.restarts("stt") == 0
    assert machine.state.failures == {}


def test_a_program_that_was_killed_and_runs_again_between_two_looks_has_failed_for_all_who_ask_later() -> None:
    machine = Machine("stt", "tts")
    assert follow(machine, (9, RUNS), (9, {**RUNS, "process": 8})) == [{}, {}]
    assert machine.state.failures == {"stt": 1, "tts": 1}


def test_a_part_that_was_begun_anew_has_failed_for_all_who_ask_later() -> None:
    machine = Machine("stt", "tts")
    follow(machine, (9, RUNS), (9, {**RUNS, "restarts": {"stt": 2, "tts": 0}}))
    assert machine.state.failures == {"stt": 1}


def test_a_program_that_nobody_can_reach_is_gone_at_the_first_look_and_its_return_is_seen_soon() -> None:
    machine = Machine("stt")
    assert follow(machine, (9, RUNS), (1.5, ConnectionRefusedError())) == [{}, {"stt": GONE}]
    assert machine.state.gone
    again = {**RUNS, "process": 8}
    assert follow(machine, (0.6, again)) == [{}]
    assert not machine.state.gone


def test_where_nothing_runs_here_nobody_is_asked() -> None:
    machine = Machine()
    assert follow(machine, (10, RUNS)) == [{}]
    assert machine.asked == 0
    assert machine.state.known


class Guards:
    """Breakers that close when they are asked to look, or never."""

    def __init__(self, *, close: bool = True) -> None:
        self.asked = 0
        self._close, self._open = close, True

    def ask_now(self) -> None:
        self.asked += 1
        asyncio.get_running_loop().call_later(0.8, self._end)

    def serve(self, service: Service) -> bool:
        return not self._open

    def _end(self) -> None:
        self._open = not self._close


def test_what_runs_again_is_back_when_callers_are_sent_there_and_the_breakers_look_at_once() -> None:
    machine, guards = Machine("stt"), Guards()
    machine.watch = LocalSpeechWatch("", machine.state, machine.metrics, machine.ask, guards)
    again = {**RUNS, "process": 8}
    seen = follow(machine, (10, RUNS), (5, ConnectionRefusedError()), (0.9, again), (1.5, again))
    assert seen == [{}, {"stt": GONE}, {"stt": GONE}, {}]
    assert guards.asked == 1


def test_what_begins_anew_between_two_looks_is_not_back_before_its_breakers_are_closed() -> None:
    machine, guards = Machine("stt"), Guards()
    machine.watch = LocalSpeechWatch("", machine.state, machine.metrics, machine.ask, guards)
    again = {**RUNS, "process": 8}
    assert follow(machine, (9, RUNS), (1.5, again), (5, again)) == [{}, {"stt": BEGUN_ANEW}, {}]
    assert machine.state.failures == {"stt": 1}


def test_a_breaker_that_stays_open_for_another_cause_keeps_nobody_waiting() -> None:
    machine, guards = Machine("stt"), Guards(close=False)
    machine.watch = LocalSpeechWatch("", machine.state, machine.metrics, machine.ask, guards)
    again = {**RUNS, "process": 8}
    assert follow(machine, (9, RUNS), (9, again), (4, again)) == [{}, {"stt": BEGUN_ANEW}, {}]
    assert guards.asked == 1
