"""Builds the Litestar app from Settings: wiring only. No call and no turn runs through here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from litestar import Litestar

from agent.api.agents import agents_router
from agent.api.health import operators_health, public_health
from agent.api.openapi import openapi_config
from agent.api.sample_calls import Serving
from agent.api.sessions import router
from agent.api.talk_page import web_routes
from agent.auth.tokens import TokenBook
from agent.ledger.leases import SqlLeases
from agent.ledger.owners import Crashed, LiveSessions
from agent.ledger.withdrawals import WithdrawalWatch
from agent.server.alongside import alongside
from agent.server.application import application
from agent.server.connections import ConnectionGate
from agent.server.doors import client_addresses, connection_gate, sessions_api_of
from agent.server.given_policy import choosable, stage_of
from agent.server.local_speech import LocalSpeechWatch, until_ready
from agent.server.memory import run_providers
from agent.server.rehearsal import Rehearsal
from agent.server.sandbox_breakers import SandboxBreakers
from agent.server.summaries import telling_webhook
from agent.server.tool_wiring import serving_tools
from agent.server.wiring import Wiring, wire
from agent.settings import Settings
from agent.telemetry import catalog
from agent.telemetry.events import SessionOutcome
from agent.telemetry.export import exporting
from agent.transport.voice_agent_v1.route import VoiceRoute, voice
from agent.turn.voice_confirmation import load_networks


def create_app(settings: Settings, rehearsal: Rehearsal | None = None) -> Litestar:
    """The service. Raises ConfigurationError with one line when a setting is wrong.

    Its state has the `gate` of its connections and `operations_app`, which is served on a listener of its own.
    """
    wiring = wire(settings, rehearsal)
    tokens = TokenBook(settings.session_secret(), settings.token_minutes, settings.previous_secrets())
    samples = settings.provider("deepgram").simulated  # the sandbox knows the clips, and nobody pays for them
    addresses = client_addresses(settings)
    stage = partial(stage_of, settings, wiring.watch, wiring.agents)
    doors = (wiring.sinks, tokens, wiring.ceilings, addresses, wiring.agents)
    sessions_api = sessions_api_of(settings, *doors, partial(choosable, settings, wiring.watch))
    voice_route = VoiceRoute(
        tokens,
        wiring.registry,
        wiring.sinks,
        settings.start_timeout_s,
        settings.max_session_s,
        wiring.providers.simulated,
        addresses,
        local=wiring.providers.local,
        loaded=partial(until_ready, wiring.providers),
    )
    gate = connection_gate(settings, addresses, wiring.metrics)

    routes = [
        router,
        agents_router,
        voice,
        *public_health(wiring.registry, wiring.providers),
        web_routes(
            serving=partial(_serving, wiring),
            samples=stage if samples else None,
            public_url=settings.public_url,
            embed_origins=settings.embed_origins,
        ),
    ]
    health = operators_health(wiring.registry, wiring.providers, wiring.metrics, lambda: _details(wiring))
    operations_app = application(
        [*health, *wiring.operations.routes], {"wiring": wiring}, openapi=openapi_config(settings.operator_token)
    )
    state = {
        "sessions_api": sessions_api,
        "voice": voice_route,
        "wiring": wiring,
        "gate": gate,
        "operations_app": operations_app,
    }
    lifespan = partial(_lifespan, settings, wiring, gate)
    return application(routes, state, lifespan, origins=settings.embed_origins)


@asynccontextmanager
async def _lifespan(settings: Settings, wiring: Wiring, gate: ConnectionGate, _app: Litestar) -> AsyncGenerator[None]:
    """What runs beside the calls. What was opened first is closed last, whatever breaks."""
    outside = exporting(settings, wiring.metrics, wiring.budgets, wiring.sinks)
    metrics, operating = wiring.metrics, wiring.operations.running()
    probing = alongside("providers", partial(run_providers, wiring.providers), metrics)
    sharing = alongside("ceilings", lambda: wiring.ceilings.run(SqlLeases(wiring.ledger)), metrics)
    withdrawals = WithdrawalWatch(wiring.ledger, wiring.registry.end_where, lambda: wiring.registry.count)
    ending = alongside("withdrawals", withdrawals.follow, metrics)
    owning = alongside("owners", lambda: wiring.owners.follow(_live(wiring)), metrics)
    agents = alongside("agents", wiring.agents.follow, metrics)
    telling = alongside("webhook", lambda: telling_webhook(settings, wiring), metrics)
    serving = serving_tools(wiring.outside)
    breakers = SandboxBreakers(settings, wiring.providers.breakers)
    speech = LocalSpeechWatch(settings.sandbox_url, wiring.providers.machine, metrics, breakers=breakers)
    listening = alongside("local_speech", speech.follow, metrics)
    watching, running = gate.watched(), wiring.registry.running()
    around = (wiring.lag.watched(), watching, wiring.ledger, sharing, operating, outside, listening, probing)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(wiring.outside.egress.close)
        stack.push_async_callback(wiring.providers.close)
        for part in (*around, telling, serving, owning, running, ending, agents):
            await stack.enter_async_context(part)
        await asyncio.to_thread(load_networks)  # 0.1 s of the event loop, else, in the first call
        yield


def described(app: Litestar) -> Litestar:
    """The public routes of `app` once more, with a document of them; never served, since strangers need none."""
    wiring: Wiring = app.state["wiring"]
    routes = [router, agents_router, *public_health(wiring.registry, wiring.providers)]
    return application(routes, app.state.dict(), openapi=openapi_config(None))


def _serving(wiring: Wiring) -> Serving:
    providers, machine = wiring.providers, wiring.providers.machine
    now = providers.simulated(), providers.local(), tuple(machine.failed)
    return Serving(*now, failures={**machine.failures}, stands_in=not machine.gone)


def _live(wiring: Wiring) -> LiveSessions:
    def crashed(one: Crashed) -> None:
        wiring.metrics.add(catalog.SESSIONS, one.tier, one.policy, SessionOutcome.CRASHED)

    return LiveSessions(wiring.registry.generations, wiring.registry.lose, crashed)


def _details(wiring: Wiring) -> Mapping[str, Any]:
    return {
        "database": "reachable" if wiring.ledger.reachable else "unreachable",
        "connections": wiring.metrics.registry.get_sample_value("voice_agent_connections"),
        "simulated": list(wiring.providers.simulated()),
        "local": list(wiring.providers.local()),
    }
