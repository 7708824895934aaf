"""What a process knows when it starts: the label values that can occur, and checks across two files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from agent.billing.pricing import PricingSink
from agent.budgets import Budgets, Tier
from agent.core.calls import Call, Service
from agent.core.errors import ConfigurationError
from agent.policy.decisions import POSSIBLE
from agent.policy.policies import Policy, PolicyBook
from agent.policy.routing import possible_routes
from agent.providers.factory import ProviderFactory, ProviderHooks
from agent.providers.fallback.breaker import BreakerChange
from agent.providers.recorded import RecordedClip, Sentence
from agent.telemetry import catalog
from agent.telemetry.events import BreakerChanged, CallFinished, Cause, Sink
from agent.telemetry.exposition import Metrics
from agent.telemetry.metrics import Configured, MetricsSink
from agent.turn.vad import VoiceActivity

USUAL_CAUSES: Final[dict[Service, tuple[Cause, ...]]] = {
    "stt": (Cause.SERVED,),
    "llm": (Cause.SERVED, Cause.INTERRUPTED, Cause.RETRY, Cause.SUMMARY),
    "tts": (Cause.SERVED, Cause.INTERRUPTED, Cause.RETRY),
}


def configured(policies: PolicyBook, providers: ProviderFactory) -> Configured:
    """Builds the providers of these policies and lists every label value that they can bring."""
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


def provider_hooks(sink: Sink, clips: Mapping[Sentence, RecordedClip]) -> ProviderHooks:
    """What providers report that belongs to no session, and what they take from the rest of the service."""

    def breaker_changed(change: BreakerChange) -> None:
        sink.handle(BreakerChanged(change.provider, change.model, change.after.value, change.reason))

    return ProviderHooks(_ProbeCallRecorder(sink), breaker_changed, VoiceActivity, clips[Sentence.APOLOGY].pcm)


@dataclass(frozen=True, slots=True)
class _ProbeCallRecorder:
    """Probes belong to no session."""

    sink: Sink

    def record(self, call: Call) -> None:
        self.sink.handle(CallFinished(None, None, call, Cause.PROBE))


def _moves(book: PolicyBook) -> tuple[tuple[Service, str, str], ...]:
    """Every (service, from, to) along the chains of these policies: the label values of the fallback metric."""
    moves: set[tuple[Service, str, str]] = set()
    for policy in book.policies.values():
        orders: dict[Service, tuple[str, ...]] = {
            "stt": policy.chains.stt, "llm": policy.chains.llm, "tts": policy.chains.tts
        }  # fmt: skip
        for service, order in orders.items():
            moves |= {(service, before, after) for before, after in pairwise((*order, "none"))}
    return tuple(sorted(moves))
