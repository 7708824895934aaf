"""An event loop whose clock jumps: while nothing is ready to run, time moves straight to the next timer.

`run_virtual(coroutine)` runs hours of timers in milliseconds, and every `loop.time()` is exact. For pure asyncio code
only: a loop that waits for a real socket would see its timers fire early.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from agent.core import clock

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: a wait of so many seconds moves the loop's clock by so many seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("the test waits for something that can never happen: no timer and no task is ready")
        self.now += max(timeout, 0.0)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._jumping.now

    def run_forever(self) -> None:
        with clock.told_by(self.time):
            super().run_forever()


def run_virtual(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine in virtual time and returns its result; leaves no task behind."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coroutine)
