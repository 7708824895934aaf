"""`GET /v1/agents`: who answers this caller, so that a page can offer the choice."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Router, get
from litestar.datastructures import State

from agent.api.sessions import COOKIE, SessionsApi, identified
from agent.budgets import Tier
from agent.definitions.definition import AgentDefinition


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One agent that answers callers of this tier."""

    name: str
    title: str | None
    needs: tuple[str, ...]
    """Variables that a session request has to give: they have no default."""


class Agents(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of `GET /v1/agents`."""

    usual: str
    """Who answers where a session request names nobody."""
    agents: tuple[Agent, ...]


@get("/v1/agents", summary="Who answers this caller", sync_to_thread=False)
def list_agents(request: Request[Any, Any, State], state: State) -> Agents:
    """Agents of the caller's tier, by name; the credentials are those of `POST /v1/sessions`."""
    api: SessionsApi = state.sessions_api
    named = "authorization" in request.headers or COOKIE in request.cookies
    tier = identified(api, request)[2] if named else Tier.FREE
    answering = [agent for agent in api.agents.agents.values() if tier in agent.file.tiers]
    described = tuple(_described(agent) for agent in sorted(answering, key=lambda agent: agent.name))
    return Agents(usual=api.agents.usual.name, agents=described)


def _described(agent: AgentDefinition) -> Agent:
    needs = tuple(name for name, variable in agent.file.variables.items() if variable.default is None)
    return Agent(name=agent.name, title=agent.file.title, needs=needs)


agents_router = Router("/", route_handlers=[list_agents])
