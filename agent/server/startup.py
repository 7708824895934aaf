"""What a process knows when it starts: the label values that can occur, and checks across two files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

import structlog

from agent.billing.prices import PriceBook
from agent.billing.pricing import PricingSink
from agent.budgets import Budgets, Tier
from agent.core.calls import Call, PaidService, Service
from agent.core.errors import ConfigurationError
from agent.policy.decisions import POSSIBLE
from agent.policy.policies import MODELS, Policy, PolicyBook
from agent.policy.routing import possible_routes
from agent.providers.factory import ProviderFactory, ProviderHooks
from agent.providers.fallback.breaker import BreakerChange
from agent.providers.fallback.places import Places
from agent.providers.recorded import RecordedClip, Sentence
from agent.providers.warmth import Warmth
from agent.server.loop_lag import LoopLag
from agent.session.admission import Admission, Refusal
from agent.session.claims import Claims
from agent.settings import Settings
from agent.telemetry import catalog
from agent.telemetry.events import BreakerChanged, CallFinished, Cause, ConnectionWarmed, Event, Sink
from agent.telemetry.exposition import Metrics
from agent.telemetry.metrics import Configured, MetricsSink
from agent.turn.vad import VoiceActivity

log = structlog.get_logger()

END_WARNING_DAYS: Final = 60
USUAL_CAUSES: Final[dict[PaidService, tuple[Cause, ...]]] = {
    "stt": (Cause.SERVED,),
    "llm": (Cause.SERVED, Cause.INTERRUPTED, Cause.RETRY, Cause.SUMMARY, Cause.SPECULATION, Cause.HEDGE),
    "tts": (Cause.SERVED, Cause.INTERRUPTED, Cause.RETRY, Cause.SPECULATION, Cause.HEDGE),
    "tool": (Cause.SERVED, Cause.INTERRUPTED, Cause.RETRY),
}


def configured(policies: PolicyBook, providers: ProviderFactory) -> Configured:
    """Builds the providers of these policies and lists every label value that they can bring."""
    assigned = {name for assignment in policies.assignments.values() for name, _ in assignment.weights}
    providers.serve_first({place for name in sorted(assigned) for place in policies.policies[name].first_providers()})
    return Configured(
        policies=tuple(
            (Tier(tier), name, policies.policies[name].version)
            for tier, assignment in policies.assignments.items()
            for name, _ in assignment.weights
        ),
        models=providers.build({(policy.stt_model, policy.voice_model) for policy in policies.policies.values()}),
        rules=possible_routes(policies.policies.values()),
        moves=_moves(policies),
    )


def series_of_a_policy(
    metrics: Metrics, counting: MetricsSink, money: PricingSink, known: Configured
) -> Callable[[Tier, Policy], None]:
    """Creates the series of a policy that a tier can be assigned, so that rates exist before its first session."""

    def prepare(tier: Tier, policy: Policy) -> None:
        counting.prepare(tier, policy.name, policy.version)
        money.prepare(known.models, [(tier, policy.name)], USUAL_CAUSES)
        for outcome, reason in POSSIBLE:
            metrics.child(catalog.DECISIONS, tier, policy.name, outcome, reason)

    return prepare


def check_step_down(budgets: Budgets, policies: PolicyBook) -> None:
    """Raises ConfigurationError where a tier steps down to a policy that does not exist."""
    for tier, budget in budgets.tiers.items():
        name = budget.governor.step_down_policy
        if name not in policies.policies:
            known = ", ".join(policies.policies)
            key = f"tiers.{tier}.governor.step_down_policy"
            raise ConfigurationError(f"budgets: {key} takes one of {known}; not {name}")


def warn_of_ends(prices: PriceBook, known: Configured, policies: PolicyBook, metrics: Metrics) -> None:
    """Says which models in use their vendors switch off soon, in the log and for the alert.

    A voice that is built, but is in no policy's chain, speaks to nobody: its end is no news.
    """
    now, voices = datetime.now(UTC), {name for one in policies.policies.values() for name in one.chains.tts}
    for service, provider, model in known.models:
        if service == "tts" and provider not in voices:
            continue
        if (end := prices.ends(provider, model)) is None:
            continue
        metrics.set(catalog.MODEL_END, provider, model, value=end.timestamp())
        if (days := (end - now).days) < END_WARNING_DAYS:
            log.warning("model ends", provider=provider, model=model, on=end.date().isoformat(), days=days)


def provider_hooks(sink: Sink, clips: Mapping[Sentence, RecordedClip]) -> ProviderHooks:
    """What providers report that belongs to no session, and what they take from the rest of the service."""

    def breaker_changed(change: BreakerChange) -> None:
        state = change.after.value
        sink.handle(BreakerChanged(change.provider, change.model, state, change.reason, change.fault))

    return ProviderHooks(
        _SinkRecorder(sink, Cause.PROBE),
        breaker_changed,
        VoiceActivity,
        clips[Sentence.APOLOGY].pcm,
        _SinkRecorder(sink, Cause.CLIP),
        lambda provider, reason: sink.handle(ConnectionWarmed(provider, reason)),
    )


@dataclass(frozen=True, slots=True)
class _SinkRecorder:
    """Calls that belong to no session."""

    sink: Sink
    cause: Cause

    def record(self, call: Call) -> None:
        self.sink.handle(CallFinished(None, None, call, self.cause))


@dataclass(frozen=True, slots=True)
class BrokenOffCalls:
    """The sink that has the connections of cancelled calls replaced."""

    warmth: Warmth

    def handle(self, event: Event) -> None:
        if isinstance(event, CallFinished) and event.call.outcome == "cancelled" and event.call.service != "stt":
            self.warmth.broken_off(event.call.provider, event.call.model)


def _moves(book: PolicyBook) -> tuple[tuple[Service, str, str], ...]:
    """Every (service, from, to) along the chains of these policies: the label values of the fallback metric."""
    moves: set[tuple[Service, str, str]] = set()
    for policy in book.policies.values():
        orders: list[tuple[Service, tuple[str, ...]]] = [("stt", policy.chains.stt), ("tts", policy.chains.tts)]
        # a turn begins with the model that it was routed to
        orders.extend(("llm", policy.chains.llm_from(model)) for model in MODELS if model in policy.chains.llm)
        for service, order in orders:
            moves |= {(service, before, after) for before, after in pairwise((*order, "none"))}
    return tuple(sorted(moves))


def show_first_providers(metrics: Metrics, book: PolicyBook) -> None:
    """Says in the metrics which providers each policy has first: an outage of others holds no rollback of it."""
    for policy in book.policies.values():
        for service, provider in policy.first_providers():
            metrics.set(catalog.POLICY_PROVIDER, policy.name, service, provider, value=1)


def show_places(metrics: Metrics, known: Configured, places: Places) -> None:
    """Has the metrics ask, at each scrape, how many places are free at each provider."""
    for provider in sorted({provider for _, provider, _ in known.models}):
        metrics.follow(catalog.PLACES_LEFT, provider, ask=places.left_of(provider))


def admission(settings: Settings, lag: LoopLag, spent: Callable[[Claims], Refusal | None]) -> Admission:
    """Who gets a place: by the settings, by how late the event loop is, and by what may still be `spent`."""
    return Admission(
        max_sessions=settings.max_sessions,
        premium_reserve=settings.premium_reserve,
        free_lag_s=settings.free_lag_s,
        any_lag_s=settings.any_lag_s,
        lag_s=lambda: lag.seconds,
        sessions_per_address=settings.sessions_per_address,
        spent=spent,
    )
