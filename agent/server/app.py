"""Builds the Litestar app from Settings: wiring only. No call and no turn runs through here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import structlog
from litestar import Litestar
from litestar.datastructures import MutableScopeHeaders, State
from litestar.exceptions import HTTPException
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsException, ProblemDetailsPlugin
from litestar.types import ControllerRouterHandler, Message, Scope

from agent.api.health import operators_health, public_health
from agent.api.sessions import router
from agent.api.talk_page import web_routes
from agent.auth.tokens import TokenBook
from agent.billing.ceilings import SpendingCeilings
from agent.billing.guarded import CallPrices
from agent.billing.prices import load_prices
from agent.billing.pricing import PricingSink
from agent.budgets import Budgets, load_budgets
from agent.ledger.leases import SqlLeases
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
from agent.server.doors import ceiling_refusal, client_addresses, connection_gate, sessions_api_of
from agent.server.loop_lag import LoopLag
from agent.server.operations import Operations
from agent.server.session_factory import SessionFactory
from agent.server.startup import USUAL_CAUSES, check_step_down, configured, provider_hooks, series_of_a_policy
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

log = structlog.get_logger()

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


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
    money = PricingSink(prices, metrics, budgets, recorder, configured_models=names)
    money.prepare(known.models, [(tier, name) for tier, name, _ in known.policies], USUAL_CAUSES)
    counting = MetricsSink(metrics, budgets, known, version("voice-agent"))
    sinks.members.extend([money, recorder, counting, LogSink()])
    store = SqlPolicyStore(ledger.engine, ledger.migrated)
    watch = AssignmentWatcher(policies, store, metrics, series_of_a_policy(metrics, counting, money, known))
    terms, prompt = load_terms(settings.terms_file), build_prompt(settings.business_name, settings.extra_prompt)
    ceilings = SpendingCeilings(budgets.ceilings, metrics, secret=settings.session_secret())
    guard = (ceilings, CallPrices(prices))
    sessions = SessionFactory(
        settings, budgets, watch, load_flows(), terms, prompt, providers, ledger, money, sinks, clips, *guard
    )
    lag = LoopLag(metrics)
    registry = Registry(sessions.make, sinks, _admission(settings, lag, ceilings), SessionHistory(ledger))
    operations = Operations(settings, watch, store, metrics)
    return Wiring(
        settings, budgets, watch, operations, providers, metrics, ledger, sinks, clips, lag, registry, ceilings
    )


def _admission(settings: Settings, lag: LoopLag, ceilings: SpendingCeilings) -> Admission:
    return Admission(
        max_sessions=settings.max_sessions,
        premium_reserve=settings.premium_reserve,
        free_lag_s=settings.free_lag_s,
        any_lag_s=settings.any_lag_s,
        lag_s=lambda: lag.seconds,
        sessions_per_address=settings.sessions_per_address,
        spent=lambda claims: ceiling_refusal(ceilings, claims),
    )


@asynccontextmanager
async def _probing(providers: ProviderFactory) -> AsyncGenerator[None]:
    """Warms connections and probes open breakers while the block runs."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(providers.warm()), group.create_task(providers.breakers.run())]
        yield
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def _sharing(ceilings: SpendingCeilings, ledger: Ledger) -> AsyncGenerator[None]:
    """Leases shares of the ceilings while the block runs."""
    task = asyncio.create_task(ceilings.run(SqlLeases(ledger)), name="ceilings")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _log_fault(error: Exception, scope: Scope) -> None:
    """A fault of ours is one line of the log; what was asked for wrongly is none."""
    if scope["type"] == "http" and not isinstance(error, HTTPException | ProblemDetailsException):
        log.error("request failed", error=type(error).__name__, exc_info=error)


async def _nosniff(message: Message, _scope: Scope) -> None:
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        headers.setdefault("x-content-type-options", "nosniff")


def create_app(settings: Settings) -> Litestar:
    """The service. Raises ConfigurationError with one line when a setting is wrong.

    Its state has the `gate` of its connections and `operations_app`, which is served on a listener of its own.
    """
    wiring = wire(settings)
    tokens = TokenBook(settings.session_secret(), settings.token_minutes, settings.previous_secrets())
    simulated = wiring.providers.simulated()
    addresses = client_addresses(settings)
    sessions_api = sessions_api_of(settings, wiring.sinks, tokens, wiring.ceilings, addresses)
    voice_route = VoiceRoute(
        tokens, wiring.registry, wiring.sinks, settings.start_timeout_s, settings.max_session_s, simulated, addresses
    )
    gate = connection_gate(settings, addresses, wiring.metrics)

    @asynccontextmanager
    async def life(_app: Litestar) -> AsyncGenerator[None]:
        outside = exporting(settings, wiring.metrics, wiring.budgets, wiring.sinks)
        operating, probing = wiring.operations.running(), _probing(wiring.providers)
        sharing = _sharing(wiring.ceilings, wiring.ledger)
        watching, running = gate.watched(), wiring.registry.running()
        async with wiring.lag.watched(), watching, wiring.ledger, sharing, operating, outside, probing, running:
            yield
        await wiring.providers.close()

    routes = [
        router,
        voice,
        *public_health(wiring.registry),
        web_routes(simulated=simulated, public_url=settings.public_url),
    ]
    health = operators_health(wiring.registry, wiring.metrics, lambda: _details(wiring))
    operations_app = _litestar([*health, *wiring.operations.routes], {"wiring": wiring})
    state = {
        "sessions_api": sessions_api,
        "voice": voice_route,
        "wiring": wiring,
        "gate": gate,
        "operations_app": operations_app,
    }
    return _litestar(routes, state, life)


def _litestar(routes: Sequence[ControllerRouterHandler], state: Mapping[str, Any], *lives: Lifespan) -> Litestar:
    return Litestar(
        route_handlers=routes,
        state=State(dict(state)),
        lifespan=list(lives),
        plugins=[ProblemDetailsPlugin(ProblemDetailsConfig(enable_for_all_http_exceptions=True))],
        before_send=[_nosniff],
        after_exception=[_log_fault],
        openapi_config=None,
        logging_config=None,
    )


def _details(wiring: Wiring) -> Mapping[str, Any]:
    return {
        "database": "reachable" if wiring.ledger.reachable else "unreachable",
        "connections": wiring.metrics.registry.get_sample_value("voice_agent_connections"),
        "simulated": list(wiring.providers.simulated()),
    }
