"""Fallback chains: the next provider takes over when one is too late or fails, also in the middle of an answer.

A chain looks like one provider. A step is given its deadline to the first useful output, and between two outputs the
stall deadline; then the next step is asked. Steps whose breaker is open, or whose slots are all taken for half of that
time, are passed over.
A step that failed at once is asked a second time, instantly, where half of its deadline is left: the caller hears
nothing of it, and the second try of an overloaded service mostly succeeds. A step that failed this session is asked
last for some seconds, so that a reply does not change its voice from clause to clause. What did not contain anything
useful yet is held back, so that the next step can begin cleanly.

Every move along a chain is told to the meter, if that observes fallbacks. The reason is the error kind, or

    breaker_open   the step's breaker is open, or its provider has asked for patience
    busy           no slot became free in time
    deadline       the whole chain's deadline had passed
    resting        it failed this session a moment ago

Where nobody else is left, a provider that has only asked for patience is asked all the same (`Breaker.try_anyway`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import count
from typing import Final, Generic, TypeVar

from agent.core import clock
from agent.core.calls import (
    Call,
    CallOutcome,
    CallRecorder,
    ErrorKind,
    Fallback,
    FallbackObserver,
    ProviderError,
    Service,
)
from agent.providers.fallback.breaker import Breaker
from agent.providers.fallback.concurrency import PriorityLimiter

REST_S: Final = 10.0
DECLINED_REST_S: Final = 60.0
"""What a model declined stands in the conversation for some turns: the other one answers them."""
DEMOTED_REST_S: Final = 60.0
SECOND_TRY: Final = frozenset(
    {ErrorKind.REFUSED, ErrorKind.OVERLOADED, ErrorKind.DISCONNECTED, ErrorKind.EMPTY, ErrorKind.MALFORMED,
     ErrorKind.TOO_LONG}
)  # fmt: skip
"""Failures that often pass at once. A rate limit does not, and a timeout leaves no time. Too long a prompt is cut."""
_callers: Final = count()  # tells the chains of the process apart
_LEAST_S: Final = 0.25  # a step that is begun at all gets this long, however late it is

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChainDeadlines:
    """Seconds. `first_s` and `stall_s` per step; `chain_s` from when output is owed to the first useful output."""

    first_s: float
    stall_s: float
    chain_s: float


@dataclass(frozen=True, slots=True)
class ChainStep(Generic[P_co]):
    """One provider of a chain. `name` is its label in fallbacks. `instant` steps are asked however late it is.

    `second_try`: a failure that came at once is answered by asking again.
    """

    name: str
    provider: P_co
    breaker: Breaker | None = None
    slots: PriorityLimiter | None = None
    instant: bool = False
    second_try: bool = False


@dataclass(slots=True)
class _Attempt:
    """The meter of one attempt: a call that the chain's deadline has cancelled did not end by itself."""

    recorder: CallRecorder
    began: float
    due: float
    first_at: float | None = None
    scope: asyncio.Timeout | None = None

    @property
    def late(self) -> ErrorKind:
        return ErrorKind.TIMEOUT if self.first_at is None else ErrorKind.STALLED

    def record(self, call: Call) -> None:
        """Passes a call on, with its true outcome."""
        outcome: CallOutcome = call.outcome
        if outcome == "cancelled" and self.scope is not None and self.scope.expired():
            outcome = self.late
        self.recorder.record(replace(call, outcome=outcome))


class StepSkippedError(Exception):
    """A step was not asked, which says nothing against it. The reason is one of those above."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Chain(Generic[P, T]):
    """The steps of one service for one session, and how they take over from each other."""

    def __init__(
        self,
        service: Service,
        steps: Sequence[ChainStep[P]],
        deadlines: ChainDeadlines,
        useful: Callable[[T], bool],
        *,
        restarts: int | None,
        priority: bool,
        last: str,
    ) -> None:
        """`restarts` bounds how often an output that was cut is begun again. `last` names what follows the steps."""
        self.steps = tuple(steps)
        self._service: Service = service
        self._deadlines = deadlines
        self._useful = useful
        self._restarts = restarts
        self._goes_first = priority
        self._last = last
        self._backing_off: dict[str, float] = {}
        self._caller = next(_callers)

    async def run(
        self, start: Callable[[P, CallRecorder], AsyncGenerator[T]], recorder: CallRecorder
    ) -> AsyncGenerator[T]:
        """The outputs of the first step that delivers. Raises the last ProviderError when none is left."""
        failed: ProviderError | None = None
        owed_since = clock.now()
        cuts = 0
        plan = self._plan(recorder)
        patient: list[ChainStep[P]] = []  # whose breakers kept this caller from them
        for position, step in enumerate(plan):  # `plan` may grow by one
            try:
                async with aclosing(self._tries(step, start, owed_since, recorder, anyway=step in patient)) as outputs:
                    async for output in outputs:
                        yield output
                return
            except StepSkippedError as passed:
                reason = passed.reason
                patient += [step] if reason == "breaker_open" else []
            except ProviderError as error:
                failed, reason = error, error.kind.value
                if error.delivered:
                    cuts += 1
                    owed_since = clock.now()
            enough = (self._restarts is not None and cuts > self._restarts) or _unspeakable(failed)
            if position + 1 == len(plan) and not enough and (last_resort := _last_resort(patient)) is not None:
                plan.append(last_resort)
            following = self._last if enough or position + 1 == len(plan) else plan[position + 1].name
            self._tell(step.name, following, reason, recorder)
            if enough:
                break
        raise self._given_up(failed or ProviderError(plan[-1].name, ErrorKind.REFUSED))

    def demote(self, step: ChainStep[P], kind: ErrorKind) -> None:
        """What a step delivered was right and yet no good: the session asks it last for a while, and it counts."""
        self._backing_off[step.name] = clock.now() + DEMOTED_REST_S
        if step.breaker is not None:
            step.breaker.failed(kind)

    def _given_up(self, failed: ProviderError) -> ProviderError:
        failed.service = self._service
        return failed

    def _plan(self, recorder: CallRecorder) -> list[ChainStep[P]]:
        """The steps in the order of asking: those that failed a moment ago come last."""
        now = clock.now()
        plan = sorted(self.steps, key=lambda step: self._backing_off.get(step.name, 0.0) > now)
        if plan[0] is not self.steps[0]:
            self._tell(self.steps[0].name, plan[0].name, "resting", recorder)
        return plan

    async def _tries(
        self,
        step: ChainStep[P],
        start: Callable[[P, CallRecorder], AsyncGenerator[T]],
        owed_since: float,
        recorder: CallRecorder,
        *,
        anyway: bool,
    ) -> AsyncGenerator[T]:
        """The outputs of a step, which is asked a second time within its deadline when it failed at once.

        `anyway`: its breaker does not count, since nobody else is left.
        """
        left = owed_since + self._deadlines.chain_s - clock.now()
        if not step.instant and left <= 0:
            raise StepSkippedError("deadline")
        if not anyway and not _allowed(step):
            raise StepSkippedError("breaker_open")
        began = clock.now()
        given = min(self._deadlines.first_s, max(left, _LEAST_S))
        again = step.second_try
        while True:
            try:
                async with aclosing(self._attempt(step, start, began + given, recorder)) as outputs:
                    async for output in outputs:
                        yield output
                return
            except ProviderError as error:
                late = clock.now() - began > given / 2
                if not again or late or error.delivered or error.kind not in SECOND_TRY or not _allowed(step):
                    self._rest(step, error, given)
                    raise
            again = False

    async def _attempt(
        self,
        step: ChainStep[P],
        start: Callable[[P, CallRecorder], AsyncGenerator[T]],
        due: float,
        recorder: CallRecorder,
    ) -> AsyncGenerator[T]:
        """One call's outputs, from the first useful one on with what came before it. Tells breaker and slots."""
        queue_s = (due - clock.now()) / 2  # a call that is made at all has the other half to succeed
        if step.slots is not None and not await step.slots.take(first=self._goes_first, within_s=queue_s):
            raise StepSkippedError("busy")
        attempt = _Attempt(recorder, began=clock.now(), due=due)
        try:
            async with aclosing(self._watched(step, start(step.provider, attempt), attempt)) as outputs:
                async for output in outputs:
                    yield output
        except ProviderError as error:
            self._ill(step, attempt, error)
            error.delivered = attempt.first_at is not None
            raise
        except (asyncio.CancelledError, GeneratorExit):
            self._well(step, attempt)  # a caller who barges in has nothing against a provider that spoke
            raise
        else:
            self._well(step, attempt)
        finally:
            if step.slots is not None:
                step.slots.give()

    async def _watched(self, step: ChainStep[P], source: AsyncGenerator[T], attempt: _Attempt) -> AsyncGenerator[T]:
        held: list[T] = []
        async with aclosing(source):
            while True:
                first = attempt.first_at is None
                left = attempt.due - clock.now() if first else self._deadlines.stall_s
                try:
                    async with asyncio.timeout(max(left, 0.0)) as attempt.scope:
                        output = await anext(source)
                except StopAsyncIteration:
                    break
                except TimeoutError:
                    raise ProviderError(step.name, attempt.late) from None
                held.append(output)
                if first and not self._useful(output):
                    continue
                attempt.first_at = attempt.first_at or clock.now()
                for piece in held:
                    yield piece
                held.clear()
        if attempt.first_at is None:
            raise ProviderError(step.name, ErrorKind.EMPTY)

    def _well(self, step: ChainStep[P], attempt: _Attempt) -> None:
        if step.breaker is not None and attempt.first_at is not None:
            step.breaker.succeeded(attempt.first_at - attempt.began)

    def _ill(self, step: ChainStep[P], attempt: _Attempt, error: ProviderError) -> None:
        if step.breaker is not None and not self._too_late_to_blame(error, attempt.due - attempt.began):
            step.breaker.failed(error.kind, error.retry_after_s, error.fault, self._caller)

    def _rest(self, step: ChainStep[P], error: ProviderError, given: float) -> None:
        """Leaves a step that failed this session to the last, for some seconds."""
        if error.kind in (ErrorKind.BAD_REQUEST, ErrorKind.TOO_LONG) or self._too_late_to_blame(error, given):
            return
        rest_s = DECLINED_REST_S if error.kind is ErrorKind.DECLINED else REST_S
        self._backing_off[step.name] = clock.now() + rest_s

    def _too_late_to_blame(self, error: ProviderError, given: float) -> bool:
        return error.kind is ErrorKind.TIMEOUT and given < self._deadlines.first_s / 2

    def _tell(self, from_name: str, to_name: str, reason: str, recorder: CallRecorder) -> None:
        if isinstance(recorder, FallbackObserver):
            recorder.fell_back(Fallback(self._service, from_name, to_name, reason, clock.now()))


def _allowed(step: ChainStep[P]) -> bool:
    return step.breaker is None or step.breaker.allows


def _last_resort(patient: Sequence[ChainStep[P]]) -> ChainStep[P] | None:
    """Of the steps that were passed over, the first that may be asked because nobody else is left."""
    return next((step for step in patient if step.breaker is not None and step.breaker.try_anyway()), None)


def _unspeakable(failed: ProviderError | None) -> bool:
    """Whether an answer was declined in its middle: another model would go on with what must not be said."""
    return failed is not None and failed.kind is ErrorKind.DECLINED and failed.delivered
