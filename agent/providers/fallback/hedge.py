"""Hedging: a call that is late is made a second time beside the first, and whoever speaks first is heard.

    asked ──(first useful output)──────────────────────────────► heard
      └──(later than most of its latest calls)──► asked again
                                                     └──(first useful output before the other's)──► heard,
                                                                                the other is cancelled

Late is a quantile of what this model or voice itself took of late, for all sessions of the process. A first call that
was overtaken counts as late by no more than is known of it: as long as it was waited for alone. So calls that never
answer do not move the quantile up, and those that answer are what it is made of.

A model may also be asked twice at once, without waiting whether it is late. What such a pair takes is not learned: the
calls that were overtaken would be missing, and the model look faster than it is.

A second call is never made while the provider asks for patience or its breaker is not closed, nor without a free place
and room under the session's ceilings, and never more often than the budget says: each first call earns its share of a
second one, so that over any number of calls, counted from the start of the process, the share holds exactly.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Final, Generic, Protocol, TypeVar

from agent.core import clock
from agent.core.calls import Call, CallRecorder, ProviderError
from agent.providers.fallback.breaker import Breaker
from agent.providers.fallback.concurrency import PriorityLimiter
from agent.telemetry.events import HedgeOutcome

WINDOW: Final = 200
"""Calls of a model that its latency is estimated from."""
LEAST_CALLS: Final = 20
"""Fewer say nothing about a quantile, and nothing is hedged."""
AT_ONCE: Final = 0.0
"""The quantile at which a second call waits for nothing, and nothing has to be known."""
SAVED_CALLS: Final = 5
"""Second calls that a quiet time saves up, at the most: an incident does not begin with hundreds of them."""

T = TypeVar("T")


class RecentLatency:
    """What the latest calls of one model took from the request to the first useful output, in seconds."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque(maxlen=WINDOW)

    def add(self, seconds: float) -> None:
        """Takes in a call."""
        self._seen.append(seconds)

    def quantile(self, share: float) -> float | None:
        """The nearest rank of a share of 0 to 1; None while too little is known."""
        if len(self._seen) < LEAST_CALLS:
            return None
        return sorted(self._seen)[ceil(share * len(self._seen)) - 1]


class ExtraCalls:
    """Second calls that may be made: `percent` of the first ones, to the call."""

    def __init__(self, percent: int) -> None:
        self._percent = percent
        self._earned = 0  # hundredths of a second call

    def first_call(self) -> None:
        """A first call was made: it earns its share of a second one."""
        self._earned = min(self._earned + self._percent, 100 * SAVED_CALLS)

    @property
    def enough(self) -> bool:
        """Whether a second call may be made now."""
        return self._earned >= 100

    def spend(self) -> None:
        """A second call is made."""
        self._earned -= 100


class HedgeBook:
    """What the process knows of its models' latencies, and what each policy may spend on second calls."""

    def __init__(self) -> None:
        self._latencies: dict[tuple[str, str], RecentLatency] = {}
        self._budgets: dict[tuple[str, str, int], ExtraCalls] = {}

    def latency(self, provider: str, model: str) -> RecentLatency:
        """Of this model, for all sessions and policies."""
        return self._latencies.setdefault((provider, model), RecentLatency())

    def budget(self, policy: str, service: str, percent: int) -> ExtraCalls:
        """Of this policy's calls of this service."""
        return self._budgets.setdefault((policy, service, percent), ExtraCalls(percent))


class Reservation(Protocol):
    """Room under a ceiling that is held for a call."""

    def release(self) -> None: ...


@dataclass(frozen=True, slots=True)
class CallPlace:
    """Where a call may go: its breaker and its places."""

    breaker: Breaker | None
    slots: PriorityLimiter | None
    priority: bool = False

    @property
    def allows(self) -> bool:
        return self.breaker is None or self.breaker.allows

    async def take(self) -> bool:
        """Takes a place without waiting for one; else `give` it back."""
        return self.slots is None or await self.slots.take(first=self.priority, within_s=0.0)

    def give(self) -> None:
        if self.slots is not None:
            self.slots.give()


@dataclass(frozen=True, slots=True)
class Hedge:
    """What one session's calls of one model or voice share."""

    latency: RecentLatency
    budget: ExtraCalls
    quantile: float
    first: CallPlace
    second: CallPlace
    tell: Callable[[HedgeOutcome], None]
    switched_on: Callable[[], bool]


class _Contender(Generic[T]):
    """One of two calls, which runs from now on. Its recorder marks it while the other is the one that is heard."""

    def __init__(
        self,
        start: Callable[[CallRecorder], AsyncGenerator[T]],
        recorder: CallRecorder,
        useful: Callable[[T], bool],
        *,
        spare: bool,
    ) -> None:
        self.spare = spare
        self.held: list[T] = []
        self.source = start(self)
        self._recorder = recorder
        self.task = asyncio.create_task(self._until_useful(useful))

    def record(self, call: Call) -> None:
        self._recorder.record(replace(call, spare=True) if self.spare else call)

    async def _until_useful(self, useful: Callable[[T], bool]) -> bool:
        """Reads up to the first useful output; False where there is none. Raises ProviderError."""
        async for output in self.source:
            self.held.append(output)
            if useful(output):
                return True
        return False

    @property
    def useful(self) -> bool:
        """Whether its first useful output is there."""
        return self.task.done() and self.error is None and not self.task.cancelled() and self.task.result()

    @property
    def error(self) -> BaseException | None:
        """What it failed with."""
        return self.task.exception() if self.task.done() and not self.task.cancelled() else None

    async def close(self) -> None:
        """Ends it; returns when its call is recorded."""
        self.task.cancel()
        await asyncio.wait({self.task})
        if not self.task.cancelled():
            self.task.exception()  # told already, or of no interest
        await self.source.aclose()


@dataclass(slots=True)
class Race(Generic[T]):
    """One call and, where it is late, a second one."""

    hedge: Hedge
    useful: Callable[[T], bool]
    recorder: CallRecorder
    began: float = field(default_factory=clock.now)

    async def run(
        self,
        first: Callable[[CallRecorder], AsyncGenerator[T]],
        second: Callable[[CallRecorder], AsyncGenerator[T]],
        reserve: Callable[[], Reservation | None],
    ) -> AsyncGenerator[T]:
        """The outputs of whoever is useful first. Raises ProviderError: the first call's where both fail."""
        hedge = self.hedge
        hedge.budget.first_call()
        mine = _Contender(first, self.recorder, self.useful, spare=False)
        patience = 0.0 if hedge.quantile == AT_ONCE else hedge.latency.quantile(hedge.quantile)
        try:
            done, _ = await asyncio.wait({mine.task}, timeout=patience)
            if not done and (held := await self._allowed(reserve)) is not None:
                async with aclosing(self._both(mine, second, held)) as outputs:
                    async for output in outputs:
                        yield output
                return
            await mine.task
            self._learn(mine)
            async with aclosing(_outputs(mine)) as outputs:
                async for output in outputs:
                    yield output
        finally:
            waited = clock.now() - self.began
            if not mine.useful and patience and waited > patience:
                hedge.latency.add(patience)  # it takes longer than this; by how much nobody knows
            await mine.close()

    async def _both(
        self, mine: _Contender[T], second: Callable[[CallRecorder], AsyncGenerator[T]], held: Reservation
    ) -> AsyncGenerator[T]:
        other = _Contender(second, self.recorder, self.useful, spare=True)
        room = _Room(held, self.hedge.second)
        closing: asyncio.Task[None] | None = None
        outcome: HedgeOutcome | None = None
        try:
            winner = await self._first_useful(mine, other)
            self._judge_second(other)
            if winner is None:
                outcome = HedgeOutcome.FAILED
            else:
                loser = mine if winner is other else other
                winner.spare, loser.spare = False, True
                outcome = HedgeOutcome.WON if winner is other else HedgeOutcome.LOST
                closing = asyncio.create_task(_leave(loser, room if loser is other else None))
            self.hedge.tell(outcome)
            if self.hedge.quantile != AT_ONCE:
                self._learn(mine)
            async with aclosing(_outputs(winner or mine)) as outputs:
                async for output in outputs:
                    yield output
        finally:
            if outcome is None:
                self.hedge.tell(HedgeOutcome.CANCELLED)
            try:
                if closing is not None:
                    await asyncio.wait({closing})
                await other.close()
            finally:
                room.free()

    async def _first_useful(self, mine: _Contender[T], other: _Contender[T]) -> _Contender[T] | None:
        """Who has useful output first, the first call where both have; None when neither will."""
        running = {mine.task, other.task}
        while running:
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for contender in (mine, other):
                if contender.useful:
                    return contender
        return None

    async def _allowed(self, reserve: Callable[[], Reservation | None]) -> Reservation | None:
        """What a second call needs, if all of it is there. Tells why not."""
        hedge = self.hedge
        if not hedge.switched_on():
            hedge.tell(HedgeOutcome.SWITCHED_OFF)
        elif not (hedge.first.allows and hedge.second.allows):
            hedge.tell(HedgeOutcome.UNWELL)
        elif not hedge.budget.enough:
            hedge.tell(HedgeOutcome.OVER_BUDGET)
        elif not await hedge.second.take():
            hedge.tell(HedgeOutcome.BUSY)
        elif (held := reserve()) is None:
            hedge.second.give()
            hedge.tell(HedgeOutcome.CEILING)
        else:
            hedge.budget.spend()
            return held
        return None

    def _learn(self, mine: _Contender[T]) -> None:
        if mine.useful:
            self.hedge.latency.add(clock.now() - self.began)

    def _judge_second(self, other: _Contender[T]) -> None:
        """What a second call that failed says about its provider; the chain hears of the first alone."""
        breaker, error = self.hedge.second.breaker, other.error
        if breaker is not None and isinstance(error, ProviderError):
            breaker.failed(error.kind, error.retry_after_s, error.fault)


@dataclass(slots=True)
class _Room:
    """What a second call holds: room under the ceilings, and a place at its provider."""

    held: Reservation
    place: CallPlace
    taken: bool = True

    def free(self) -> None:
        """Gives both back, once."""
        if self.taken:
            self.taken = False
            self.held.release()
            self.place.give()


async def _leave(loser: _Contender[T], room: _Room | None) -> None:
    """Cancels the call that is not heard, while the other is."""
    await loser.close()
    if room is not None:
        room.free()


async def _outputs(contender: _Contender[T]) -> AsyncGenerator[T]:
    """What was held, then the rest. Raises what the contender raised."""
    if (error := contender.error) is not None:
        raise error
    for output in contender.held:
        yield output
    contender.held.clear()
    async for output in contender.source:
        yield output
