"""`voice-agent`: every command of the project."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from agent.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is found. It is imported when it is called: `call --help` loads no provider's SDK."""

    module: str
    attribute: str
    summary: str
    needs_checkout: bool = False
    """It starts the local stack, whose rules and boards are in no wheel; an installed wheel does not offer it."""


CHECKOUT: Final = Path(__file__).parents[2]

COMMANDS: Final[Mapping[str, Mapping[str, Entry]]] = {
    "Serve": {
        "run": Entry("agent.cli.serve", "run", "Run the service, and the sandbox for every provider without a key."),
        "serve": Entry("agent.cli.serve", "serve", "Run the service."),
        "sandbox": Entry("voice_sandbox.server", "sandbox", "Run the sandbox: simulated providers on one port."),
        "check": Entry(
            "agent.cli.check", "check", "Ask every provider whether it serves us: keys, models, voices, credit."
        ),
        "agent": Entry("agent.cli.agent", "agent", "Check, list and test agents; try versions of them."),
        "clips": Entry("agent.cli.clips", "clips", "Record the sentences that are played when no provider answers."),
    },
    "Call": {
        "call": Entry(
            "voice_loadtest.call_command",
            "call",
            "Call the service: speak a WAV or type, hear the reply, see where the time goes.",
        ),
        "probe": Entry("voice_loadtest.probe_command", "probe", "Be the synthetic caller: say one sentence."),
    },
    "Look": {
        "report": Entry("agent.cli.report", "report", "Show experience and cost, from the ledger."),
        "session": Entry("agent.cli.session", "session", "List sessions, and find one."),
        "memory": Entry("agent.cli.memory", "memory", "Show what a session remembers."),
        "cost": Entry("agent.cli.cost", "cost", "Calculate what a session costs, by policy."),
        "openapi": Entry("agent.cli.schemas", "openapi", "Write the OpenAPI document of the HTTP API."),
        "asyncapi": Entry("agent.cli.schemas", "asyncapi", "Write the AsyncAPI document of the session protocol."),
    },
    "Decide": {
        "policy": Entry("agent.cli.policy", "policy", "Show which policies new sessions get; roll a policy back."),
        "decisions": Entry("agent.cli.decisions", "decisions", "Show what was decided about alerts; undo a rollback."),
    },
    "Data": {
        "db": Entry("agent.cli.db", "db", "Look after the database's schema: status, upgrade, downgrade, prune."),
        "ledger": Entry("agent.cli.report", "ledger", "Look after the ledger's database."),
        "forget": Entry("agent.cli.report", "forget", "Delete everything about a caller."),
    },
    "Rehearse": {
        "demo": Entry(
            "voice_loadtest.demo.command",
            "demo",
            "Run everything under a load that goes bad in the middle, for the boards.",
            needs_checkout=True,
        ),
        "gameday": Entry(
            "voice_loadtest.gameday.cli",
            "gameday",
            "Play bad days on everything, and assert alerts, rollbacks and recovery.",
            needs_checkout=True,
        ),
    },
}
"""Group → command → where it is found, in the order of `--help`."""


def offered() -> dict[str, dict[str, Entry]]:
    """The commands that can run here, by group; a group without any is left out."""
    can = {
        group: {name: entry for name, entry in entries.items() if in_checkout() or not entry.needs_checkout}
        for group, entries in COMMANDS.items()
    }
    return {group: entries for group, entries in can.items() if entries}


def in_checkout() -> bool:
    """Whether this code runs from the project's folder, where rules and boards stand beside it."""
    return (CHECKOUT / "alerts" / "groups.py").is_file()


def load_command(entry: Entry) -> click.Command:
    """Imports a command."""
    return getattr(importlib.import_module(entry.module), entry.attribute)


class _GroupedCommands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for entries in offered().values() for name in entries]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = next((entries[cmd_name] for entries in COMMANDS.values() if cmd_name in entries), None)
        if entry is not None and entry.needs_checkout and not in_checkout():
            raise click.UsageError(f"{cmd_name} runs in the project's folder only: the package lacks its rules", ctx)
        return None if entry is None else load_command(entry)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(ctx)))
        for group, entries in offered().items():
            with formatter.section(group):
                formatter.write_dl([(name.ljust(width), entry.summary) for name, entry in entries.items()])


def _own_address() -> str:
    """Loaded when it is asked for: a command that is given an address reads no settings."""
    return importlib.import_module("agent.cli.own_service").own_address()


def _own_api_key() -> str | None:
    return importlib.import_module("agent.cli.own_service").own_api_key()


_CALLERS: Final = {"call": {"url": _own_address, "api_key": _own_api_key}, "probe": {"url": _own_address}}
"""The caller knows no settings: what it calls by itself is the service of this folder."""


@click.group(cls=_GroupedCommands, context_settings={"default_map": _CALLERS})
@click.version_option(package_name="voice-agent")
def cli() -> None:
    """A voice agent you can operate."""


def main() -> None:
    """Runs a command; a wrong setting is one line on standard error and exit status 2."""
    try:
        cli()
    except ConfigurationError as error:
        click.secho(f"voice-agent: {error}", fg="red", err=True)
        sys.exit(2)
