"""The error of everything that starts local processes: one line on standard error and exit status 2."""

from __future__ import annotations

from typing import IO, Any

import click


class StackError(click.ClickException):
    """The local stack cannot run. The message is one line: what is wrong, and what to do."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.secho(f"voice-agent: {self.format_message()}", fg="red", err=True, file=file)
