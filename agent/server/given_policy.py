"""Which policy a session gets: what its caller may choose from, what it kept, and what is assigned."""

from __future__ import annotations

from agent.api.sample_calls import SampleStage
from agent.budgets import Tier
from agent.definitions.book import AgentBook
from agent.definitions.definition import AgentDefinition
from agent.policy.policies import Policy, PolicyBook
from agent.policy.watcher import AssignmentWatcher
from agent.session.claims import Claims
from agent.settings import Settings


def choosable(settings: Settings, watch: AssignmentWatcher) -> tuple[str, ...]:
    """The policies that callers may choose from: all where nobody pays, else none."""
    return tuple(watch.book.policies) if settings.all_simulated else ()


def stage_of(settings: Settings, watch: AssignmentWatcher, agents: AgentBook) -> SampleStage:
    """What sample callers meet: the usual agent, and of the policies to choose from those that may serve it."""
    usual = agents.agents.get(settings.agent)
    if usual is None:
        return SampleStage()
    return SampleStage(tuple(usual.tools), [name for name in choosable(settings, watch) if usual.takes(name)])


def policy_of(
    claims: Claims, kept: str | None, book: PolicyBook, agent: AgentDefinition, session_id: str, *, free: bool
) -> Policy:
    """The policy that a session kept, else the chosen or the assigned one; `free` says whether nobody pays.

    A choice that was free may cost money by the time the session goes on: then it counts no more.
    """
    if claims.policy is None or free:
        return book.policies.get(kept or "") or policy_for(book, agent, claims.tier, session_id, claims.policy)
    return policy_for(book, agent, claims.tier, session_id)


def policy_for(
    book: PolicyBook, agent: AgentDefinition, tier: Tier, session_id: str, chosen: str | None = None
) -> Policy:
    """The chosen policy or that of the tier's assignment, or the first of those that may serve the agent."""
    assigned = book.policies.get(chosen or "") or book.assign(tier, session_id)
    if agent.takes(assigned.name):
        return assigned
    return next((book.policies[name] for name in agent.file.policies if name in book.policies), assigned)
