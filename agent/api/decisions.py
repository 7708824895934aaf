"""`/v1/ops/decisions`: what the command `decisions` does, by HTTP; about policies and about versions of agents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from agent.api.openapi import takes
from agent.api.operator import ACTOR, Reasoned, answering, bounded, read
from agent.api.policies import tier_of
from agent.definitions.version_service import VersionService
from agent.policy.serialize import decision_view, revision_view
from agent.policy.service import PolicyService, newest
from agent.policy.watcher import AssignmentWatcher


@dataclass(frozen=True, slots=True)
class DecisionsApi:
    """What the routes about decisions need."""

    policies: PolicyService
    watch: AssignmentWatcher
    versions: VersionService

    def routes(self) -> list[HTTPRouteHandler]:
        """Below `/v1/ops`."""

        @get("/decisions", summary="Decisions about alerts, newest first; of one tier, of one agent, or all")
        async def decisions(
            tier: FromQuery[str | None] = None, agent: FromQuery[str | None] = None
        ) -> list[Mapping[str, Any]]:
            async with answering():
                found = [] if agent is not None else await self.policies.decisions(tier and tier_of(tier))
                of_agents = [] if tier is not None else await self.versions.decisions(agent)
            return [decision_view(decision) for decision in newest(found, of_agents)]

        @post(
            "/decisions/{decision_id:str}/undo",
            status_code=200,
            summary="Take a rollback back",
            operation_class=takes(Reasoned),
        )
        async def undo(decision_id: FromPath[str], request: Request[Any, Any, State]) -> Mapping[str, Any]:
            async with answering():
                body = read(await request.body() or b"{}", Reasoned)
                reason = bounded(body.reason)
                made = await self.versions.undo(decision_id, ACTOR, reason)
                if made is None:
                    made = await self.policies.undo(decision_id, ACTOR, reason)
            await self.watch.catch_up()  # the change is made: a failure now must not look like one
            await self.versions.watch.catch_up()
            return revision_view(made)

        return [decisions, undo]
