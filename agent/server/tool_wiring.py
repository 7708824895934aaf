"""What tools of agents get from the settings, and what runs beside the service for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from agent.billing.prices import PriceBook
from agent.core.calls import TOOL, PaidService
from agent.definitions.book import AgentBook, OutsideTools, Tell, every
from agent.definitions.versions import LiveVersion
from agent.policy.decisions import POSSIBLE
from agent.server.rehearsal import Rehearsal
from agent.settings import Settings, variables
from agent.telemetry import catalog
from agent.telemetry.agents import AgentMetrics
from agent.telemetry.exposition import Metrics
from agent.tools.egress import Egress
from agent.tools.mcp_servers import McpServers

FIRST_TRIES_S: Final = 5.0
"""The service waits so long at its start for MCP servers; what is not there by then is there later."""


def egress_of(settings: Settings) -> Egress:
    """Where tools may go, with the secrets of the environment and of `.env`."""
    return Egress(settings.tool_hosts, settings.tool_private_hosts, variables())


def outside_tools(settings: Settings, metrics: Metrics, rehearsal: Rehearsal | None = None) -> OutsideTools:
    """Where tools may go, and the MCP servers of this process."""

    def tell(name: str, up: bool | None) -> None:
        if up is None:
            metrics.forget(catalog.MCP_UP, name)
        else:
            metrics.set(catalog.MCP_UP, name, value=float(up))

    def note(name: str, reason: str) -> None:
        metrics.add(catalog.MCP_NOT_TAKEN, name, reason)

    egress = egress_of(settings)
    servers = McpServers(egress, tell, linger_s=settings.max_session_s, note=note)
    return OutsideTools(egress, servers) if rehearsal is None else OutsideTools(egress, servers, rehearsal.tap)


def shown_files(metrics: Metrics, counting: AgentMetrics) -> Tell:
    """Shows how many things are wrong with the files of agents, and which ones are in force."""

    def tell(problems: int, live: Sequence[LiveVersion]) -> None:
        metrics.set(catalog.AGENT_FILE_PROBLEMS, value=problems)
        counting.in_force((one.agent, one.version, one.role, one.percent) for one in live)
        for name in {one.agent for one in live if one.role == "canary"}:
            for outcome, reason in POSSIBLE:
                metrics.child(catalog.AGENT_DECISIONS, name, outcome, reason)

    return tell


def paid_tools(agents: AgentBook, prices: PriceBook) -> list[tuple[PaidService, str, str]]:
    """The tools of all agents that have a price, as prices name them."""
    names = {name for agent in every(agents.versions) for name in agent.tools}
    return [(TOOL, TOOL, name) for name in sorted(names & prices.tools)]


@asynccontextmanager
async def serving_tools(outside: OutsideTools) -> AsyncGenerator[None]:
    """Keeps MCP servers connected while the block runs."""
    servers = outside.servers
    if servers is None:
        yield
        return
    task = asyncio.create_task(servers.run(), name="mcp servers")
    try:
        await servers.first_tries(FIRST_TRIES_S)
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
