"""Which process of the service has an SQLite file. Without SQLAlchemy: it is asked before anything is loaded."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Generator
from pathlib import Path

from agent.core.errors import ConfigurationError


@contextlib.contextmanager
def only_process_of(file: Path) -> Generator[None]:
    """Keeps other services away from the file while the block runs; commands may read and write it.

    Raises ConfigurationError where one has it already, or where it cannot be written.
    """
    make_writable(file)
    # a file of its own: to close any descriptor of the database's would end the locks that SQLite holds on it
    with file.with_name(f"{file.name}.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigurationError(
                f"VOICE_AGENT_DATABASE_URL: another process of the service uses {file}: SQLite is for one process,"
                " several take PostgreSQL"
            ) from None
        yield


def check_free(url: str) -> None:
    """Raises ConfigurationError where `only_process_of` would. Looks at the plain form of an address only."""
    scheme, found, rest = url.partition(":///")
    path = rest.partition("?")[0]
    if found and scheme.partition("+")[0] == "sqlite" and path not in ("", ":memory:"):
        with only_process_of(Path(path)):
            pass


def make_writable(file: Path) -> None:
    """Makes the file and its folder where they are not there. Raises ConfigurationError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.open("ab").close()
    except OSError as error:
        raise ConfigurationError(f"VOICE_AGENT_DATABASE_URL: {file} cannot be written: {error.strerror}") from None
