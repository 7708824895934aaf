"""`/v1/ops/policies`: what the command `policy` does, by HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from agent.api.openapi import takes
from agent.api.operator import ACTOR, BodyError, Reasoned, answering, bounded, if_match, read
from agent.budgets import Tier
from agent.policy.serialize import policy_view, revision_view
from agent.policy.service import PolicyService
from agent.policy.watcher import AssignmentWatcher

_SHOWN = "policies shows for this tier"


class Assigning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of an assignment: percents by policy that sum to 100."""

    weights: dict[str, int]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PoliciesApi:
    """What the operator's routes need."""

    desk: PolicyService
    watch: AssignmentWatcher

    def routes(self) -> list[HTTPRouteHandler]:
        """Below `/v1/ops`."""
        return [*self._reading(), *self._changing()]

    def _reading(self) -> list[HTTPRouteHandler]:
        @get("/policies", summary="Policies, and which of them are in force")
        async def policies() -> Mapping[str, Any]:
            async with answering():
                in_force = await self.desk.in_force()
            return {
                "policies": [policy_view(policy) for policy in self.watch.book.policies.values()],
                "baseline": self.watch.book.baseline,
                "assignments": {tier: revision_view(revision) for tier, revision in in_force.items()},
            }

        @get("/policies/history", summary="Every change, newest first")
        async def history(tier: FromQuery[str | None] = None) -> list[Mapping[str, Any]]:
            async with answering():
                found = await self.desk.history(None if tier is None else tier_of(tier))
            return [revision_view(revision) for revision in found]

        return [policies, history]

    def _changing(self) -> list[HTTPRouteHandler]:
        @post(
            "/policies/{tier:str}/assign",
            status_code=200,
            summary="Put other weights in force",
            operation_class=takes(Assigning),
        )
        async def assign(tier: FromPath[str], request: Request[Any, Any, State]) -> Mapping[str, Any]:
            async with answering():
                body = read(await request.body(), Assigning)
                made = await self.desk.assign(
                    tier_of(tier), body.weights, ACTOR, bounded(body.reason), if_match(request, _SHOWN)
                )
            await self.watch.catch_up()  # the change is made: a failure now must not look like one
            return revision_view(made)

        @post(
            "/policies/{tier:str}/rollback",
            status_code=200,
            summary="Bring back the assignment before",
            operation_class=takes(Reasoned),
        )
        async def rollback(tier: FromPath[str], request: Request[Any, Any, State]) -> Mapping[str, Any]:
            async with answering():
                body = read(await request.body() or b"{}", Reasoned)
                made = await self.desk.rollback(tier_of(tier), ACTOR, bounded(body.reason), if_match(request, _SHOWN))
            await self.watch.catch_up()  # the change is made: a failure now must not look like one
            return revision_view(made)

        return [assign, rollback]


def tier_of(name: str) -> Tier:
    """Raises BodyError for what is no tier."""
    if name not in set(Tier):
        raise BodyError(f"tier takes one of {', '.join(Tier)}")
    return Tier(name)
