from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from agent.core import clock
from agent.core.calls import Call, CallRecorder, ErrorKind, ProviderError, Usage
from agent.providers.fallback.breaker import NEVER_COUNT, Breaker, BreakerChange, Breakers, BreakerState
from agent.providers.fallback.breaker_rules import BreakerRules
from tests.support.providers import RecordingRecorder
from tests.support.virtual_time import run_virtual

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
RULES = BreakerRules(jitter=0.0)


@dataclass
class BreakerBench:
    """Breakers with a provider whose health a test decides; probes are written down with their times."""

    healthy: bool = True
    retry_after_s: float | None = None
    takes_s: float = 0.1
    probes: list[float] = field(default_factory=list[float])
    changes: list[BreakerChange] = field(default_factory=list[BreakerChange])
    recorder: RecordingRecorder = field(default_factory=RecordingRecorder)
    dice: Callable[[], float] = lambda: 0.5

    def __post_init__(self) -> None:
        self.breakers = Breakers(self.recorder, self.changes.append, dice=self.dice)

    async def probe(self, recorder: CallRecorder) -> None:
        began = clock.now()
        self.probes.append(began)
        try:
            await asyncio.sleep(self.takes_s)
            if not self.healthy:
                raise ProviderError("p", ErrorKind.OVERLOADED, retry_after_s=self.retry_after_s)
        finally:
            outcome = "ok" if self.healthy else ErrorKind.OVERLOADED
            recorder.record(Call("llm", "p", "m", outcome, began, None, clock.now(), Usage()))

    def breaker(self, rules: BreakerRules = RULES) -> Breaker:
        return self.breakers.of("p", "m", rules, self.probe)

    @property
    def path(self) -> list[tuple[BreakerState, str]]:
        return [(change.after, change.reason) for change in self.changes]


def _fail(breaker: Breaker, times: int, kind: ErrorKind = ErrorKind.OVERLOADED) -> None:
    for _ in range(times):
        breaker.failed(kind)


def test_it_opens_on_failure_rate_and_not_before_enough_calls() -> None:
    async def scenario() -> None:
        bench = BreakerBench()
        breaker = bench.breaker()
        _fail(breaker, 2)
        assert breaker.allows
        _fail(breaker, 1)
        assert breaker.state is OPEN
        assert not breaker.allows
        assert bench.path == [(OPEN, "failures")]

    run_virtual(scenario())


def test_a_few_failures_among_many_successes_do_not_open_it() -> None:
    async def scenario() -> None:
        breaker = BreakerBench().breaker()
        for _ in range(6):
            breaker.succeeded(0.2)
        _fail(breaker, 5)
        assert breaker.state is CLOSED
        _fail(breaker, 1)
        assert breaker.state is OPEN

    run_virtual(scenario())


def test_a_long_healthy_past_does_not_delay_it() -> None:
    async def scenario() -> None:
        breaker = BreakerBench().breaker()
        for _ in range(200):
            breaker.succeeded(0.2)
        _fail(breaker, RULES.window_calls // 2 - 1)
        assert breaker.state is CLOSED
        _fail(breaker, 1)
        assert breaker.state is OPEN

    run_virtual(scenario())


def test_old_failures_are_forgotten() -> None:
    async def scenario() -> None:
        breaker = BreakerBench().breaker()
        _fail(breaker, 2)
        await asyncio.sleep(RULES.window_s + 1)
        _fail(breaker, 2)
        assert breaker.state is CLOSED

    run_virtual(scenario())


def test_it_opens_when_nearly_all_calls_are_slow() -> None:
    async def scenario() -> None:
        bench = BreakerBench()
        breaker = bench.breaker()
        for seconds in (0.3, 1.3, 1.3, 1.3):
            breaker.succeeded(seconds)
        assert breaker.state is CLOSED
        breaker.succeeded(1.3)
        assert bench.path == [(OPEN, "slow")]

    run_virtual(scenario())


@pytest.mark.parametrize("kind", [kind for kind in ErrorKind if kind not in NEVER_COUNT])
def test_every_kind_of_failure_counts(kind: ErrorKind) -> None:
    async def scenario() -> None:
        breaker = BreakerBench().breaker()
        _fail(breaker, 3, kind)
        assert breaker.state is OPEN

    run_virtual(scenario())


def test_bad_input_never_opens_it() -> None:
    async def scenario() -> None:
        breaker = BreakerBench().breaker()
        _fail(breaker, 1000, ErrorKind.BAD_REQUEST)
        assert breaker.state is CLOSED
        _fail(breaker, 2)
        assert breaker.state is CLOSED

    run_virtual(scenario())


def test_retry_after_stops_everybody_until_then_and_nobody_longer() -> None:
    async def scenario() -> None:
        bench = BreakerBench()
        breaker = bench.breaker()
        breaker.failed(ErrorKind.RATE_LIMITED, 4.0)
        assert breaker.state is CLOSED
        assert not breaker.allows
        await asyncio.sleep(3.9)
        assert not breaker.allows
        await asyncio.sleep(0.2)
        assert breaker.allows
        assert bench.changes == []

    run_virtual(scenario())


def test_an_open_breaker_probes_no_sooner_than_it_was_asked_to() -> None:
    async def scenario() -> None:
        bench = BreakerBench()
        breaker = bench.breaker()
        breaker.failed(ErrorKind.RATE_LIMITED, 20.0)
        _fail(breaker, 3)
        assert breaker.probe_at == 20.0

    run_virtual(scenario())


async def _running(bench: BreakerBench, seconds: float) -> None:
    task = asyncio.create_task(bench.breakers.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_probes_close_it_when_the_provider_is_well_again() -> None:
    async def scenario() -> None:
        bench = BreakerBench()
        breaker = bench.breaker()
        _fail(breaker, 3)
        await _running(bench, 10)
        assert bench.path == [(OPEN, "failures"), (HALF_OPEN, "probe_due"), (CLOSED, "recovered")]
        assert bench.probes == [2.0, pytest.approx(2.6)]
        assert breaker.allows
        assert [call.outcome for call in bench.recorder.calls] == ["ok", "ok"]

    run_virtual(scenario())


def test_half_open_lets_no_caller_through() -> None:
    async def scenario() -> None:
        bench = BreakerBench(takes_s=1.0)
        breaker = bench.breaker()
        _fail(breaker, 3)
        task = asyncio.create_task(bench.breakers.run())
        await asyncio.sleep(2.5)
        assert breaker.state is HALF_OPEN
        assert not breaker.allows
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(scenario())


def test_waits_double_up_to_a_minute_while_probes_fail() -> None:
    async def scenario() -> None:
        bench = BreakerBench(healthy=False)
        _fail(bench.breaker(), 3)
        await _running(bench, 400)
        gaps = [round(b - a - 0.1) for a, b in zip(bench.probes, bench.probes[1:], strict=False)]
        assert gaps[:7] == [4, 8, 16, 32, 60, 60, 60]

    run_virtual(scenario())


def test_a_failed_probe_that_asks_for_patience_gets_it() -> None:
    async def scenario() -> None:
        bench = BreakerBench(healthy=False, retry_after_s=25.0)
        _fail(bench.breaker(), 3)
        await _running(bench, 40)
        assert bench.probes == [2.0, pytest.approx(27.1)]

    run_virtual(scenario())


def test_a_probe_that_hangs_has_failed() -> None:
    async def scenario() -> None:
        bench = BreakerBench(takes_s=1000)
        _fail(bench.breaker(), 3)
        await _running(bench, 5.5)
        assert bench.path[-1] == (OPEN, "probe_failed")

    run_virtual(scenario())


def test_a_probe_with_a_mistake_in_it_harms_nobody() -> None:
    async def scenario() -> None:
        bench = BreakerBench()
        breaker = bench.breaker()

        async def broken(recorder: CallRecorder) -> None:
            raise ZeroDivisionError

        breaker.probe = broken
        _fail(breaker, 3)
        await _running(bench, 3)
        assert bench.path[-1] == (OPEN, "probe_failed")

    run_virtual(scenario())


def test_a_closed_breaker_starts_with_a_clean_slate() -> None:
    async def scenario() -> None:
        bench = BreakerBench()
        breaker = bench.breaker()
        _fail(breaker, 3)
        await _running(bench, 10)
        _fail(breaker, 2)
        assert breaker.state is CLOSED
        _fail(breaker, 1)
        assert breaker.state is OPEN
        assert breaker.probe_at == pytest.approx(12.0)

    run_virtual(scenario())


def test_waits_are_jittered() -> None:
    async def scenario() -> None:
        times: list[float | None] = []
        for roll in (0.0, 0.5, 1.0):
            bench = BreakerBench(dice=lambda roll=roll: roll)
            breaker = bench.breaker(BreakerRules())
            _fail(breaker, 3)
            times.append(breaker.probe_at)
        assert times == [1.5, 2.0, 2.5]

    run_virtual(scenario())


def test_breakers_are_shared_by_name() -> None:
    bench = BreakerBench()
    assert bench.breakers.of("p", "m") is bench.breakers.of("p", "m")
    assert bench.breakers.of("p", "m") is not bench.breakers.of("p", "n")
    assert bench.breakers.states() == {("p", "m"): CLOSED, ("p", "n"): CLOSED}


def test_what_has_one_name_and_is_not_the_same_has_breakers_of_its_own_and_one_state_that_is_told() -> None:
    async def scenario() -> None:
        bench = BreakerBench()
        ours, theirs = (bench.breakers.of("tool", "book", kind=kind) for kind in ("ours", "theirs"))
        assert ours is not theirs
        _fail(theirs, 20)
        assert (ours.allows, theirs.allows) == (True, False)
        assert bench.breakers.states() == {("tool", "book"): OPEN}
        _fail(ours, 20)
        assert [(one.before, one.after) for one in bench.changes] == [(CLOSED, OPEN)], "it is out already"

    run_virtual(scenario())


def test_requests_under_way_when_it_opened_change_nothing() -> None:
    async def scenario() -> None:
        bench = BreakerBench()
        breaker = bench.breaker()
        _fail(breaker, 20)
        breaker.succeeded(0.1)
        assert len(bench.changes) == 1

    run_virtual(scenario())


# What a single session can cause


def test_the_failures_of_one_session_count_once() -> None:
    async def scenario() -> None:
        breaker = BreakerBench().breaker()
        for _ in range(20):
            breaker.failed(ErrorKind.DISCONNECTED, session="a")
        assert breaker.state is CLOSED
        breaker.failed(ErrorKind.DISCONNECTED, session="b")
        assert breaker.state is CLOSED
        breaker.failed(ErrorKind.STALLED, session="c")
        assert breaker.state is OPEN

    run_virtual(scenario())


@pytest.mark.parametrize(("healthy", "path"), [(True, []), (False, [(OPEN, "probe_failed")])])
def test_a_doubt_is_settled_by_a_probe_of_our_own(healthy: bool, path: list[tuple[BreakerState, str]]) -> None:
    async def scenario() -> None:
        bench = BreakerBench(healthy=healthy)
        breaker = bench.breaker()
        task = asyncio.create_task(bench.breakers.run())
        await asyncio.sleep(1)
        for index in range(10):
            breaker.failed(ErrorKind.EMPTY, session=f"s{index}")
        await asyncio.sleep(0.5)
        assert bench.path == path
        assert len(bench.probes) == 1  # however many doubt it
        task.cancel()
        await asyncio.wait({task})

    run_virtual(scenario())
