"""Where commands print: tables as wide as the terminal, JSON for scripts."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

if TYPE_CHECKING:
    from rich.console import Console

PROGRAM: Final = "voice-agent"
PIPE_WIDTH = 140  # columns where the output is no terminal


def program() -> str:
    """This program as one can type it in another terminal of this folder: it need not be on the PATH."""
    started = Path(sys.argv[0])
    if started.name != PROGRAM:
        return f"{shlex.quote(sys.executable)} -m agent"
    on_path = shutil.which(PROGRAM)
    if on_path is not None and Path(on_path).resolve() == started.resolve():
        return PROGRAM
    here = Path.cwd()
    return shlex.quote(str(started.relative_to(here) if started.is_relative_to(here) else started))


def stdout_console() -> Console:
    """The standard output as it is now."""
    from rich.console import Console

    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def print_json(value: object) -> None:
    """Indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())
