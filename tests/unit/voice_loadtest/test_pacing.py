from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from voice_loadtest.pacing import Clockwork, DelayLine, Ticker, now


async def running(clockwork: Clockwork, enough: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(clockwork.run())
        async with asyncio.timeout(10):
            await enough.wait()
        task.cancel()


async def test_a_late_tick_does_not_move_the_ones_after_it() -> None:
    clockwork = Clockwork()
    timings: list[float] = []
    enough = asyncio.Event()

    def tick() -> None:
        timings.append(now())
        if len(timings) == 3:
            time.sleep(0.15)  # the whole process hangs
        if len(timings) == 20:
            enough.set()

    clockwork.ticker.join(tick)
    began = now()
    await running(clockwork, enough)
    # the ticks that were missed are made up for, and none comes before its time
    for number, moment in enumerate(timings):
        assert moment - began >= number * 0.02
    assert timings[9] - timings[3] < 6 * 0.02
    assert clockwork.ticker.lateness_ms >= 100


class Member:
    """Counts its ticks and leaves after `stay`; sets `enough` with its tenth."""

    def __init__(self, ticker: Ticker, stay: int, enough: asyncio.Event) -> None:
        self.count = 0
        self._ticker, self._stay, self._enough = ticker, stay, enough
        ticker.join(self.tick)

    def tick(self) -> None:
        self.count += 1
        if self.count == self._stay:
            self._ticker.leave(self.tick)
        if self.count == 10:
            self._enough.set()


async def test_members_may_leave_while_the_others_go_on() -> None:
    clockwork, enough = Clockwork(), asyncio.Event()
    short = [Member(clockwork.ticker, 5, enough) for _ in range(15)]
    long = [Member(clockwork.ticker, 100, enough) for _ in range(15)]
    await running(clockwork, enough)
    assert {member.count for member in short} == {5}
    assert {member.count for member in long} <= {9, 10}


async def test_the_ticker_rests_without_members_and_starts_again_with_the_next_one() -> None:
    clockwork, enough = Clockwork(), asyncio.Event()
    first = Member(clockwork.ticker, 1, enough)
    asyncio.get_running_loop().call_later(0.1, lambda: Member(clockwork.ticker, 100, enough))
    await running(clockwork, enough)
    assert first.count == 1


async def test_the_delay_line_keeps_the_order_and_never_delivers_early() -> None:
    clockwork = Clockwork(network_ms=100)
    loop = asyncio.get_running_loop()
    came: list[tuple[int, float]] = []
    sent: list[float] = []
    enough = asyncio.Event()

    def arrive(number: int) -> None:
        came.append((number, now()))
        if number == 50:
            enough.set()

    def push(number: int) -> None:
        sent.append(now())
        clockwork.line.push(partial(arrive, number))

    for number in range(50):
        push(number)
    loop.call_later(0.03, push, 50)
    await running(clockwork, enough)
    assert [number for number, _ in came] == list(range(51))
    assert all(moment - sent[number] >= 0.05 for number, moment in came)


async def test_no_delay_delivers_at_once() -> None:
    came: list[int] = []
    DelayLine(0).push(lambda: came.append(1))
    assert came == [1]


@pytest.mark.parametrize("delay_s", [-0.1, 5.1, float("nan")])
def test_an_impossible_network_is_refused(delay_s: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 5 s"):
        DelayLine(delay_s)
