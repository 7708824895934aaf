"""`voice-agent`: every command of the project."""

from __future__ import annotations

import importlib
import sys
from typing import Final

import click

from agent.core.errors import ConfigurationError

# Commands are imported when they are called: `voice-agent call --help` does not load the providers' SDKs.
COMMANDS: Final = {
    "call": (
        "voice_loadtest.call_command",
        "call",
        "Call the service: speak a WAV or type, hear the reply, see where the time goes.",
    ),
    "clips": ("agent.cli.clips", "clips", "Record the sentences that are played when no provider answers."),
    "cost": ("agent.cli.cost", "cost", "Calculate what a session costs, by policy."),
    "decisions": ("agent.cli.policy", "decisions", "What was decided about alerts that ask for a rollback."),
    "demo": (
        "voice_loadtest.demo.command",
        "demo",
        "Run everything under a load that goes bad in the middle, for the boards.",
    ),
    "forget": ("agent.cli.report", "forget", "Delete everything about a caller."),
    "gameday": (
        "voice_loadtest.gameday.cli",
        "gameday",
        "Play bad days on everything, and assert alerts, rollbacks and recovery.",
    ),
    "ledger": ("agent.cli.report", "ledger", "Look after the ledger's database."),
    "memory": ("agent.cli.memory", "memory", "Show what a session remembers."),
    "policy": ("agent.cli.policy", "policy", "Which routing policies new sessions get; roll one back."),
    "report": ("agent.cli.report", "report", "Experience and cost, from the ledger."),
    "run": ("agent.cli.serve", "run", "Run the service, and the sandbox for every provider without a key."),
    "sandbox": ("voice_sandbox.server", "sandbox", "Run the sandbox: simulated providers on one port."),
    "serve": ("agent.cli.serve", "serve", "Run the service."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        return getattr(importlib.import_module(module), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in sorted(COMMANDS)])


@click.group(cls=_Lazy)
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
