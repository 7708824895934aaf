"""`voice-agent policy`: which policies are in force."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.budgets import Tier
from agent.cli.asking import JSON, REASON, YES, actor, confirm
from agent.cli.console import print_json, stdout_console
from agent.cli.cost import price_change
from agent.cli.database import with_ledger
from agent.cli.service_folder import in_ledger_folder
from agent.cli.views.policy import history_table, in_force_line, policies_table, policy_text
from agent.ledger.policy_store import SqlPolicyStore
from agent.policy.assignments import AssignmentError, Change, ChangeCause, Revision, described
from agent.policy.policies import DEFAULT_PATH, PolicyBook, load_policies
from agent.policy.serialize import policy_view, revision_view
from agent.policy.service import PolicyService
from agent.settings import Settings, load_settings

_T = TypeVar("_T")
_PERCENT = re.compile(r"[0-9]{1,3}")
_NOT_ASKED = "--yes, or --revision with the number above"
TIER = click.Choice([tier.value for tier in Tier])
_revision = click.option(
    "--revision",
    type=click.IntRange(0),
    metavar="N",
    help="The revision that you saw in force (`policy list`); without it you are shown it and asked.",
)


class Weights(click.ParamType[tuple[str, int]]):
    """One policy and its percent: haiku_first=95."""

    name = "policy=percent"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        name, equals, percent = str(value).partition("=")
        if not equals or not _PERCENT.fullmatch(percent):
            self.fail(f"{value!r} takes a policy and its percent: haiku_first=95", param, ctx)
        return name, int(percent)


def policy_book() -> PolicyBook:
    """The policies of the settings."""
    return load_policies(load_settings().policies_file or DEFAULT_PATH)


def _at_desk(work: Callable[[PolicyService], Awaitable[_T]]) -> _T:
    """Does something with the policy service. What cannot be done is one line and exit status 1."""

    async def run(engine: AsyncEngine, _: Settings) -> _T:
        return await work(PolicyService(book, SqlPolicyStore(engine)))

    book = policy_book()
    try:
        return with_ledger(run)
    except AssignmentError as error:
        raise click.ClickException(str(error)) from None


def ask_price(now: Revision | None, planned: Change, question: str, hint: str) -> None:
    """Asks before callers are moved, with what is in force and the price of the change. `hint` says how not to be
    asked.

    Raises ClickException where the answer is no, or nobody answers.
    """
    if now is None:
        click.echo(f"{planned.tier}: nothing was assigned before; new sessions get {described(planned.weights)}")
    else:
        click.echo(in_force_line(now))
        click.echo(f"{planned.tier}: new sessions get {described(planned.weights)} instead of {described(now.weights)}")
        click.echo(price_change(now.weights, planned.weights))
    confirm(question, hint)


def tell_assigned(made: Revision) -> None:
    """Says what new sessions of a tier get now."""
    tier = made.change.tier
    click.secho(f"{tier}: new sessions get {described(made.weights)} (revision {made.number})", fg="green")
    click.echo("every process follows within two seconds; sessions that run keep their policy")


@click.group()
def policy() -> None:
    """Which routing policies new sessions get."""


@policy.command("list")
@JSON
def list_command(*, as_json: bool) -> None:
    """Policies, and how many percent of each tier's new sessions get them."""
    with in_ledger_folder():
        book, in_force = policy_book(), _at_desk(lambda desk: desk.in_force())
    if as_json:
        assignments = {tier: revision_view(revision) for tier, revision in in_force.items()}
        print_json({"policies": [policy_view(one) for one in book.policies.values()], "assignments": assignments})
        return
    stdout_console().print(policies_table(book, in_force))


@policy.command()
@click.argument("name")
@JSON
def show(name: str, *, as_json: bool) -> None:
    """Every knob of one policy."""
    found = policy_book().policies.get(name)
    if found is None:
        raise click.ClickException(f"there is no policy {name}: there are {', '.join(policy_book().policies)}")
    if as_json:
        print_json(policy_view(found))
    else:
        stdout_console().print(policy_text(found))


@policy.command()
@click.argument("tier", type=TIER)
@click.argument("weights", type=Weights(), nargs=-1, required=True)
@_revision
@REASON
@YES
def assign(tier: str, weights: tuple[tuple[str, int], ...], revision: int | None, reason: str, *, yes: bool) -> None:
    """Give new sessions of TIER other policies: `assign free haiku_first=90 sonnet_first=10`."""
    if len(dict(weights)) < len(weights):
        raise click.UsageError("a policy is named twice")
    try:
        policy_book().assigned(tier, dict(weights))  # before anybody is asked
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    seen = revision
    if seen is None:
        now = _at_desk(lambda desk: desk.in_force()).get(Tier(tier))
        seen = 0 if now is None else now.number
        if not yes:
            planned = Change(tier, dict(weights), ChangeCause.ASSIGN, actor(), reason)
            ask_price(now, planned, "assign?", _NOT_ASKED)
    tell_assigned(_at_desk(lambda desk: desk.assign(Tier(tier), dict(weights), actor(), reason, seen)))


@policy.command()
@click.argument("tier", type=TIER)
@_revision
@REASON
@YES
def rollback(tier: str, revision: int | None, reason: str, *, yes: bool) -> None:
    """Bring back the assignment that TIER had before; where it had none, the baseline for everybody."""
    seen = revision
    if seen is None:
        now, planned = _at_desk(lambda desk: desk.planned_rollback(Tier(tier)))
        seen = now.number
        if not yes:
            if now.number == 1:
                click.echo("no assignment stands before this one: a rollback brings the baseline")
            ask_price(now, planned, "roll back?", _NOT_ASKED)
    tell_assigned(_at_desk(lambda desk: desk.rollback(Tier(tier), actor(), reason, seen)))


@policy.command()
@click.option("--tier", type=TIER, help="Only this tier.")
@JSON
def history(tier: str | None, *, as_json: bool) -> None:
    """Every change of what is in force, newest first."""
    with in_ledger_folder():
        found = _at_desk(lambda desk: desk.history(None if tier is None else Tier(tier)))
    if as_json:
        print_json([revision_view(one) for one in found])
    elif found:
        stdout_console().print(history_table(found))
    else:
        click.echo("no assignment is stored yet; start the service once")
