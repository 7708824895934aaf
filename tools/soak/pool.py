"""A service whose pool of database connections is full, as it is after some hours: it opens them as they are needed.

Else a soak would take the connections that come during the calls for something that a call has left behind.

A connection to an SQLite file has a descriptor of the file and one of its log. SQLite keeps that of the file for the
next connection when one is closed, since to close it would end the locks of all the others. So a full pool has as many
descriptors of the file as it has ever had connections at once, and as many of the log as it keeps connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from agent.ledger.database import SQLITE_KEPT, SQLITE_MORE

FILL_S: Final = 30.0
AGAIN_S: Final = 0.1


class Descriptors(NamedTuple):
    """What a process has open of an SQLite database."""

    file: int
    log: int


FULL: Final = Descriptors(SQLITE_KEPT + SQLITE_MORE, SQLITE_KEPT)
AT_ONCE: Final = 4 * FULL.file


def descriptors_of(process: psutil.Process, file: Path) -> Descriptors:
    """Counts them."""
    paths = [one.path for one in process.open_files()]
    return Descriptors(paths.count(str(file)), paths.count(f"{file}-wal"))


async def fill_pool(read: Callable[[], Awaitable[object]], opened: Callable[[], Descriptors]) -> None:
    """Reads from many sides at once until the pool is full. Raises RuntimeError where it is not after 30 s.

    `read` takes a connection of the service's; `opened` says what it has open.
    """
    try:
        async with asyncio.timeout(FILL_S):
            while opened() != FULL:  # more of the log are closed in a moment
                await asyncio.gather(*(read() for _ in range(AT_ONCE)))
                await asyncio.sleep(AGAIN_S)
    except TimeoutError:
        raise RuntimeError(f"{opened()} after {FILL_S:g} s; a full pool has {FULL}") from None
