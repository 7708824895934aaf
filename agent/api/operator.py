"""What all routes of operators share: who may use them, how their bodies are read, and how they say what went wrong."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import msgspec
import structlog
from litestar import Request, Router
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.plugins.problem_details import ProblemDetailsException
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from agent.api.auth import check_bearer
from agent.api.openapi import OPERATOR
from agent.core.errors import AgentError
from agent.definitions.versions import UnknownAgentError, VersionError
from agent.policy.assignments import AssignmentError
from agent.policy.service import MAX_REASON, RevisionError
from agent.settings import PREFIX

ACTOR: Final = "operator"
MAX_BODY: Final = 8 * 1024  # bytes

_T = TypeVar("_T")

log = structlog.get_logger()


class BodyError(AgentError):
    """A request's body cannot be read."""


class Reasoned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a rollback or an undo; it may be missing."""

    reason: str = ""


def operators_router(token: SecretStr | None, routes: Sequence[HTTPRouteHandler]) -> Router:
    """These routes below `/v1/ops`, shut for everybody without the operator's token."""

    def operators_only(request: Any, _handler: Any) -> None:
        check_bearer(request.headers.get("authorization"), token, f"{PREFIX}OPERATOR_TOKEN")

    return Router(
        "/v1/ops",
        route_handlers=routes,
        guards=[operators_only],
        request_max_body_size=MAX_BODY,
        security=[{OPERATOR: []}],
    )


@asynccontextmanager
async def answering() -> AsyncGenerator[None]:
    """Turns what can go wrong into an answer that says what to do."""
    try:
        yield
    except BodyError as error:
        raise _problem(400, "Bad Request", str(error)) from None
    except UnknownAgentError as error:
        raise _problem(404, "Not Found", str(error)) from None
    except RevisionError as error:
        raise _problem(412, "Precondition Failed", str(error)) from None
    except (AssignmentError, VersionError) as error:
        raise _problem(409, "Conflict", str(error)) from None
    except (SQLAlchemyError, OSError) as error:  # TimeoutError is an OSError
        log.warning("operators not served", error=type(error).__name__)
        raise _problem(503, "Service Unavailable", "the database cannot be used now; try again") from None


def if_match(request: Request[Any, Any, State], shown_by: str) -> int:
    """The revision that the caller saw. Raises a 428 without one: of two who roll back at once one would undo more."""
    given = request.headers.get("if-match", "").strip().removeprefix("W/").strip('"')
    if not given:
        detail = f"send If-Match with the revision that GET /v1/ops/{shown_by}"
        raise _problem(428, "Precondition Required", detail)
    if not (given.isascii() and given.isdecimal()) or len(given) > 9:
        raise BodyError("If-Match takes the number of a revision")
    return int(given)


def bounded(reason: str) -> str:
    """A reason that every database can hold. Raises BodyError."""
    if len(reason) > MAX_REASON:
        raise BodyError(f"reason takes {MAX_REASON} characters at the most")
    if "\0" in reason:
        raise BodyError("reason takes no NUL, which no database could hold")
    return reason


def read(body: bytes, kind: type[_T]) -> _T:
    """A JSON body. Raises BodyError."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:  # ValidationError is one; brackets without end
        raise BodyError(f"the body cannot be read: {error}") from None
    except UnicodeDecodeError:
        raise BodyError("the body cannot be read: it is no UTF-8") from None


def _problem(status: int, title: str, detail: str) -> ProblemDetailsException:
    return ProblemDetailsException(status_code=status, title=title, detail=detail)
