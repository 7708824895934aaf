"""`voice-agent policy`: which policies are in force."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import click
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.budgets import Tier
from agent.cli.asking import JSON, REASON, YES, actor, confirm
from agent.cli.console import print_json, stdout_console
from agent.cli.cost import price_change
from agent.cli.database import with_ledger
from agent.cli.views.policy import history_table, in_force_line, policies_table, policy_text
from agent.ledger.policy_store import SqlPolicyStore
from agent.policy.assignments import AssignmentError, Change, Revision, described
from agent.policy.policies import DEFAULT_PATH, PolicyBook, load_policies
from agent.policy.serialize import policy_view, revision_view
from agent.policy.service import PolicyService
from agent.settings import Settings, load_settings

_T = TypeVar("_T")
_PERCENT = re.compile(r"[0-9]{1,3}")


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


def _seen(tier: Tier, revision: int | None, question: str) -> int:
    """The revision that the operator has seen: the one that was named, or the one that is shown here and agreed to.

    What somebody else changes meanwhile is not changed unseen: the service refuses it, and names what is in force.
    """
    if revision is not None:
        return revision
    found = _at_desk(lambda desk: desk.in_force()).get(tier)
    if found is None:
        return 0
    click.echo(in_force_line(found))
    try:
        click.confirm(f"{question} new sessions of {tier}?", abort=True)
    except click.Abort:
        hint = f"nothing was changed; without a question: --revision {found.number}"
        raise click.ClickException(hint) from None
    return found.number


def _ask(now: Mapping[str, int], planned: Change) -> None:
    """Asks before a rollback, with its price. Raises ClickException where the answer is no, or nobody answers."""
    click.echo(f"{planned.tier}: new sessions get {described(planned.weights)} instead of {described(now)}")
    click.echo(price_change(now, planned.weights))
    confirm("roll back?", "--yes, or --revision with the number above")


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
def assign(tier: str, weights: tuple[tuple[str, int], ...], revision: int | None, reason: str) -> None:
    """Give new sessions of TIER other policies: `assign free haiku_first=90 sonnet_first=10`."""
    if len(dict(weights)) < len(weights):
        raise click.UsageError("a policy is named twice")
    try:
        policy_book().assigned(tier, dict(weights))  # before anybody is asked
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    shares = described(dict(weights))
    seen = _seen(Tier(tier), revision, f"Give {shares} to")
    tell_assigned(_at_desk(lambda desk: desk.assign(Tier(tier), dict(weights), actor(), reason, seen)))


@policy.command()
@click.argument("tier", type=TIER)
@_revision
@REASON
@YES
def rollback(tier: str, revision: int | None, reason: str, *, yes: bool) -> None:
    """Bring back the assignment that TIER had before; where it had none, the baseline for everybody."""
    if revision is not None:
        tell_assigned(_at_desk(lambda desk: desk.rollback(Tier(tier), actor(), reason, revision)))
        return
    now, planned = _at_desk(lambda desk: desk.planned_rollback(Tier(tier)))
    seen = now.number
    if not yes:
        click.echo(in_force_line(now))
        _ask(now.weights, planned)
    tell_assigned(_at_desk(lambda desk: desk.rollback(Tier(tier), actor(), reason, seen)))


@policy.command()
@click.option("--tier", type=TIER, help="Only this tier.")
@JSON
def history(tier: str | None, *, as_json: bool) -> None:
    """Every change of what is in force, newest first."""
    found = _at_desk(lambda desk: desk.history(None if tier is None else Tier(tier)))
    if as_json:
        print_json([revision_view(one) for one in found])
    elif found:
        stdout_console().print(history_table(found))
    else:
        click.echo("no assignment is stored yet; start the service once")
