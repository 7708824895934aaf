"""The configured ledger, for commands: opened, read, and named to a person."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import click
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.cli import main
from agent.core.errors import ConfigurationError
from agent.ledger.database import create_engine, migrate, parse_url, sqlite_file
from agent.settings import PREFIX, Settings, load_settings

_T = TypeVar("_T")
_PERIOD = re.compile(r"(\d{1,5})([mhd])")
_MINUTES = {"m": 1, "h": 60, "d": 1440}


class Period(click.ParamType[timedelta]):
    """A length of time: 30m, 24h, 7d."""

    name = "period"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _PERIOD.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} takes a number and m, h or d: 30m, 24h, 7d", param, ctx)
        return timedelta(minutes=int(found[1]) * _MINUTES[found[2]])


def with_ledger(
    work: Callable[[AsyncEngine, Settings], Awaitable[_T]], *, create: bool = False, upgrade: bool = True
) -> _T:
    """Runs `work` on the configured ledger, its schema up to date.

    A database that is down ends the command, and so does a file that is not there: an empty one that is made by
    looking would say that nothing ever happened. `create` makes it. Without `upgrade` the schema is left as it is.
    Raises ConfigurationError.
    """
    settings = load_settings()
    if not create:
        _refuse_missing(settings)

    async def run() -> _T:
        engine = create_engine(settings.database_url)
        try:
            if upgrade:
                await migrate(engine)
            return await work(engine, settings)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(run())
    except (SQLAlchemyError, OSError) as error:
        where = database_name(settings)
        # the database's own words, without the statement; values of rows are hidden by the engine
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0] or type(error).__name__
        raise ConfigurationError(f"VOICE_AGENT_DATABASE_URL: {where} cannot be used: {reason}") from None


def database_name(settings: Settings) -> str:
    """Which database it is, for a person: the whole path of a file, or an address without its password."""
    parsed = parse_url(settings.database_url)
    file = sqlite_file(parsed)
    return parsed.render_as_string(hide_password=True) if file is None else str(file.resolve())


def _refuse_missing(settings: Settings) -> None:
    file = sqlite_file(parse_url(settings.database_url))
    if file is not None and not file.exists():
        raise ConfigurationError(
            f"there is no database {file.resolve()}: the service makes it at its first start. Run this in the folder of"
            f" the service, or set {PREFIX}DATABASE_URL to its database{_elsewhere()}"
        )


def _elsewhere() -> str:
    """Where `make run` keeps one, for whoever is in another folder than the checkout."""
    usual = sqlite_file(parse_url(Settings.model_fields["database_url"].default))
    if usual is None or not main.in_checkout() or not (main.CHECKOUT / usual).is_file():
        return ""
    return f". The service of `make run` has {main.CHECKOUT / usual}: run this in {main.CHECKOUT}"
