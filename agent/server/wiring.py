"""The parts of one process, made from its settings: the only place where they meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

from agent.billing.ceilings import SpendingCeilings
from agent.billing.configured import configured_prices
from agent.billing.prices import PriceBook
from agent.billing.pricing import PricingSink
from agent.budgets import Budgets, Tier, load_budgets
from agent.definitions.book import AgentBook, OutsideTools
from agent.definitions.version_service import VersionService
from agent.definitions.version_watch import VersionWatcher
from agent.ledger.ended_calls import SqlEndedCalls
from agent.ledger.ledger import Ledger
from agent.ledger.owners import SessionOwners
from agent.ledger.policy_store import SqlPolicyStore
from agent.ledger.session_history import SessionHistory
from agent.ledger.sink import LedgerSink
from agent.memory.flows import load_flows
from agent.policy.policies import DEFAULT_PATH, load_policies
from agent.policy.routing import load_terms
from agent.policy.watcher import AssignmentWatcher
from agent.providers.factory import ProviderFactory
from agent.providers.recorded import RecordedClip, Sentence, load_clips
from agent.server.agent_clips import AgentClips
from agent.server.doors import ceiling_refusal
from agent.server.loop_lag import LoopLag
from agent.server.operations import Operations
from agent.server.own_servers import OwnServers
from agent.server.rehearsal import Rehearsal, patient
from agent.server.session_factory import SessionFactory
from agent.server.startup import (
    USUAL_CAUSES,
    BrokenOffCalls,
    admission,
    check_step_down,
    configured,
    provider_hooks,
    series_of_a_policy,
    show_first_providers,
    show_places,
    warn_of_ends,
)
from agent.server.tool_wiring import outside_tools, paid_tools, shown_files
from agent.session.governor import Governors
from agent.session.guarded import CallPrices
from agent.session.registry import Registry
from agent.settings import Settings
from agent.telemetry import catalog
from agent.telemetry.agents import AgentMetrics
from agent.telemetry.events import Sinks
from agent.telemetry.exposition import Metrics
from agent.telemetry.log import LogSink
from agent.telemetry.metrics import Configured, MetricsSink


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts of one process."""

    settings: Settings
    budgets: Budgets
    watch: AssignmentWatcher
    operations: Operations
    providers: ProviderFactory
    metrics: Metrics
    ledger: Ledger
    sinks: Sinks
    clips: Mapping[Sentence, RecordedClip]
    lag: LoopLag
    registry: Registry
    ceilings: SpendingCeilings
    owners: SessionOwners
    agents: AgentBook
    outside: OutsideTools
    versions: VersionWatcher


def wire(settings: Settings, rehearsal: Rehearsal | None = None) -> Wiring:
    """Loads and checks everything that can be wrong. Raises ConfigurationError."""
    declared = load_budgets(settings.budgets_file)
    budgets = declared if rehearsal is None else patient(declared)
    policies = load_policies(settings.policies_file or DEFAULT_PATH)
    check_step_down(budgets, policies)
    metrics, clips, sinks = Metrics(), load_clips(settings.clips_dir, settings.language), Sinks([])
    providers = ProviderFactory(settings, budgets.deadlines, provider_hooks(sinks, clips), sdks_later=True)
    known = configured(policies, providers)
    ledger = _ledger(settings, metrics)
    recorder = LedgerSink(ledger)
    prices = configured_prices(settings)
    warn_of_ends(prices, known, policies, metrics)
    money = _pricing(prices, metrics, budgets, recorder, known)
    counting = MetricsSink(metrics, budgets, known, version("voice-agent"))
    by_agent, broken_off = AgentMetrics(metrics), BrokenOffCalls(providers.warmth)
    own = OwnServers(settings, providers.machine)
    sinks.members.extend([money, recorder, counting, by_agent, LogSink(), broken_off, own])
    show_first_providers(metrics, policies)
    show_places(metrics, known, providers.places)
    store = SqlPolicyStore(ledger.engine, ledger.migrated)
    watch = AssignmentWatcher(policies, store, metrics, series_of_a_policy(metrics, counting, money, known))
    terms, outside = load_terms(settings.terms_file), outside_tools(settings, metrics, rehearsal)
    shown, pinned = shown_files(metrics, by_agent), None if rehearsal is None else rehearsal.versions
    agents = AgentBook(settings.agents_dir, settings.agent, outside, shown, policies.policies, pinned)
    versions = _versions(agents, ledger, metrics)
    money.prepare(paid_tools(agents, prices), _in_force(known), USUAL_CAUSES)
    ceilings = SpendingCeilings(budgets.ceilings, metrics, secret=settings.session_secret())
    call_prices = CallPrices(prices)
    spoken = AgentClips(settings.clips_dir, settings.language, clips, agents.agents.values())
    guard = (ceilings, call_prices, Governors(sinks, call_prices.paid))
    sessions = SessionFactory(
        settings, budgets, watch, load_flows(), terms, agents, outside, providers, ledger, money, sinks, spoken, *guard
    )
    lag = LoopLag(metrics)
    place = admission(settings, lag, lambda claims: ceiling_refusal(ceilings, claims))
    owners = SessionOwners(ledger, settings.resume_grace_s)
    registry = Registry(sessions.make, sinks, place, SessionHistory(ledger, owners))
    calls, allowed = SqlEndedCalls(ledger.engine, ledger.migrated), budgets.objective.slow_turn_share
    operations = Operations(settings, watch, store, calls, allowed, metrics, versions, ledger.engine)
    return Wiring(
        settings,
        budgets,
        watch,
        operations,
        providers,
        metrics,
        ledger,
        sinks,
        clips,
        lag,
        registry,
        ceilings,
        owners,
        agents,
        outside,
        versions.watch,
    )


def _ledger(settings: Settings, metrics: Metrics) -> Ledger:
    lease_s, days = settings.session_lease_s, settings.retention_days
    hooked = settings.session_webhook_url is not None
    return Ledger(settings.database_url, metrics, retention_days=days, lease_s=lease_s, outbox=hooked)


def _pricing(
    prices: PriceBook, metrics: Metrics, budgets: Budgets, recorder: LedgerSink, known: Configured
) -> PricingSink:
    """Prices charges, with a series for whatever can be charged."""
    names = {model for _, _, model in known.models}
    money = PricingSink(prices, metrics, budgets, recorder, configured_models=names)
    money.prepare(known.models, _in_force(known), USUAL_CAUSES)
    return money


def _in_force(known: Configured) -> list[tuple[Tier, str]]:
    return [(tier, name) for tier, name, _ in known.policies]


def _versions(agents: AgentBook, ledger: Ledger, metrics: Metrics) -> VersionService:
    """Which versions of agents are in force, and what operators do about them."""
    store = SqlPolicyStore(ledger.engine, ledger.migrated, agents=True)
    failed = partial(metrics.add, catalog.BACKGROUND_FAILURES, "versions")
    return VersionService(VersionWatcher(agents, store, failed), store)
