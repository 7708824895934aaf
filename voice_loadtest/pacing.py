"""The two clocks that any number of callers share: the 20 ms frame ticker and the delay line of a simulated network."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from voice_loadtest.audio import FRAME_S

SLOTS: Final = 10  # callers are spread over the 20 ms, one slot every 2 ms, so that they do not all send at once
_GIVE_UP_S: Final = 1.0  # a ticker that is later than this leaves frames out instead of sending them in one burst
_MAX_DELAY_S: Final = 5.0

Tick = Callable[[], None]

# not the loop's clock: uvloop's has steps of a millisecond and stands still while callbacks run
now = time.monotonic


async def _sleep_until(moment: float) -> None:
    left = moment - now()
    while left > 0:  # a timer may be early by a millisecond
        await asyncio.sleep(left)
        left = moment - now()


class Ticker:
    """Calls every member once per 20 ms, at absolute times: a late call does not move the ones after it."""

    def __init__(self) -> None:
        self._slots: list[list[Tick]] = [[] for _ in range(SLOTS)]
        self._somebody = asyncio.Event()
        self.lateness_ms = 0.0  # the worst lateness of a call so far
        self.skipped_frames = 0  # calls per member that were left out because the ticker was over 1 s late

    def join(self, tick: Tick) -> None:
        """Adds a member to the emptiest slot."""
        min(self._slots, key=len).append(tick)
        self._somebody.set()

    def leave(self, tick: Tick) -> None:
        for slot in self._slots:
            if tick in slot:
                slot.remove(tick)
        if not any(self._slots):
            self._somebody.clear()

    async def run(self) -> None:
        """Ticks until it is cancelled; sleeps while there are no members."""
        step = FRAME_S / SLOTS
        while True:
            await self._somebody.wait()
            began, count = now(), 0
            while self._somebody.is_set():
                slot = self._slots[count % SLOTS]
                if slot:
                    due = began + count * step
                    await _sleep_until(due)
                    late = now() - due
                    if late > _GIVE_UP_S:
                        self.skipped_frames += int(late / FRAME_S)
                        count += int(late / FRAME_S) * SLOTS
                    self.lateness_ms = max(self.lateness_ms, late * 1000)
                    for tick in tuple(slot):
                        tick()
                count += 1


class DelayLine:
    """One way of a simulated network: what is pushed is delivered `delay_s` later, in order.

    The delay is the same for everything, so one line serves both directions of every caller.
    """

    def __init__(self, delay_s: float) -> None:
        """Raises ValueError unless `delay_s` is between 0 and 5 seconds."""
        if not 0 <= delay_s <= _MAX_DELAY_S:
            raise ValueError(f"a network delay is between 0 and {_MAX_DELAY_S:.0f} s one way")
        self.delay_s = delay_s
        # bounded by what callers send in 5 s
        self._under_way: deque[tuple[float, Callable[[], None]]] = deque()
        self._pushed = asyncio.Event()

    def push(self, deliver: Callable[[], None]) -> None:
        """Delivers at once when there is no delay."""
        if not self.delay_s:
            deliver()
            return
        self._under_way.append((now() + self.delay_s, deliver))
        self._pushed.set()

    async def run(self) -> None:
        """Delivers until it is cancelled."""
        while True:
            await self._pushed.wait()
            while self._under_way:
                due, deliver = self._under_way[0]
                await _sleep_until(due)
                self._under_way.popleft()
                deliver()
            self._pushed.clear()


class Clockwork:
    """A ticker and a network that any number of callers share."""

    def __init__(self, network_ms: float = 0.0) -> None:
        """`network_ms` is a simulated round trip, half of it each way. Raises ValueError past 10 s."""
        self.ticker = Ticker()
        self.line = DelayLine(network_ms / 2000)

    async def run(self) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.ticker.run(), name="ticker")
            group.create_task(self.line.run(), name="delay line")
