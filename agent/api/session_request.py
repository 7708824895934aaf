"""The body of `POST /v1/sessions`: who is to answer, and what fills the places of its prompt."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import msgspec
from litestar.plugins.problem_details import ProblemDetailsException

from agent.budgets import Tier
from agent.definitions.book import AgentBook
from agent.definitions.definition import AgentDefinition, Value, VariableError


class SessionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `POST /v1/sessions`. All of it may be left out, and so may the body."""

    agent: str | None = None
    """The name of an agent; the usual one answers where it is left out."""
    variables: dict[str, str | int | float | bool] = {}
    """What fills the named places of its prompt."""
    policy: str | None = None
    """The name of a policy, to compare it with another. Where anything is paid for, policies are assigned only."""


@dataclass(frozen=True, slots=True)
class AskedFor:
    """A request that is fine. `name` is None where the request names no agent; it may get any of the versions."""

    name: str | None
    versions: tuple[AgentDefinition, ...]
    variables: dict[str, Value]
    policy: str | None = None


def asked_for(body: bytes, agents: AgentBook, tier: Tier) -> AskedFor:
    """Reads a request. Raises ProblemDetailsException (400, 404) that says what is wrong, and repeats no value.

    Who asks for an unknown agent is told of those that answer callers of this tier.
    """
    try:
        request = msgspec.json.decode(body, type=SessionRequest) if body.strip() else SessionRequest()
    except msgspec.ValidationError as error:
        raise _problem(400, "Bad Request", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the last for brackets without end
        raise _problem(400, "Bad Request", "the body takes a JSON object, or nothing") from None
    versions = agents.answering(request.agent)
    if not versions:
        known = ", ".join(sorted(name for name, found in agents.agents.items() if tier in found.file.tiers))
        raise _problem(404, "Not Found", f"there is no agent of that name: agent takes one of {known}")
    try:
        for agent in versions:
            agent.fill(request.variables)
    except VariableError as error:
        raise _problem(400, "Bad Request", f"variables: {error}") from None
    return AskedFor(request.agent, tuple(versions), dict(request.variables), request.policy)


def check_allowed(asked: AskedFor, tier: Tier, *, has_key: bool, policies: Collection[str] = ()) -> None:
    """Whether this caller may have what was asked for; `policies` are those to choose from.

    Raises ProblemDetailsException (403).
    """
    if asked.policy is not None and asked.policy not in policies:
        takes = f"takes one of {', '.join(policies)}" if policies else "is assigned, unless every provider is simulated"
        raise _problem(403, "Forbidden", f"policy {takes}")
    if any(tier not in one.file.tiers for one in asked.versions):
        raise _problem(403, "Forbidden", f"{asked.versions[0].name} answers no callers of the tier {tier.value}")
    if asked.policy is not None and not all(one.takes(asked.policy) for one in asked.versions):
        raise _problem(403, "Forbidden", f"policy {asked.policy} may not serve {asked.versions[0].name}")
    kept = list(dict.fromkeys(name for one in asked.versions for name in one.needs_key(asked.variables)))
    if kept and not has_key:
        raise _problem(403, "Forbidden", f"variables: {', '.join(kept)} can be set with an API key only")


def _problem(status: int, title: str, detail: str) -> ProblemDetailsException:
    return ProblemDetailsException(status_code=status, title=title, detail=detail)
