"""Builds the Litestar app from Settings: wiring only. No call and no turn runs through here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

from litestar import Litestar
from litestar.datastructures import State
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsPlugin

from agent.api.health import health_routes
from agent.api.openapi import openapi_config
from agent.api.sessions import SessionsApi, router
from agent.api.talk_page import web_routes
from agent.auth.tokens import TokenBook
from agent.billing.prices import load_prices
from agent.billing.pricing import PricingSink
from agent.budgets import Budgets, load_budgets
from agent.ledger.ledger import Ledger
from agent.ledger.policy_store import SqlPolicyStore
from agent.ledger.session_history import SessionHistory
from agent.ledger.sink import LedgerSink
from agent.memory.flows import load_flows
from agent.policy.policies import DEFAULT_PATH, load_policies
from agent.policy.routing import load_terms
from agent.policy.watcher import AssignmentWatcher
from agent.providers.factory import ProviderFactory
from agent.providers.recorded import RecordedClip, Sentence, load_clips
from agent.server.loop_lag import LoopLag
from agent.server.operations import Operations
from agent.server.session_factory import SessionFactory
from agent.server.startup import (
    USUAL_CAUSES,
    check_step_down,
    configured,
    provider_hooks,
    series_of_a_policy,
    warn_of_ends,
)
from agent.session.admission import Admission
from agent.session.registry import Registry
from agent.settings import Settings
from agent.telemetry.events import Sinks
from agent.telemetry.export import exporting
from agent.telemetry.exposition import Metrics
from agent.telemetry.log import LogSink
from agent.telemetry.metrics import MetricsSink
from agent.transport.voice_agent_v1.route import VoiceRoute, voice
from agent.turn.prompt import build_prompt


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


def wire(settings: Settings) -> Wiring:
    """Loads and checks everything that can be wrong. Raises ConfigurationError."""
    budgets = load_budgets(settings.budgets_file)
    policies = load_policies(settings.policies_file or DEFAULT_PATH)
    check_step_down(budgets, policies)
    metrics, clips, sinks = Metrics(), load_clips(settings.clips_dir), Sinks([])
    providers = ProviderFactory(settings, budgets.deadlines, provider_hooks(sinks, clips))
    known = configured(policies, providers)
    ledger = Ledger(settings.database_url, metrics, retention_days=settings.retention_days)
    recorder = LedgerSink(ledger)
    names = {model for _, _, model in known.models}
    prices = load_prices(settings.prices_file)
    warn_of_ends(prices, known, metrics)
    money = PricingSink(prices, metrics, budgets, recorder, configured_models=names)
    money.prepare(known.models, [(tier, name) for tier, name, _ in known.policies], USUAL_CAUSES)
    counting = MetricsSink(metrics, budgets, known, version("voice-agent"))
    sinks.members.extend([money, recorder, counting, LogSink()])
    store = SqlPolicyStore(ledger.engine, ledger.migrated)
    watch = AssignmentWatcher(policies, store, metrics, series_of_a_policy(metrics, counting, money, known))
    terms, prompt = load_terms(settings.terms_file), build_prompt(settings.business_name, settings.extra_prompt)
    sessions = SessionFactory(
        settings, budgets, watch, load_flows(), terms, prompt, providers, ledger, money, sinks, clips
    )
    lag = LoopLag(metrics)
    registry = Registry(sessions.make, sinks, _admission(settings, lag), SessionHistory(ledger))
    operations = Operations(settings, watch, store, metrics)
    return Wiring(settings, budgets, watch, operations, providers, metrics, ledger, sinks, clips, lag, registry)


def _admission(settings: Settings, lag: LoopLag) -> Admission:
    return Admission(
        max_sessions=settings.max_sessions,
        premium_reserve=settings.premium_reserve,
        free_lag_s=settings.free_lag_s,
        any_lag_s=settings.any_lag_s,
        lag_s=lambda: lag.seconds,
    )


@asynccontextmanager
async def _probing(providers: ProviderFactory) -> AsyncGenerator[None]:
    """Warms connections and probes open breakers while the block runs."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(providers.keep_warm()), group.create_task(providers.breakers.run())]
        yield
        for task in tasks:
            task.cancel()


def create_app(settings: Settings) -> Litestar:
    """The service. Raises ConfigurationError with one line when a setting is wrong."""
    wiring = wire(settings)
    tokens = TokenBook(settings.session_secret(), settings.token_minutes)
    membership = settings.membership_secret.get_secret_value() if settings.membership_secret else None
    simulated = wiring.providers.simulated()
    sessions_api = SessionsApi(
        tokens, wiring.sinks, settings.api_keys, membership, settings.free_sessions, settings.public_url
    )
    voice_route = VoiceRoute(
        tokens, wiring.registry, wiring.sinks, settings.start_timeout_s, settings.max_session_s, simulated
    )

    @asynccontextmanager
    async def life(_app: Litestar) -> AsyncGenerator[None]:
        outside = exporting(settings, wiring.metrics, wiring.budgets, wiring.sinks)
        operating, probing = wiring.operations.running(), _probing(wiring.providers)
        async with wiring.lag.watched(), wiring.ledger, operating, outside, probing, wiring.registry.running():
            yield
        await wiring.providers.close()

    return Litestar(
        route_handlers=[
            router,
            voice,
            *health_routes(wiring.metrics, wiring.registry, wiring.providers),
            *wiring.operations.routes,
            web_routes(simulated=simulated, public_url=settings.public_url),
        ],
        state=State({"sessions_api": sessions_api, "voice": voice_route, "wiring": wiring}),
        lifespan=[life],
        plugins=[ProblemDetailsPlugin(ProblemDetailsConfig(enable_for_all_http_exceptions=True))],
        openapi_config=openapi_config(settings.operator_token),
        logging_config=None,
    )
