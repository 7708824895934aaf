"""What commands that change what new sessions get have in common: who asks, why, and what was seen before."""

from __future__ import annotations

import getpass
import os
from typing import Final

import click

from agent.policy.service import MAX_REASON


def _bounded(_context: click.Context, _parameter: click.Parameter, reason: str) -> str:
    if len(reason) > MAX_REASON:
        raise click.BadParameter(f"takes {MAX_REASON} characters at the most")
    return reason


JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
REASON: Final = click.option("--reason", default="", metavar="TEXT", callback=_bounded, help="Why, for the history.")
YES: Final = click.option("--yes", is_flag=True, help="Do not ask.")


def actor() -> str:
    """Who runs the command, for the history."""
    try:
        who = getpass.getuser()
    except (OSError, KeyError):  # a container may run as a number without a name
        who = f"uid {os.getuid()}"
    return f"command ({who})"


def confirm(question: str, hint: str) -> None:
    """Asks. Raises ClickException with the hint where the answer is no, or nobody answers."""
    try:
        if click.confirm(question):
            return
    except click.Abort:
        click.echo()  # nobody answered: what is said now begins a line of its own
    raise click.ClickException(f"nothing was changed; without a question: {hint}")
