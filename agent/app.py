"""Builds the Litestar app from Settings: the only place where parts are wired together."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsPlugin

from agent.budgets import Budgets, Tier, load_budgets
from agent.ops.health import health_routes
from agent.ops.loop_lag import watch_loop_lag
from agent.policy.policies import DEFAULT_PATH, Policy, PolicyBook, load_policies
from agent.policy.routing import TermList, load_terms, route
from agent.providers.kit import FLUX_MODEL, Kit
from agent.providers.recorded import Clip, Sentence, load_clips
from agent.session.parts import Choice, Commits, Limits, Router, SessionParts
from agent.session.registry import Registry
from agent.session.routes import Doors, router
from agent.session.token import Claims, TokenBook
from agent.settings import Settings
from agent.telemetry.events import SessionInfo, Sinks
from agent.telemetry.exposition import Metrics
from agent.telemetry.log import LogSink
from agent.telemetry.metrics import Configured, MetricsSink
from agent.turn.history import PlainHistory
from agent.turn.prompt import VoicePrompt, build_prompt
from agent.turn.turn import Apology

STT_IDLE_S = 30.0


class _NothingToCommit:
    """Stands in where no ledger is configured."""

    async def turn_committed(self, session_id: str, turn: int) -> None:
        return


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts of one process."""

    settings: Settings
    budgets: Budgets
    policies: PolicyBook
    terms: TermList
    prompt: VoicePrompt
    kit: Kit
    metrics: Metrics
    sinks: Sinks
    commits: Commits
    clips: Mapping[Sentence, Clip]

    def parts(self, claims: Claims, session_id: str) -> SessionParts:
        """What a new session is made of: its policy decides."""
        settings = self.settings
        policy = self.policies.assign(claims.tier, session_id)
        info = SessionInfo(session_id, claims.subject, claims.tier, policy.name, policy.version)
        apology = self.clips[Sentence.APOLOGY]
        return SessionParts(
            info=info,
            stt=self.kit.recogniser(settings.stt_model or policy.stt_model),
            models={name: self.kit.model(name) for name in ("haiku", "sonnet")},
            tts=self.kit.voice(policy.voice_model),
            route=self._router(policy),
            conversation=PlainHistory(),
            system_prompt=self.prompt.text,
            context_tokens=settings.context_tokens,
            prompt_cache=policy.prompt_cache,
            apology=Apology(apology.text, apology.pcm),
            budgets=self.budgets,
            limits=Limits(
                start_s=settings.start_timeout_s,
                idle_s=settings.idle_timeout_s,
                session_s=settings.max_session_s,
                grace_s=settings.resume_grace_s,
                barge_in_word_s=settings.barge_in_word_s,
                stt_idle_s=STT_IDLE_S,
            ),
            sink=self.sinks,
            commits=self.commits,
        )

    def _router(self, policy: Policy) -> Router:
        def choose(text: str, recent: Sequence[str]) -> Choice:
            chosen = route(
                policy,
                text=text,
                recent_turns=recent,
                system_escalates=self.prompt.escalates,
                terms=self.terms,
            )
            return Choice(chosen.model, chosen.rule)

        return choose


def wire(settings: Settings) -> Wiring:
    """Loads and checks everything that can be wrong. Raises ConfigurationError."""
    budgets = load_budgets(settings.budgets_file)
    policies = load_policies(settings.policies_file or DEFAULT_PATH)
    metrics = Metrics()
    sinks = Sinks([MetricsSink(metrics, budgets, _configured(settings, policies), version("voice-agent")), LogSink()])
    return Wiring(
        settings=settings,
        budgets=budgets,
        policies=policies,
        terms=load_terms(settings.terms_file),
        prompt=build_prompt(settings.business_name, settings.extra_prompt),
        kit=Kit(settings),
        metrics=metrics,
        sinks=sinks,
        commits=_NothingToCommit(),
        clips=load_clips(),
    )


def create_app(settings: Settings) -> Litestar:
    """The service. Raises ConfigurationError with one line when a setting is wrong."""
    wiring = wire(settings)
    registry = Registry(wiring.parts, wiring.sinks, max_sessions=settings.max_sessions)
    membership = settings.membership_secret
    doors = Doors(
        tokens=TokenBook(settings.session_secret(), settings.token_minutes),
        registry=registry,
        sink=wiring.sinks,
        api_keys=settings.api_keys,
        membership_secret=membership.get_secret_value() if membership else None,
        free_sessions=settings.free_sessions,
        public_url=settings.public_url,
        start_timeout_s=settings.start_timeout_s,
        resume_s=settings.max_session_s,
        simulated=wiring.kit.simulated(),
    )
    _build_adapters(wiring)

    @asynccontextmanager
    async def life(_app: Litestar) -> AsyncGenerator[None]:
        async with watch_loop_lag(wiring.metrics), registry.running():
            yield
        await wiring.kit.close()

    lifespan: list[AbstractAsyncContextManager[None] | Any] = [life]
    return Litestar(
        route_handlers=[router, *health_routes(wiring.metrics, registry)],
        state=State({"doors": doors, "wiring": wiring}),
        lifespan=lifespan,
        plugins=[ProblemDetailsPlugin(ProblemDetailsConfig(enable_for_all_http_exceptions=True))],
        openapi_config=None,
        logging_config=None,
    )


def _build_adapters(wiring: Wiring) -> None:
    """Builds what the assigned policies need before the first call: importing the SDKs takes seconds."""
    for policy in wiring.policies.policies.values():
        wiring.kit.recogniser(wiring.settings.stt_model or policy.stt_model)
        wiring.kit.voice(policy.voice_model)
    for name in ("haiku", "sonnet"):
        wiring.kit.model(name)


def _configured(settings: Settings, book: PolicyBook) -> Configured:
    policies = [
        (Tier(tier), book.policies[name]) for tier, names in book.assignments.items() for name, _ in names.weights
    ]
    recognisers = {settings.stt_model or policy.stt_model for policy in book.policies.values()}
    return Configured(
        policies=tuple((tier, policy.name, policy.version) for tier, policy in policies),
        models=(
            ("llm", "anthropic", settings.haiku_model),
            ("llm", "anthropic", settings.sonnet_model),
            *(("stt", "deepgram", FLUX_MODEL if name == "flux" else name) for name in sorted(recognisers)),
            *(("tts", "elevenlabs", name) for name in sorted({p.voice_model for p in book.policies.values()})),
        ),
        rules=tuple((model, rule) for model, rule in RULES),
    )


RULES = (
    ("haiku", "default"),
    ("haiku", "policy"),
    ("sonnet", "policy"),
    ("sonnet", "length"),
    ("sonnet", "term"),
    ("sonnet", "system"),
)
