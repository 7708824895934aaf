"""How many calls a provider may be given at once, and who waits first when there are more."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

_LONGEST_QUEUE: Final = 1000


class PriorityLimiter:
    """At most `limit` calls at once; `reserved` of them are kept for callers who go first.

    Shared by all sessions of the process. Whoever goes first also waits in front.
    """

    def __init__(self, limit: int, *, reserved: int = 0) -> None:
        self._limit = limit
        self._reserved = reserved
        self._taken = 0
        self._waiting: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}

    @property
    def free(self) -> int:
        """Slots that nobody has."""
        return self._limit - self._taken

    @property
    def free_share(self) -> float:
        """The share of all slots that nobody has, 0 to 1."""
        return self.free / self._limit

    async def take(self, *, first: bool, within_s: float) -> bool:
        """Takes a slot, waiting for at most `within_s` seconds. False when there was none; else `give` it back."""
        if self._open_to(first=first) and not self._waiting[True] and (first or not self._waiting[False]):
            self._taken += 1
            return True
        queue = self._waiting[first]
        if within_s <= 0 or len(queue) >= _LONGEST_QUEUE:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await asyncio.wait({turn}, timeout=within_s)
        except asyncio.CancelledError:
            if turn.done():
                self.give()  # it came in the same moment
            raise
        finally:
            if not turn.done():
                queue.remove(turn)
        return turn.done()

    def give(self) -> None:
        """Gives a slot back, to whoever waits in front."""
        self._taken -= 1
        for first in (True, False):
            while self._waiting[first] and self._open_to(first=first):
                self._taken += 1
                self._waiting[first].popleft().set_result(None)

    def _open_to(self, *, first: bool) -> bool:
        return self._taken < (self._limit if first else self._limit - self._reserved)
