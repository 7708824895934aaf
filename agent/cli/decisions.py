"""`voice-agent decisions`: what was decided about alerts, on policies and on versions of agents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.budgets import Tier
from agent.cli.agent_versions import ask_versions, tell_versions, version_service
from agent.cli.asking import JSON, REASON, YES, actor
from agent.cli.console import print_json, stdout_console
from agent.cli.database import with_ledger
from agent.cli.front_desk import take_front_desk
from agent.cli.policy import TIER, ask_price, policy_book, tell_assigned
from agent.cli.service_folder import in_ledger_folder
from agent.cli.views.policy import decision_text, decisions_table
from agent.definitions.versions import VersionError
from agent.ledger.policy_store import SqlPolicyStore
from agent.policy.assignments import AssignmentError
from agent.policy.decisions import Decision
from agent.policy.serialize import decision_view
from agent.policy.service import PolicyService, newest
from agent.policy.store import PolicyStore
from agent.settings import Settings

_T = TypeVar("_T")


@click.group(invoke_without_command=True)
@click.option("--tier", type=TIER, help="Only those about policies of this tier.")
@click.option("--agent", metavar="NAME", help="Only those about versions of this agent.")
@JSON
@click.pass_context
def decisions(context: click.Context, tier: str | None, agent: str | None, *, as_json: bool) -> None:
    """What was decided about alerts that ask for a rollback, newest first."""
    if context.invoked_subcommand is not None:
        return

    async def run(engine: AsyncEngine, _: Settings) -> list[Decision]:
        about_policies = [] if agent is not None else await _listed(SqlPolicyStore(engine), tier and Tier(tier))
        about_agents = [] if tier is not None else await _listed(SqlPolicyStore(engine, agents=True), agent)
        return newest(about_policies, about_agents)

    with in_ledger_folder():
        found = _told(run)
    if as_json:
        print_json([decision_view(one) for one in found])
    elif found:
        stdout_console().print(decisions_table(found))
    else:
        click.echo("no decision yet: no alert has asked for a rollback")


@decisions.command("show")
@click.argument("decision_id")
@JSON
def show_decision(decision_id: str, *, as_json: bool) -> None:
    """One decision: the numbers it rests on, and what to do next."""

    async def run(engine: AsyncEngine, _: Settings) -> Decision:
        found = await _of_agent(engine, decision_id)
        return found or await PolicyService(policy_book(), SqlPolicyStore(engine)).decision(decision_id)

    with in_ledger_folder():
        found = _told(run)
    if as_json:
        print_json(decision_view(found))
    else:
        stdout_console().print(decision_text(found))


@decisions.command()
@click.argument("decision_id")
@REASON
@YES
def undo(decision_id: str, reason: str, *, yes: bool) -> None:
    """Take a rollback back: new sessions get again what they got before it."""
    take_front_desk()  # its versions can be rolled back, too

    async def run(engine: AsyncEngine, settings: Settings) -> None:
        found = await _of_agent(engine, decision_id)
        if found is None:
            service = PolicyService(policy_book(), SqlPolicyStore(engine))
            if not yes:
                now, planned = await service.planned_undo(decision_id)
                await asyncio.to_thread(ask_price, now, planned, "take the rollback back?", "--yes")
            tell_assigned(await service.undo(decision_id, actor(), reason))
            return
        versions = version_service(engine, settings)
        planned_versions = None if yes else await versions.planned_undo(decision_id)
        if planned_versions is not None:
            now, planned = planned_versions
            await asyncio.to_thread(ask_versions, versions.versions(planned.tier), now.weights, planned.weights)
        if (made := await versions.undo(decision_id, actor(), reason)) is not None:
            tell_versions(versions.versions(found.alert.tier), made)

    _told(run)


async def _listed(store: PolicyStore, who: str | None) -> list[Decision]:
    async with store.reading() as reader:
        return [*await reader.decisions(who)]


async def _of_agent(engine: AsyncEngine, decision_id: str) -> Decision | None:
    if not decision_id.isprintable():
        return None
    async with SqlPolicyStore(engine, agents=True).reading() as reader:
        return await reader.decision_by_id(decision_id)


def _told(work: Callable[[AsyncEngine, Settings], Awaitable[_T]]) -> _T:
    """What cannot be done is one line and exit status 1."""
    try:
        return with_ledger(work)
    except (AssignmentError, VersionError) as error:
        raise click.ClickException(str(error)) from None
