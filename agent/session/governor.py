"""The governor of the knobs that buy time with guesses: what is wasted beyond its budget is switched off for a while.

    on ──(more of the latest attempts in vain than the budget says, or more dollars an hour)──► off
    off ──(the cool-down has passed)──► on, with nothing remembered

One for each policy and knob, for all sessions of the process. What is under way when a knob is switched off ends as it
would have; nothing new is begun.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from agent.core import clock
from agent.core.calls import Call
from agent.telemetry.events import Knob, KnobSwitched, Sink

log = structlog.get_logger()

WINDOW: Final = 40
"""Attempts that the share is taken of."""
LEAST_ATTEMPTS: Final = 20
"""Fewer say nothing."""
COOL_DOWN_S: Final = 900.0
HOUR_S: Final = 3600.0
MOST_CALLS: Final = 2000
"""Wasted calls whose price is remembered; in an hour with more of them the dearest hour is cut, never lengthened."""


@dataclass(frozen=True, slots=True)
class WasteBudget:
    """What a knob may waste: a share of its attempts (0 to 1), and dollars an hour in this process."""

    share: float
    usd_hour: float


class WasteGovernor:
    """The governor of one knob of one policy. Its methods are called on the event loop and never wait."""

    def __init__(self, policy: str, knob: Knob, budget: WasteBudget, sink: Sink, price: Callable[[Call], int]) -> None:
        self._policy, self._knob, self._budget = policy, knob, budget
        self._sink, self._price = sink, price
        self._useful: deque[bool] = deque(maxlen=WINDOW)
        self._paid: deque[tuple[float, int]] = deque(maxlen=MOST_CALLS)  # time, nano-dollars
        self.allows = True
        """Whether the knob may begin something new."""

    def attempt(self, useful: bool) -> None:
        """An attempt is over, and was of use or in vain."""
        self._useful.append(useful)
        count = len(self._useful)
        if count >= LEAST_ATTEMPTS and self._useful.count(False) > self._budget.share * count:
            self._switch_off("share")

    def wasted(self, call: Call) -> None:
        """A call was paid for in vain."""
        now = clock.now()
        self._paid.append((now, self._price(call)))
        while self._paid[0][0] < now - HOUR_S:
            self._paid.popleft()
        if sum(nano for _, nano in self._paid) > self._budget.usd_hour * 1e9:
            self._switch_off("dollars")

    def _switch_off(self, reason: str) -> None:
        if not self.allows:
            return
        self.allows = False
        self._useful.clear()
        self._paid.clear()
        asyncio.get_running_loop().call_later(COOL_DOWN_S, self._switch_on)
        log.warning("knob switched off", policy=self._policy, knob=self._knob.value, reason=reason)
        self._sink.handle(KnobSwitched(self._policy, self._knob, on=False, reason=reason))

    def _switch_on(self) -> None:
        self.allows = True
        self._useful.clear()
        self._paid.clear()
        log.info("knob switched on again", policy=self._policy, knob=self._knob.value)
        self._sink.handle(KnobSwitched(self._policy, self._knob, on=True, reason="cooled_down"))


class Governors:
    """All governors of the process; as many as policies have knobs. `price` is that of a call, in nano-dollars."""

    def __init__(self, sink: Sink, price: Callable[[Call], int]) -> None:
        self._sink, self._price = sink, price
        self._governors: dict[tuple[str, Knob], WasteGovernor] = {}

    def of(self, policy: str, knob: Knob, budget: WasteBudget) -> WasteGovernor:
        """The governor of a policy's knob, made at the first call, which also decides its budget."""
        key = (policy, knob)
        if key not in self._governors:
            self._governors[key] = WasteGovernor(policy, knob, budget, self._sink, self._price)
        return self._governors[key]
