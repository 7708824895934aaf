"""Circuit breakers: a provider that fails is left alone, and asked again by small requests of our own.

    closed ──(too many failures, or too many slow calls, in the window)──► open
    open ──(after a jittered wait that doubles, at most a minute)──► half_open: probes only, never a caller's request
    half_open ──(enough probes in a row succeed)──► closed
    half_open ──(one fails)──► open
    any ──(misconfigured: a fault that does not pass by itself)──► open at once, for everybody, with slow re-checks

One breaker per provider and model, shared by all sessions of the process. What one caller can cause says nothing about
it: input that is refused (`bad_request`, unless from all sides), an answer that the model declines, a call that was
cancelled before its deadline. A failure that a caller's own input or line can cause names its session: however often
one session fails, it counts once in the window. What only a session's own audio speaks for (`empty`: a recogniser that
hears no words in it) counts not at all. Both make the breaker ask for itself, with a probe while it stays closed; when
that fails it opens, and no session has to be believed.

While a provider has asked for patience (`retry-after`) nobody asks it, whatever the state; but where a caller has
nobody else left to ask, one a second tries whether it still means it.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import structlog

from agent.core import clock
from agent.core.calls import Call, CallRecorder, ErrorKind, Misconfiguration, Problem, ProviderError
from agent.providers.fallback.breaker_rules import USUAL_RULES, BreakerRules

log = structlog.get_logger()


class BreakerState(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class BreakerChange:
    """A breaker changed its state at `at` (time of `agent.core.clock`)."""

    provider: str
    model: str
    before: BreakerState
    after: BreakerState
    reason: str  # failures, slow, misconfigured, probe_due, probe_failed, recovered
    at: float
    fault: Misconfiguration | None = None
    """What only a person can mend; None where the provider is as it should be, or its failures may pass."""


OnChange = Callable[[BreakerChange], None]
Probe = Callable[[CallRecorder], Awaitable[None]]
"""Asks the provider for as little as possible. Raises ProviderError."""


@dataclass(frozen=True, slots=True)
class _Seen:
    at: float
    failed: bool
    slow: bool
    session: str | None = None


@dataclass(frozen=True, slots=True)
class _ProbeRecorder:
    """A probe that its own deadline has cancelled was too late."""

    recorder: CallRecorder
    scope: asyncio.Timeout

    def record(self, call: Call) -> None:
        late = call.outcome == "cancelled" and self.scope.expired()
        self.recorder.record(replace(call, outcome=ErrorKind.TIMEOUT) if late else call)


NEVER_COUNT: Final = frozenset({ErrorKind.BAD_REQUEST, ErrorKind.DECLINED, ErrorKind.TOO_LONG})
"""What is about the request and not about the provider."""


class Breaker:
    """The breaker of one model of one provider. Made by `Breakers`."""

    def __init__(
        self,
        provider: str,
        model: str,
        rules: BreakerRules,
        on_change: OnChange,
        dice: Callable[[], float],
        on_doubt: Callable[[], None],
    ) -> None:
        self.provider = provider
        self.model = model
        self.rules = rules
        self.state = BreakerState.CLOSED
        self.probe: Probe | None = None
        self.probe_at: float | None = None
        """When the next probe is due (time of `agent.core.clock`); None while it is closed and nobody doubts it."""
        self.fault: Misconfiguration | None = None
        """What only a person can mend; None while nothing is known to be wrong."""
        self._on_change = on_change
        self._on_doubt = on_doubt
        self._dice = dice
        self._seen: deque[_Seen] = deque(maxlen=rules.window_calls)
        self._paused_until = 0.0
        self._checked_at: float | None = None
        self._paused_at = float("-inf")
        self._tried_at = float("-inf")
        self._refused: set[int] = set()
        self._wait_s = rules.wait_s
        self._probes_left = rules.probes_to_close

    @property
    def allows(self) -> bool:
        """Whether a caller's request may go to the provider now."""
        return self.state is BreakerState.CLOSED and clock.now() >= self._paused_until

    def try_anyway(self) -> bool:
        """Whether a caller who has nobody else left may ask although the provider has asked for patience."""
        now = clock.now()
        lately = now - max(self._tried_at, self._paused_at) < self.rules.trickle_s
        if self.state is not BreakerState.CLOSED or lately:
            return False
        self._tried_at = now
        return True

    def succeeded(self, first_output_s: float | None) -> None:
        """A caller's request was answered; `first_output_s` from request to first useful output, where there is one."""
        self._refused.clear()
        if self._tried_at >= self._paused_at:
            self._paused_until = 0.0  # who tried it anyway was served
        self._note(failed=False, slow=first_output_s is not None and first_output_s > self.rules.slow_s)

    def failed(
        self,
        kind: ErrorKind,
        retry_after_s: float | None = None,
        fault: Misconfiguration | None = None,
        caller: int | None = None,
        *,
        session: str | None = None,
    ) -> None:
        """A caller's request failed. `caller` is any number that tells callers apart, where one is known; `session` is
        whose request it was where that session itself can have been the cause.
        """
        if kind is ErrorKind.BAD_REQUEST and caller is not None:
            self._refused.add(caller)
            if len(self._refused) >= self.rules.refusers:
                kind, fault = ErrorKind.MISCONFIGURED, Misconfiguration(Problem.OTHER, "refused for every caller")
        if kind in NEVER_COUNT:
            return
        if kind is ErrorKind.MISCONFIGURED:
            self._misconfigured(fault or Misconfiguration(Problem.OTHER))
            return
        if session is not None:
            self._check()
            if kind is ErrorKind.EMPTY:
                return
        if retry_after_s:
            self._paused_at = clock.now()
            self._paused_until = max(self._paused_until, self._paused_at + retry_after_s)
        if kind is not ErrorKind.RATE_LIMITED or not retry_after_s:
            self._note(failed=True, slow=False, session=session)

    async def ask(self, recorder: CallRecorder) -> None:
        """Sends one probe and draws the conclusion. Never raises but for cancellation."""
        if self.state is not BreakerState.CLOSED:
            self._change(BreakerState.HALF_OPEN, "probe_due")
        error: ProviderError | None = None
        try:
            async with asyncio.timeout(self.rules.probe_timeout_s) as scope:
                if self.probe is not None:
                    await self.probe(_ProbeRecorder(recorder, scope))
        except TimeoutError:
            error = ProviderError(self.provider, ErrorKind.TIMEOUT)
        except ProviderError as failed:
            error = failed
        except Exception:
            log.exception("a probe broke", provider=self.provider, model=self.model)
            error = ProviderError(self.provider, ErrorKind.MALFORMED)
        if error is None:
            self._probe_succeeded()
        elif error.kind is ErrorKind.MISCONFIGURED:
            self._misconfigured(error.fault or self.fault or Misconfiguration(Problem.OTHER))
        else:
            self._open("probe_failed", error.retry_after_s or 0.0)

    def _check(self) -> None:
        """Has a probe find out whether it is the provider, unless one did so a moment ago."""
        now = clock.now()
        lately = self._checked_at is not None and now - self._checked_at < self.rules.check_pause_s
        if self.state is not BreakerState.CLOSED or self.probe is None or lately:
            return
        self._checked_at = self.probe_at = now
        self._on_doubt()

    def _misconfigured(self, fault: Misconfiguration) -> None:
        if self.state is BreakerState.OPEN:
            return  # a request that was under way when it opened; the next probe finds out
        rules, known = self.rules, self.fault is not None
        self._wait_s = max(rules.recheck_s, self._wait_s if known else 0.0)
        self.fault = fault
        self._open("probe_failed" if known else "misconfigured", 0.0, longest_s=rules.longest_recheck_s)

    def _probe_succeeded(self) -> None:
        if self.state is BreakerState.CLOSED:
            self.probe_at = None
            return
        self._probes_left -= 1
        if self._probes_left > 0:
            self.probe_at = clock.now() + self._jittered(self.rules.probe_pause_s)
            return
        self._seen.clear()
        self._refused.clear()
        self._wait_s = self.rules.wait_s
        self.probe_at = None
        self.fault = None
        self._change(BreakerState.CLOSED, "recovered")

    def _note(self, *, failed: bool, slow: bool, session: str | None = None) -> None:
        if self.state is not BreakerState.CLOSED:
            return  # a request that was under way when it opened
        now = clock.now()
        if session is not None:
            for earlier in [one for one in self._seen if one.session == session]:
                self._seen.remove(earlier)
        self._seen.append(_Seen(now, failed, slow, session))
        while self._seen[0].at < now - self.rules.window_s:
            self._seen.popleft()
        count = len(self._seen)
        if count < self.rules.least_calls:
            return
        if failed and sum(one.failed for one in self._seen) >= self.rules.failure_rate * count:
            self._open("failures", 0.0)
        elif slow and sum(one.slow or one.failed for one in self._seen) >= self.rules.slow_rate * count:
            self._open("slow", 0.0)

    def _open(self, reason: str, least_wait_s: float, *, longest_s: float | None = None) -> None:
        wait = max(self._jittered(self._wait_s), least_wait_s, self._paused_until - clock.now())
        self._wait_s = min(self._wait_s * 2, longest_s or self.rules.longest_wait_s)
        self._probes_left = self.rules.probes_to_close
        self.probe_at = clock.now() + wait
        self._seen.clear()
        self._change(BreakerState.OPEN, reason)

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 + self.rules.jitter * (2 * self._dice() - 1))

    def _change(self, state: BreakerState, reason: str) -> None:
        before, self.state = self.state, state
        if before is not state:
            self._on_change(BreakerChange(self.provider, self.model, before, state, reason, clock.now(), self.fault))


_dice = random.SystemRandom().random
_SEVERITY: Final = (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN)


class Breakers:
    """All breakers of the process, and the task that probes what is open.

    `meter` is charged for the probes. `on_change` is called on the event loop: it must be quick and must not raise.
    """

    def __init__(self, recorder: CallRecorder, on_change: OnChange, *, dice: Callable[[], float] = _dice) -> None:
        self._recorder = recorder
        self._on_change = on_change
        self._dice = dice
        self._breakers: dict[tuple[str, str, str], Breaker] = {}
        self._told: dict[tuple[str, str], BreakerState] = {}
        self._wake = asyncio.Event()

    def of(
        self, provider: str, model: str, rules: BreakerRules = USUAL_RULES, probe: Probe | None = None, kind: str = ""
    ) -> Breaker:
        """The breaker of a model, made at the first call, which also decides its rules. A later probe replaces none.

        `kind` tells apart what has one name and is not the same; what is told of it is the worst of all kinds.
        """
        key = (provider, model, kind)
        if key not in self._breakers:
            self._breakers[key] = Breaker(provider, model, rules, self._changed, self._dice, self._wake.set)
        breaker = self._breakers[key]
        breaker.probe = breaker.probe or probe
        return breaker

    def faults(self) -> dict[tuple[str, str], Misconfiguration]:
        """(provider, model) → what only a person can mend, for those where something is wrong."""
        return {key[:2]: breaker.fault for key, breaker in self._breakers.items() if breaker.fault is not None}

    def states(self) -> dict[tuple[str, str], BreakerState]:
        """(provider, model) → state."""
        states: dict[tuple[str, str], BreakerState] = {}
        for (provider, model, _), breaker in self._breakers.items():
            worst = max(states.get((provider, model), BreakerState.CLOSED), breaker.state, key=_SEVERITY.index)
            states[provider, model] = worst
        return states

    def ask_now(self, providers: Collection[str]) -> None:
        """Probes those of these providers that are open at once: something has happened that may have mended them."""
        for (provider, _, _), breaker in self._breakers.items():
            if provider in providers and breaker.state is BreakerState.OPEN:
                breaker.probe_at = clock.now()
        self._wake.set()

    async def run(self) -> None:
        """Probes every open breaker when its time has come. Runs until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            asking: dict[Breaker, asyncio.Task[None]] = {}
            while True:
                now = clock.now()
                for breaker in self._breakers.values():
                    running = breaker in asking and not asking[breaker].done()
                    if breaker.probe_at is not None and breaker.probe_at <= now and not running:
                        asking[breaker] = group.create_task(self._ask(breaker))
                await self._sleep(asking)

    async def _ask(self, breaker: Breaker) -> None:
        try:
            await breaker.ask(self._recorder)
        finally:
            self._wake.set()

    async def _sleep(self, asking: dict[Breaker, asyncio.Task[None]]) -> None:
        idle = (one for one in self._breakers.values() if one not in asking or asking[one].done())
        waiting = [one.probe_at for one in idle if one.probe_at is not None]
        self._wake.clear()
        try:
            async with asyncio.timeout(max(0.0, min(waiting) - clock.now()) if waiting else None):
                await self._wake.wait()
        except TimeoutError:
            return

    def _changed(self, change: BreakerChange) -> None:
        self._wake.set()
        key = (change.provider, change.model)
        before, after = self._told.get(key, BreakerState.CLOSED), self.states()[key]
        if before is not after:
            self._told[key] = after
            self._on_change(replace(change, before=before, after=after))
