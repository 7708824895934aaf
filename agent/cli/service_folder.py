"""Which folder's service a command is about: settings, agents and the ledger are relative to where it was started."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Final

import click

from agent.cli import main
from agent.ledger.database import parse_url, sqlite_file
from agent.settings import PREFIX, Settings

_DATABASE: Final = f"{PREFIX}DATABASE_URL"
_AGENTS: Final = f"{PREFIX}AGENTS_DIR"


def service_folder() -> Path:
    """This folder where it has settings or a ledger, else that of the checkout: there `make run` serves."""
    here = Path.cwd()
    agents = os.environ.get(_AGENTS)
    relative = agents is not None and agents != "" and not Path(agents).is_absolute()  # to this folder, then
    chosen = bool(os.environ.get(_DATABASE)) or relative or _served(here)
    return here if chosen or not main.in_checkout() else main.CHECKOUT


def in_ledger_folder() -> contextlib.AbstractContextManager[None]:
    """Works in the service's folder, to read its ledger, and tells a person where that is another one; here, where
    neither has settings or a ledger.
    """
    return in_service_folder(say=True) if _served(service_folder()) else contextlib.nullcontext()


def _served(folder: Path) -> bool:
    ledger = sqlite_file(parse_url(Settings.model_fields["database_url"].default))
    return any(path.is_file() for path in (folder / ".env", *([] if ledger is None else [folder / ledger])))


@contextlib.contextmanager
def in_service_folder(*, say: bool = False) -> Generator[None]:
    """Works there. With `say` a person is told where that is another folder."""
    folder = service_folder()
    if say and folder != Path.cwd():
        click.echo(f"of the service in {folder}, as under `make run`", err=True)
    with contextlib.chdir(folder):
        yield
