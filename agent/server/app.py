"""Builds the Litestar app from Settings: the only place where parts are wired together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from typing import Final

import structlog
from litestar import Litestar
from litestar.datastructures import State
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsPlugin

from agent.api.health import health_routes
from agent.api.sessions import SessionsApi, router
from agent.api.talk_page import web_routes
from agent.billing.budget_guard import SessionSpending
from agent.billing.prices import load_prices
from agent.billing.pricing import PricingSink
from agent.budgets import Budgets, Tier, load_budgets
from agent.core.calls import Call, Service
from agent.core.errors import ConfigurationError
from agent.core.resumed_state import ResumedState
from agent.ledger.ledger import Ledger
from agent.ledger.policy_store import SqlPolicyStore
from agent.ledger.session_history import SessionHistory
from agent.ledger.sink import LedgerSink
from agent.memory import BadEventError, Conversation
from agent.memory.flows import Flows, load_flows
from agent.policy.decisions import POSSIBLE
from agent.policy.policies import DEFAULT_PATH, MODELS, Policy, PolicyBook, load_policies
from agent.policy.routing import TermList, load_terms, possible_routes, route
from agent.policy.watcher import AssignmentWatcher
from agent.providers.factory import ProviderFactory, ProviderHooks
from agent.providers.fallback.breaker import BreakerChange
from agent.providers.recorded import RecordedClip, Sentence, load_clips
from agent.server.loop_lag import LoopLag
from agent.server.operations import Operations
from agent.session.admission import Admission
from agent.session.dependencies import Limits, Pipeline, RouteChoice, Router, SessionDependencies
from agent.session.memory import Memory
from agent.session.registry import Registry
from agent.settings import Settings
from agent.telemetry import catalog
from agent.telemetry.events import BreakerChanged, CallFinished, Cause, SessionInfo, Sinks
from agent.telemetry.export import exporting
from agent.telemetry.exposition import Metrics
from agent.telemetry.log import LogSink
from agent.telemetry.metrics import Configured, MetricsSink
from agent.transport.tokens import Claims, TokenBook
from agent.transport.voice_agent_v1.messages import Capabilities
from agent.turn.prompt import VoicePrompt, build_prompt
from agent.turn.turn import Recording
from agent.turn.vad import VoiceActivity

log = structlog.get_logger()

USUAL_CAUSES: Final[dict[Service, tuple[Cause, ...]]] = {
    "stt": (Cause.SERVED,),
    "llm": (Cause.SERVED, Cause.INTERRUPTED, Cause.RETRY, Cause.SUMMARY),
    "tts": (Cause.SERVED, Cause.INTERRUPTED, Cause.RETRY),
}


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts of one process."""

    settings: Settings
    budgets: Budgets
    watch: AssignmentWatcher
    operations: Operations
    flows: Flows
    terms: TermList
    prompt: VoicePrompt
    kit: ProviderFactory
    metrics: Metrics
    ledger: Ledger
    money: PricingSink
    sinks: Sinks
    clips: Mapping[Sentence, RecordedClip]

    def parts(self, claims: Claims, session_id: str, client: Capabilities, past: ResumedState) -> SessionDependencies:
        """What a session is made of: its policy decides."""
        settings, tier = self.settings, claims.tier
        book = self.watch.book
        policy = book.policies.get(past.policy or "") or book.assign(tier, session_id)
        budget = self.budgets.tiers[tier]
        conversation = self._remembered(session_id, past.events)
        self.money.resume(session_id, past.nano_usd)
        return SessionDependencies(
            info=SessionInfo(session_id, claims.subject, tier, policy.name, policy.version),
            past=past,
            stt=self.kit.listening(
                policy.chains.stt,
                settings.stt_model or policy.stt_model,
                client_listens=client.browser_recogniser,
                priority=tier is Tier.PREMIUM,
            ),
            pipeline=partial(self._pipeline, policy, tier),
            step_down_pipeline=partial(self._pipeline, book.policies[budget.governor.step_down_policy], tier),
            summariser=self.kit.model("haiku"),
            memory=Memory(conversation, session_id, self.ledger),
            system_prompt=self.prompt.text,
            context_tokens=settings.context_tokens,
            prompt_cache=policy.prompt_cache,
            apology=_recording(self.clips[Sentence.APOLOGY]),
            cost_cap=_recording(self.clips[Sentence.COST_CAP]),
            budgets=self.budgets,
            limits=_limits(settings),
            sink=self.sinks,
            ledger=self.ledger,
            spending=SessionSpending(self.money, session_id, budget),
            show_cost=budget.show_cost,
            chains={"stt": policy.chains.stt, "llm": policy.chains.llm, "tts": policy.chains.tts},
            speak_degraded=settings.speak_degraded,
            log_transcripts=settings.log_transcripts,
        )

    def cost_of(self, session_id: str) -> tuple[float, Mapping[str, float]]:
        """Dollars of an open session so far: in all, and by service."""
        cost = self.money.running_cost(session_id)
        return cost.usd, cost.by_service

    def _remembered(self, session_id: str, events: Sequence[Mapping[str, object]]) -> Conversation:
        """The conversation of these events; a damaged log costs the memory, never the call."""
        try:
            return Conversation.restore(events, self.flows)
        except BadEventError:
            log.warning("memory damaged", session_id=session_id)
            return Conversation(self.flows)

    def _pipeline(self, policy: Policy, tier: Tier, client: Capabilities) -> Pipeline:
        first = tier is Tier.PREMIUM
        models = {
            name: self.kit.language(policy.chains.llm_from(name), priority=first)
            for name in MODELS
            if name in policy.chains.llm
        }
        voice = self.kit.speaking(
            policy.chains.tts,
            policy.voice_model,
            cached=policy.audio_cache,
            client_speaks=client.browser_speech,
            priority=first,
        )
        return Pipeline(self._router(policy), models, voice)

    def _router(self, policy: Policy) -> Router:
        def choose(text: str, recent: Sequence[str]) -> RouteChoice:
            chosen = route(
                policy, text=text, recent_turns=recent, system_escalates=self.prompt.escalates, terms=self.terms
            )
            return RouteChoice(chosen.model, chosen.rule)

        return choose


def _recording(clip: RecordedClip) -> Recording:
    return Recording(clip.text, clip.pcm)


def _limits(settings: Settings) -> Limits:
    return Limits(
        idle_s=settings.idle_timeout_s,
        session_s=settings.max_session_s,
        grace_s=settings.resume_grace_s,
        barge_in_word_s=settings.barge_in_word_s,
        stt_idle_s=settings.stt_idle_s,
    )


def wire(settings: Settings) -> Wiring:
    """Loads and checks everything that can be wrong. Raises ConfigurationError."""
    budgets = load_budgets(settings.budgets_file)
    policies = load_policies(settings.policies_file or DEFAULT_PATH)
    _check_step_down(budgets, policies)
    metrics, clips = Metrics(), load_clips(settings.clips_dir)
    sinks = Sinks([])
    kit = ProviderFactory(settings, budgets.deadlines, _links(sinks, clips))
    configured = Configured(
        policies=tuple(
            (Tier(tier), name, policies.policies[name].version)
            for tier, assignment in policies.assignments.items()
            for name, _ in assignment.weights
        ),
        models=kit.build({(policy.stt_model, policy.voice_model) for policy in policies.policies.values()}),
        rules=possible_routes(policies.policies.values()),
        moves=_moves(policies),
    )
    ledger = Ledger(settings.database_url, metrics, retention_days=settings.retention_days)
    recorder = LedgerSink(ledger)
    names = {model for _, _, model in configured.models}
    money = PricingSink(load_prices(settings.prices_file), metrics, budgets, recorder, configured_models=names)
    money.prepare(configured.models, [(tier, name) for tier, name, _ in configured.policies], USUAL_CAUSES)
    counting = MetricsSink(metrics, budgets, configured, version("voice-agent"))
    sinks.members.extend([money, recorder, counting, LogSink()])

    def prepare(tier: Tier, policy: Policy) -> None:
        counting.prepare(tier, policy.name, policy.version)
        money.prepare(configured.models, [(tier, policy.name)], USUAL_CAUSES)
        for outcome, reason in POSSIBLE:
            metrics.child(catalog.DECISIONS, tier, policy.name, outcome, reason)

    store = SqlPolicyStore(ledger.engine, ledger.migrated)
    watch = AssignmentWatcher(policies, store, metrics, prepare)
    return Wiring(
        settings=settings,
        budgets=budgets,
        watch=watch,
        operations=Operations(settings, watch, store, metrics),
        flows=load_flows(),
        terms=load_terms(settings.terms_file),
        prompt=build_prompt(settings.business_name, settings.extra_prompt),
        kit=kit,
        metrics=metrics,
        ledger=ledger,
        money=money,
        sinks=sinks,
        clips=clips,
    )


@dataclass(frozen=True, slots=True)
class _ProbeCallRecorder:
    """Probes belong to no session."""

    sinks: Sinks

    def record(self, call: Call) -> None:
        self.sinks.handle(CallFinished(None, None, call, Cause.PROBE))


def _links(sinks: Sinks, clips: Mapping[Sentence, RecordedClip]) -> ProviderHooks:
    def told(change: BreakerChange) -> None:
        sinks.handle(BreakerChanged(change.provider, change.model, change.after.value, change.reason))

    return ProviderHooks(_ProbeCallRecorder(sinks), told, VoiceActivity, clips[Sentence.APOLOGY].pcm)


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


def _check_step_down(budgets: Budgets, policies: PolicyBook) -> None:
    for tier, budget in budgets.tiers.items():
        name = budget.governor.step_down_policy
        if name not in policies.policies:
            known = ", ".join(policies.policies)
            key = f"tiers.{tier}.governor.step_down_policy"
            raise ConfigurationError(f"budgets: {key} takes one of {known}; not {name}")


@asynccontextmanager
async def _probing(kit: ProviderFactory) -> AsyncGenerator[None]:
    """Warms connections and probes open breakers while the block runs."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(kit.warm()), group.create_task(kit.breakers.run())]
        yield
        for task in tasks:
            task.cancel()


def create_app(settings: Settings) -> Litestar:
    """The service. Raises ConfigurationError with one line when a setting is wrong."""
    wiring = wire(settings)
    lag = LoopLag(wiring.metrics)
    admission = Admission(
        max_sessions=settings.max_sessions,
        premium_reserve=settings.premium_reserve,
        free_lag_s=settings.free_lag_s,
        any_lag_s=settings.any_lag_s,
        lag_s=lambda: lag.seconds,
    )
    registry = Registry(wiring.parts, wiring.sinks, admission)
    doors = SessionsApi(
        tokens=TokenBook(settings.session_secret(), settings.token_minutes, settings.previous_secrets()),
        registry=registry,
        history=SessionHistory(wiring.ledger),
        sink=wiring.sinks,
        api_keys=settings.api_keys,
        membership_secrets=settings.membership_secrets(),
        membership_audience=settings.membership_audience,
        free_sessions=settings.free_sessions,
        public_url=settings.public_url,
        start_timeout_s=settings.start_timeout_s,
        resume_s=settings.max_session_s,
        simulated=wiring.kit.simulated(),
    )

    @asynccontextmanager
    async def life(_app: Litestar) -> AsyncGenerator[None]:
        outside = exporting(settings, wiring.metrics, wiring.budgets, wiring.sinks, wiring.cost_of)
        operating = wiring.operations.running()
        async with lag.watched(), wiring.ledger, operating, outside, _probing(wiring.kit), registry.running():
            yield
        await wiring.kit.close()

    return Litestar(
        route_handlers=[
            router,
            *health_routes(wiring.metrics, registry),
            *wiring.operations.routes,
            web_routes(simulated=doors.simulated, public_url=settings.public_url),
        ],
        state=State({"doors": doors, "wiring": wiring}),
        lifespan=[life],
        plugins=[ProblemDetailsPlugin(ProblemDetailsConfig(enable_for_all_http_exceptions=True))],
        openapi_config=None,
        logging_config=None,
    )
