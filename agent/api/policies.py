"""`/v1/ops/policies` and `/v1/ops/decisions`: what the commands `policy` and `decisions` do, by HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
import structlog
from litestar import Request, Router, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery
from litestar.plugins.problem_details import ProblemDetailsException
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from agent.api.auth import check_bearer
from agent.api.openapi import OPERATOR, takes
from agent.budgets import Tier
from agent.core.errors import AgentError
from agent.policy.assignments import AssignmentError
from agent.policy.serialize import decision_view, policy_view, revision_view
from agent.policy.service import MAX_REASON, PolicyService, RevisionError
from agent.policy.watcher import AssignmentWatcher
from agent.settings import PREFIX

ACTOR: Final = "operator"
MAX_BODY: Final = 8 * 1024  # bytes

_T = TypeVar("_T")

log = structlog.get_logger()


class BodyError(AgentError):
    """A request's body cannot be read."""


class Assigning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of an assignment: percents by policy that sum to 100."""

    weights: dict[str, int]
    reason: str = ""


class Reasoned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a rollback or an undo; it may be missing."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class PoliciesApi:
    """What the operator's routes need."""

    token: SecretStr | None
    desk: PolicyService
    watch: AssignmentWatcher

    def open(self) -> Router:
        """The routes."""

        def operators_only(request: Any, _handler: Any) -> None:
            check_bearer(request.headers.get("authorization"), self.token, f"{PREFIX}OPERATOR_TOKEN")

        return Router(
            "/v1/ops",
            route_handlers=[*self._reading(), *self._changing()],
            guards=[operators_only],
            request_max_body_size=MAX_BODY,
            security=[{OPERATOR: []}],
        )

    def _reading(self) -> list[HTTPRouteHandler]:
        @get("/policies", summary="Policies, and which of them are in force")
        async def policies() -> Mapping[str, Any]:
            async with _answering():
                in_force = await self.desk.in_force()
            return {
                "policies": [policy_view(policy) for policy in self.watch.book.policies.values()],
                "baseline": self.watch.book.baseline,
                "assignments": {tier: revision_view(revision) for tier, revision in in_force.items()},
            }

        @get("/policies/history", summary="Every change, newest first")
        async def history(tier: FromQuery[str | None] = None) -> list[Mapping[str, Any]]:
            async with _answering():
                found = await self.desk.history(None if tier is None else _tier(tier))
            return [revision_view(revision) for revision in found]

        @get("/decisions", summary="Decisions about alerts, newest first")
        async def decisions(tier: FromQuery[str | None] = None) -> list[Mapping[str, Any]]:
            async with _answering():
                found = await self.desk.decisions(None if tier is None else _tier(tier))
            return [decision_view(decision) for decision in found]

        return [policies, history, decisions]

    def _changing(self) -> list[HTTPRouteHandler]:
        @post(
            "/policies/{tier:str}/assign",
            status_code=200,
            summary="Put other weights in force",
            operation_class=takes(Assigning),
        )
        async def assign(tier: FromPath[str], request: Request[Any, Any, State]) -> Mapping[str, Any]:
            async with _answering():
                body = _read(await request.body(), Assigning)
                made = await self.desk.assign(
                    _tier(tier), body.weights, ACTOR, _bounded(body.reason), _if_match(request)
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
            async with _answering():
                body = _read(await request.body() or b"{}", Reasoned)
                made = await self.desk.rollback(_tier(tier), ACTOR, _bounded(body.reason), _if_match(request))
            await self.watch.catch_up()  # the change is made: a failure now must not look like one
            return revision_view(made)

        @post(
            "/decisions/{decision_id:str}/undo",
            status_code=200,
            summary="Take a rollback back",
            operation_class=takes(Reasoned),
        )
        async def undo(decision_id: FromPath[str], request: Request[Any, Any, State]) -> Mapping[str, Any]:
            async with _answering():
                body = _read(await request.body() or b"{}", Reasoned)
                made = await self.desk.undo(decision_id, ACTOR, _bounded(body.reason))
            await self.watch.catch_up()  # the change is made: a failure now must not look like one
            return revision_view(made)

        return [assign, rollback, undo]


@asynccontextmanager
async def _answering() -> AsyncGenerator[None]:
    """Turns what can go wrong into an answer that says what to do."""
    try:
        yield
    except BodyError as error:
        raise _problem(400, "Bad Request", str(error)) from None
    except RevisionError as error:
        raise _problem(412, "Precondition Failed", str(error)) from None
    except AssignmentError as error:
        raise _problem(409, "Conflict", str(error)) from None
    except (SQLAlchemyError, OSError) as error:  # TimeoutError is an OSError
        log.warning("policies not served", error=type(error).__name__)
        raise _problem(503, "Service Unavailable", "the database cannot be used now; try again") from None


def _if_match(request: Request[Any, Any, State]) -> int:
    """The revision that the caller saw. Raises a 428 without one: of two who roll back at once one would undo more."""
    given = request.headers.get("if-match", "").strip().removeprefix("W/").strip('"')
    if not given:
        detail = "send If-Match with the revision that GET /v1/ops/policies shows for this tier"
        raise _problem(428, "Precondition Required", detail)
    if not (given.isascii() and given.isdecimal()) or len(given) > 9:
        raise BodyError("If-Match takes the number of a revision")
    return int(given)


def _bounded(reason: str) -> str:
    if len(reason) > MAX_REASON:
        raise BodyError(f"reason takes {MAX_REASON} characters at the most")
    if "\0" in reason:
        raise BodyError("reason takes no NUL, which no database could hold")
    return reason


def _tier(name: str) -> Tier:
    if name not in set(Tier):
        raise BodyError(f"tier takes one of {', '.join(Tier)}")
    return Tier(name)


def _read(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:  # ValidationError is one; brackets without end
        raise BodyError(f"the body cannot be read: {error}") from None
    except UnicodeDecodeError:
        raise BodyError("the body cannot be read: it is no UTF-8") from None


def _problem(status: int, title: str, detail: str) -> ProblemDetailsException:
    return ProblemDetailsException(status_code=status, title=title, detail=detail)
