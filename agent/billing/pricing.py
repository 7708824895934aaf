"""The live meter: prices every finished call once, keeps each session's running total, and hands the charges on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Protocol

from agent.billing.prices import Charge, PriceBook, usd
from agent.budgets import Budgets, Tier
from agent.core.calls import TOOL, PaidService, Unit
from agent.telemetry import catalog
from agent.telemetry.events import CallFinished, Cause, Event, Paid, SessionEnded, SessionStarted, ToolFinished
from agent.telemetry.exposition import Metrics

NO_SESSION: Final = "none"  # label value of tier and policy for calls that belong to no session
OTHER: Final = "other"  # label value of a model that was not configured
CACHE: Final = "cache"  # the provider name of speech out of the audio cache
SESSION_BUDGET: Final = "session_cost"  # the `budget` label of a session that cost more than its objective
ANSWERED_TOOLS: Final = frozenset({"ok", "refused"})
_TOKENS: Final = frozenset({Unit.INPUT_TOKENS, Unit.CACHE_WRITE_TOKENS, Unit.CACHE_READ_TOKENS, Unit.OUTPUT_TOKENS})


def utc_now() -> datetime:
    """The wall clock, timezone-aware."""
    return datetime.now(UTC)


class RunningCost:
    """What one session has cost so far, in whole nano-dollars; unpriced usage adds nothing."""

    __slots__ = ("nano_by_service", "nano_usd", "tokens")

    def __init__(self, spent_nano_usd: int = 0) -> None:
        self.nano_usd = spent_nano_usd
        self.nano_by_service: dict[PaidService, int] = {"stt": 0, "llm": 0, "tts": 0}
        self.tokens = 0

    def add(self, charges: Iterable[Charge]) -> None:
        """Adds the charges of one call."""
        for charge in charges:
            if charge.unit in _TOKENS:
                self.tokens += charge.quantity
            amount = charge.nano_usd or 0
            self.nano_usd += amount
            self.nano_by_service[charge.service] = self.nano_by_service.get(charge.service, 0) + amount

    @property
    def usd(self) -> float:
        """Dollars so far."""
        return usd(self.nano_usd)

    @property
    def by_service(self) -> dict[str, float]:
        """Service → dollars so far, as `session.cost` sends it."""
        return {service: usd(nano) for service, nano in self.nano_by_service.items()}


class ChargeRecorder(Protocol):
    """Where charges go to be kept. Called on the event loop: it must be quick and must not raise."""

    def record_charges(self, event: Paid, charges: Sequence[Charge], at: datetime) -> None:
        """Keeps what a call of a provider or of a tool costs."""
        ...


class PricingSink:
    """A sink that prices calls at the prices of the moment they end, and hands the charges to the recorder at once.

    Metrics: `cost_usd_total`, `unpriced_usage_total`, `audio_cache_saved_usd_total` with each call; `session_cost_usd`
    and `budget_breaches_total{budget="session_cost"}` with each ended session.
    """

    def __init__(
        self,
        book: PriceBook,
        metrics: Metrics,
        budgets: Budgets,
        recorder: ChargeRecorder | None = None,
        *,
        configured_models: Iterable[str] = (),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._book = book
        self._metrics = metrics
        self._budgets = budgets
        self._recorder = recorder
        self._clock = clock
        self._models = frozenset(configured_models) | {model for _, model in book.models} | {CACHE}
        self._running: dict[str, RunningCost] = {}

    def prepare(
        self,
        models: Iterable[tuple[PaidService, str, str]],
        policies: Iterable[tuple[Tier, str]],
        causes: Mapping[PaidService, Sequence[Cause]],
    ) -> None:
        """Creates the series of what is configured, so that rates exist before the first call.

        `models` are (service, provider, model) of the chains, `policies` the (tier, policy) that can be assigned,
        `causes` the usual ones of a service.
        """
        pairs = list(policies)
        for tier, policy in pairs:
            self._metrics.child(catalog.SESSION_COST, tier, policy)
            self._metrics.child(catalog.BUDGET_BREACHES, SESSION_BUDGET, tier, policy)
        for service, provider, model in models:
            for tier, policy in pairs:
                for cause in causes.get(service, ()):
                    self._metrics.child(catalog.COST, service, provider, self._label(model), tier, policy, cause)
            for unit in _units(service):
                for name in (self._label(model), OTHER):  # a configured model may have no price either
                    self._metrics.child(catalog.UNPRICED, provider, name, unit)

    def running_cost(self, session_id: str) -> RunningCost:
        """The running total of an open session; an empty one for a session that is not open here."""
        return self._running.get(session_id) or RunningCost()

    def resume(self, session_id: str, spent_nano_usd: int) -> None:
        """Lets a session that was begun elsewhere go on from what it had cost there."""
        self._running[session_id] = RunningCost(spent_nano_usd)

    def handle(self, event: Event) -> None:
        """Reads session starts and ends and finished calls; leaves the other events alone."""
        match event:
            case CallFinished():
                at = self._clock()
                self._charge(event, event.cause, self._book.charge(event.call, at), at)
            case ToolFinished():
                self._tool(event)
            case SessionStarted():
                self._running.setdefault(event.session.session_id, RunningCost())
            case SessionEnded():
                self._ended(event)
            case _:
                pass

    def _tool(self, event: ToolFinished) -> None:
        """Whether a call that failed is billed is the owner's to say: it is taken as one, and marked as estimated."""
        call, at = event.call, self._clock()
        answered = call.outcome in ANSWERED_TOOLS
        last = Cause.SERVED if answered else Cause.INTERRUPTED if call.outcome == "cancelled" else Cause.RETRY
        for cause, calls in ((Cause.RETRY, call.tries - 1), (last, min(call.tries, 1))):
            charge = self._book.tool_charge(call.name, calls, at, estimated=cause is not Cause.SERVED)
            if charge is not None:
                self._charge(replace(event, cause=cause), cause, (charge,), at)

    def _charge(self, event: Paid, cause: Cause, charges: Sequence[Charge], at: datetime) -> None:
        session = event.session
        tier, policy = (
            (session.counted_tier, session.counted_policy) if session is not None else (NO_SESSION, NO_SESSION)
        )
        for charge in charges:
            model = self._label(charge.model)
            if charge.nano_usd is None:
                self._metrics.add(catalog.UNPRICED, charge.provider, model, charge.unit, amount=charge.quantity)
                continue
            labels = (charge.service, charge.provider, model, tier, policy, cause)
            self._metrics.add(catalog.COST, *labels, amount=usd(charge.nano_usd))
            if charge.provider == CACHE:
                self._saved(charge, at)
        cost = self._running.get(session.session_id) if session is not None else None
        if cost is not None:
            cost.add(charges)
        if self._recorder is not None and charges:
            self._recorder.record_charges(event, charges, at)

    def _saved(self, charge: Charge, at: datetime) -> None:
        rate = self._book.speech_rate(charge.model, at)
        if rate is not None:
            self._metrics.add(
                catalog.AUDIO_CACHE_SAVED, self._label(charge.model), amount=usd(rate.amount(charge.quantity))
            )

    def _ended(self, event: SessionEnded) -> None:
        cost = self._running.pop(event.session.session_id, None)
        if cost is None or event.session.policy_chosen:
            return  # what is observed here decides about policies
        tier, policy = event.session.counted_tier, event.session.counted_policy
        self._metrics.observe(catalog.SESSION_COST, tier, policy, value=cost.usd)
        if cost.usd > self._budgets.tiers[event.session.tier].session_usd:
            self._metrics.add(catalog.BUDGET_BREACHES, SESSION_BUDGET, tier, policy)

    def _label(self, model: str) -> str:
        return model if model in self._models else OTHER


def _units(service: PaidService) -> tuple[Unit, ...]:
    if service == TOOL:
        return ()  # a tool without a price costs nothing
    if service == "stt":
        return (Unit.AUDIO_SAMPLES,)
    if service == "tts":
        return (Unit.CHARACTERS,)
    return (Unit.INPUT_TOKENS, Unit.CACHE_WRITE_TOKENS, Unit.CACHE_READ_TOKENS, Unit.OUTPUT_TOKENS)
