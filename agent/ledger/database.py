"""The ledger's database: an engine for a URL, and its migrations. SQLite is for one machine, PostgreSQL for several."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import msgspec
import structlog
from advanced_alchemy.config import EngineConfig, SQLAlchemyAsyncConfig
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.core.errors import ConfigurationError
from agent.ledger.sqlite_lock import make_writable, only_process_of
from agent.ledger.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config  # it takes 0.2 s, and no command but these needs it

log = structlog.get_logger(__name__)

MIGRATIONS: Final = Path(__file__).with_name("migrations")
_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_MIGRATION_LOCK: Final = 7_403_926_581  # any number that nobody else takes as a PostgreSQL advisory lock
_BUSY_MS: Final = 5_000  # how long SQLite waits for another process that writes
SQLITE_KEPT: Final = 5  # connections to a file that wait for the next statement
SQLITE_MORE: Final = 10  # beside those at most, each closed when it is not needed any more
_CONNECT_S: Final = 3.0  # how long a connection attempt may take
_LIMITS: Final = {
    # a process that was suspended within a transaction must not keep its rows from who goes on with its calls
    "idle_in_transaction_session_timeout": "3s",
    "statement_timeout": "60s",
    # a batch that waits for a row gives up before its writer does, and is tried again
    "lock_timeout": "8s",
}
# A step of a migration that waits for a table lets nobody pass who comes after it: it gives up soon, and tries again.
_STEP_LOCK_MS: Final = 1_000
_STEP_PAUSE_S: Final = 0.5
_STEPS: Final = 20  # tries, before whoever asked for the migration has to try again himself
_LOCKED: Final = "55P03"  # PostgreSQL's lock_not_available


def parse_url(url: str) -> URL:
    """A database URL with the driver that is used here. Raises ConfigurationError; the message holds no password."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(f"VOICE_AGENT_DATABASE_URL takes {_EXAMPLES}") from None
    driver = _DRIVERS.get(parsed.get_backend_name())
    if driver is None:
        raise ConfigurationError(f"VOICE_AGENT_DATABASE_URL takes {_EXAMPLES}; found {parsed.drivername}")
    return parsed.set(drivername=driver)


_EXAMPLES: Final = "sqlite:///path/to/file.db or postgresql://user:password@host/name"


def create_engine(url: str) -> AsyncEngine:
    """An engine that has not connected yet. Makes an SQLite file and its directory. Raises ConfigurationError."""
    parsed = parse_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    file = sqlite_file(parsed)
    if file is not None:
        make_writable(file)
    connect: dict[str, Any] = (
        {"timeout": _BUSY_MS / 1000} if sqlite else {"timeout": _CONNECT_S, "server_settings": _LIMITS}
    )
    options = EngineConfig(
        connect_args=connect,
        json_serializer=_encode,
        json_deserializer=msgspec.json.decode,
        hide_parameters=True,  # an error message must not show what a row holds
    )
    if not sqlite:
        options.pool_size, options.max_overflow, options.pool_pre_ping, options.pool_timeout = 3, 2, True, 10
    elif file is not None:
        options.pool_size, options.max_overflow = SQLITE_KEPT, SQLITE_MORE
    config = SQLAlchemyAsyncConfig(
        connection_string=parsed.render_as_string(hide_password=False), engine_config=options, metadata=metadata
    )
    engine = config.get_engine()
    if sqlite:
        event.listen(engine.sync_engine, "connect", _set_pragmas)
    return engine


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite database; None for one in memory, and for a server."""
    in_file = url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:"
    return Path(str(url.database)) if in_file else None


@contextmanager
def only_process(url: str) -> Generator[None]:
    """Keeps other services away from an SQLite file while the block runs; commands may read and write it.

    Two processes would each believe that its calls are its own. Raises ConfigurationError where one has it already.
    """
    file = sqlite_file(parse_url(url))
    if file is None:
        yield
        return
    with only_process_of(file):
        yield


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _set_pragmas(connection: Any, _record: object) -> None:
    """Write-ahead log, synced at checkpoints: a commit survives the death of the process, not a power cut.

    What is deleted is overwritten: a caller who is forgotten leaves nothing in free pages.
    """
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={_BUSY_MS}", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


# Alembic keeps the migration that runs in a global: two that take turns at every await would mix.
_migrating: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()


async def migrate(engine: AsyncEngine) -> str:
    """Brings the schema up to date and returns its revision. Replicas that start together wait for each other.

    Replicas of the release before go on writing meanwhile. A schema that is newer than this release is left as it is:
    a release only adds to it, so that those of the release before can be started again.
    Raises SQLAlchemyError or OSError when the database cannot be reached, or a table is in use for all of 30 s.
    """
    one_at_a_time = _migrating.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with one_at_a_time:
        for left in reversed(range(_STEPS)):
            try:
                return await _migrate(engine)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != _LOCKED or not left:
                    raise
                log.info("a table that is to be changed is in use", tries_left=left)
                await asyncio.sleep(_STEP_PAUSE_S)
    raise AssertionError


async def _migrate(engine: AsyncEngine) -> str:
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            for name in _LIMITS:  # a step may take its time
                await connection.execute(text(f"SET LOCAL {name} = 0"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            await connection.execute(text(f"SET LOCAL lock_timeout = {_STEP_LOCK_MS}"))
        else:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        found = await connection.run_sync(_revision)
        if found is not None and found > (newest := revisions()[-1]):
            log.warning("the schema is newer than this release", schema=found, release=newest)
            return found
        return await connection.run_sync(_upgrade)


async def revision(engine: AsyncEngine) -> str | None:
    """The revision of the schema as it is; None where there is none yet. Raises SQLAlchemyError, OSError."""
    async with engine.connect() as connection:
        return await connection.run_sync(_revision)


def revisions() -> list[str]:
    """The revisions that this release knows, the oldest first."""
    from alembic.script import ScriptDirectory

    return [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]


async def downgrade(engine: AsyncEngine, to: str) -> str:
    """Takes the schema back to an older revision, with what stood in the columns and tables that go; returns it.

    Raises SQLAlchemyError, OSError.
    """

    def back(connection: Connection) -> str:
        from alembic import command

        command.downgrade(_configured(connection), to)
        return _revision(connection) or ""

    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        else:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        return await connection.run_sync(back)


def _upgrade(connection: Connection) -> str:
    from alembic import command

    command.upgrade(_configured(connection), "head")
    return _revision(connection) or ""


def _configured(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()
