"""Where commands print: tables as wide as the terminal, JSON for scripts."""

from __future__ import annotations

import sys

import click
import msgspec
from rich.console import Console

PIPE_WIDTH = 140  # columns where the output is no terminal


def stdout_console() -> Console:
    """The standard output as it is now."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def print_json(value: object) -> None:
    """Indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())
