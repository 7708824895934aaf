"""The loop that reads once a second what is in force, so that every process follows a change."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import ClassVar, Final

import structlog

POLL_S: Final = 1.0
READ_S: Final = 5.0  # a database that takes longer is as good as down

log = structlog.get_logger()


class Follower(ABC):
    """Use `running()` around the life of the server. Without its database a process goes on with what it knows."""

    what: ClassVar[str]
    """What is read, in the words of the log."""
    meanwhile: ClassVar[str]
    """What new sessions get while nothing was read."""
    first_read_s: ClassVar[float]
    """How long a start waits for the database."""

    def __init__(self) -> None:
        self._first_read = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Follows the database while the block runs; begins with what the database says, if it answers in time."""
        task = asyncio.create_task(self._follow(), name=f"follow {self.what}")
        try:
            await self._begin()
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    @abstractmethod
    async def refresh(self) -> None:
        """Reads what is in force now. Raises what the store raises, and TimeoutError after `READ_S`."""

    @abstractmethod
    def looked(self, failures: int) -> None:
        """Hears of every look: how many failed in a row, this one among them; 0 where it did not."""

    async def catch_up(self) -> None:
        """Follows a change that was made here at once. Never raises: where it fails, the next second will do."""
        try:
            await self.refresh()
        except Exception as error:
            log.warning(f"{self.what} cannot be read", error=type(error).__name__)

    async def _begin(self) -> None:
        try:
            async with asyncio.timeout(self.first_read_s):
                await self._first_read.wait()
        except TimeoutError:
            log.warning(f"{self.what} not read yet: {self.meanwhile}")

    async def _follow(self) -> None:
        failures = 0
        while True:
            try:
                await self.refresh()
            except Exception as error:  # whatever it is, calls go on
                failures += 1
                if failures == 1:
                    log.warning(f"{self.what} cannot be read", error=type(error).__name__)
            else:
                failures = 0
                self._first_read.set()
            self.looked(failures)
            await asyncio.sleep(POLL_S)
