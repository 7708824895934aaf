"""What stands at the doors of a process, from its settings: who is limited, and where."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from agent.api.hosts import Hosts
from agent.api.sessions import SessionsApi
from agent.auth.tokens import TokenBook
from agent.billing.ceilings import CeilingReached, Payer, SpendingCeilings
from agent.core.addresses import ClientAddresses, Networks
from agent.core.pace import KeyedBuckets, Rate
from agent.definitions.book import AgentBook
from agent.server.connections import ConnectionGate
from agent.session.admission import Refusal
from agent.session.claims import Claims
from agent.settings import Settings
from agent.telemetry.events import Sink
from agent.telemetry.exposition import Metrics

SUBJECT_TOKENS: Final = Rate(per_s=0.5, burst=20)  # a member who changes devices and reloads pages needs far fewer


def client_addresses(settings: Settings) -> ClientAddresses:
    """Who stands behind which address."""
    return ClientAddresses(Networks.parse(settings.trusted_proxies), Networks.parse(settings.unlimited_addresses))


def connection_gate(settings: Settings, addresses: ClientAddresses, metrics: Metrics) -> ConnectionGate:
    """The gate of the public listener; behind a proxy all connections have one address, which has no limit."""
    exempt = (addresses.proxies, addresses.unlimited)
    return ConnectionGate(settings.max_connections, settings.connections_per_address, exempt, metrics)


def ceiling_refusal(ceilings: SpendingCeilings, claims: Claims) -> Refusal | None:
    """Why these claims open nothing that costs money now; None where they do."""
    reached: CeilingReached | None = ceilings.reached(Payer(claims.subject, claims.tier, claims.address, claims.key))
    if reached is None:
        return None
    minutes = max(1, round(reached.retry_after_s / 60))
    text = f"what may be spent is spent (ceiling {reached.scope}): try again in {minutes} min"
    return Refusal("ceiling", text, reached.retry_after_s)


def sessions_api_of(
    settings: Settings,
    sink: Sink,
    tokens: TokenBook,
    ceilings: SpendingCeilings,
    addresses: ClientAddresses,
    agents: AgentBook,
    policies: Callable[[], Collection[str]],
) -> SessionsApi:
    """The door at which tokens are given."""
    rate = Rate(settings.tokens_per_minute / 60, settings.tokens_per_minute)
    return SessionsApi(
        tokens=tokens,
        sink=sink,
        api_keys=settings.api_keys,
        membership_secrets=settings.membership_secrets(),
        membership_audience=settings.membership_audience,
        free_sessions=settings.free_sessions,
        hosts=Hosts(settings.public_url, settings.allowed_hosts),
        addresses=addresses,
        by_address=KeyedBuckets(rate),
        by_subject=KeyedBuckets(SUBJECT_TOKENS),
        by_key=KeyedBuckets(Rate(settings.tokens_per_minute_of_key / 60, settings.tokens_per_minute_of_key)),
        refusal=lambda claims: ceiling_refusal(ceilings, claims),
        limit_usd=ceilings.session_usd,
        probe_key=settings.probe_key,
        agents=agents,
        policies=policies,
    )
