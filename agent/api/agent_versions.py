"""`/v1/ops/agents`: what the commands `agent canary | promote | rollback | status` do, by HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from agent.api.openapi import takes
from agent.api.operator import ACTOR, Reasoned, answering, bounded, if_match, read
from agent.api.version_status import VersionReports, agent_view
from agent.definitions.version_service import Weigh
from agent.definitions.versions import canary_weights, promoted
from agent.policy.serialize import revision_view

_SHOWN = "agents shows for this agent, 0 where there is none"


class Trying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a canary: the version that is tried, and how many percent of new sessions get it."""

    version: Annotated[int, msgspec.Meta(ge=1)]
    share: Annotated[int, msgspec.Meta(ge=1, le=99)]
    reason: str = ""


class Promoting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a promotion; it may be missing. Version 0 is the one that is tried; `holdout` percent keep the stable."""

    version: Annotated[int, msgspec.Meta(ge=0)] = 0
    holdout: Annotated[int, msgspec.Meta(ge=0, le=50)] = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class VersionsApi:
    """What the routes about versions need."""

    reports: VersionReports

    def routes(self) -> list[HTTPRouteHandler]:
        """Below `/v1/ops`."""
        return [*self._reading(), *self._changing()]

    def _reading(self) -> list[HTTPRouteHandler]:
        service = self.reports.service

        @get("/agents", summary="Agents, their versions, and which of them are in force")
        async def agents() -> list[Mapping[str, Any]]:
            async with answering():
                in_force = await service.in_force()
            return [agent_view(one, in_force.get(name)) for name, one in service.watch.book.versions.items()]

        @get("/agents/{agent:str}", summary="One agent, and what calls of its versions came to")
        async def agent(agent: FromPath[str]) -> Mapping[str, Any]:
            async with answering():
                (found,) = await self.reports.of([agent])
            return found.view()

        @get("/agents/{agent:str}/history", summary="Every change of an agent's versions, newest first")
        async def history(agent: FromPath[str]) -> list[Mapping[str, Any]]:
            async with answering():
                service.versions(agent)
                found = await service.history(agent)
            return [revision_view(revision) for revision in found]

        return [agents, agent, history]

    def _changing(self) -> list[HTTPRouteHandler]:
        service = self.reports.service

        @post(
            "/agents/{agent:str}/canary",
            status_code=200,
            summary="Give a version to a share of new sessions",
            operation_class=takes(Trying),
        )
        async def canary(agent: FromPath[str], request: Request[Any, Any, State]) -> Mapping[str, Any]:
            async with answering():
                body = read(await request.body(), Trying)
                return await self._change(
                    agent, lambda all_, now: canary_weights(all_, now, body.version, body.share), body.reason, request
                )

        @post(
            "/agents/{agent:str}/promote",
            status_code=200,
            summary="Give everybody a version",
            operation_class=takes(Promoting),
        )
        async def promote(agent: FromPath[str], request: Request[Any, Any, State]) -> Mapping[str, Any]:
            async with answering():
                body = read(await request.body() or b"{}", Promoting)
                wanted = body.version or None
                return await self._change(
                    agent, lambda all_, now: promoted(all_, now, wanted, body.holdout), body.reason, request
                )

        @post(
            "/agents/{agent:str}/rollback",
            status_code=200,
            summary="Bring back what new sessions got before",
            operation_class=takes(Reasoned),
        )
        async def rollback(agent: FromPath[str], request: Request[Any, Any, State]) -> Mapping[str, Any]:
            async with answering():
                body = read(await request.body() or b"{}", Reasoned)
                made = await service.rollback(agent, ACTOR, bounded(body.reason), if_match(request, _SHOWN))
            await service.watch.catch_up()  # the change is made: a failure now must not look like one
            return revision_view(made)

        return [canary, promote, rollback]

    async def _change(
        self, agent: str, weigh: Weigh, reason: str, request: Request[Any, Any, State]
    ) -> Mapping[str, Any]:
        service = self.reports.service
        made = await service.change(agent, weigh, ACTOR, bounded(reason), if_match(request, _SHOWN))
        await service.watch.catch_up()  # the change is made: a failure now must not look like one
        return revision_view(made)
