"""The bounded queue between the calls and the database."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import Final

from agent.ledger.rows import LedgerRow

_RESERVE: Final = 0.1  # share of the limit that only rows of `sessions` may use on top of it


class WriteQueue:
    """Rows that wait to be committed, oldest first. Each row gets a number, in order, from 1.

    When it is full new rows are refused, so that what is stored has no holes in its past. Starts and ends of sessions
    have a tenth more room: without its session a later row could not be stored at all.
    """

    def __init__(self, limit: int) -> None:
        self._rows: deque[LedgerRow] = deque()
        self._limit = limit
        self._hard_limit = int(limit * (1 + _RESERVE))
        self._closed = False
        self._added = 0
        self._settled = 0
        self._filled = asyncio.Event()
        self._waiters: list[tuple[int, asyncio.Future[bool]]] = []

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def last(self) -> int:
        """The number of the newest row."""
        return self._added

    def put(self, row: LedgerRow) -> int | None:
        """Appends a row and returns its number; None when there is no room for it."""
        if len(self._rows) >= (self._hard_limit if row.table == "sessions" else self._limit):
            return None
        self._rows.append(row)
        self._added += 1
        self._filled.set()
        return self._added

    async def wait(self) -> None:
        """Returns when there are rows, once after `wake` was called, and always after `close`."""
        await self._filled.wait()
        self._clear_if_empty()

    def wake(self) -> None:
        """Lets `wait` return once."""
        self._filled.set()

    def close(self) -> None:
        """Lets `wait` return from now on: no more rows come."""
        self._closed = True
        self._filled.set()

    def oldest(self, count: int) -> list[LedgerRow]:
        """Up to `count` rows, which stay in the queue until `settle`."""
        return list(islice(self._rows, count))

    def settle(self, count: int) -> None:
        """Removes the oldest rows, which are committed or given up, and tells those who wait for them."""
        for _ in range(count):
            self._rows.popleft()
        self._settled += count
        self._clear_if_empty()
        self._tell({number for number, _ in self._waiters if number <= self._settled}, reached=True)

    def give_up_waiting(self) -> None:
        """Tells everybody who waits that their rows are not committed soon."""
        self._tell({number for number, _ in self._waiters}, reached=False)

    async def settled(self, number: int, timeout_s: float) -> bool:
        """Waits until the row with this number has left the queue; False when that takes too long."""
        if number <= self._settled:
            return True
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiter = (number, future)
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            return False
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _clear_if_empty(self) -> None:
        if not self._rows and not self._closed:
            self._filled.clear()

    def _tell(self, numbers: set[int], *, reached: bool) -> None:
        told = [waiter for waiter in self._waiters if waiter[0] in numbers]
        self._waiters = [waiter for waiter in self._waiters if waiter[0] not in numbers]
        for _, future in told:
            if not future.done():
                future.set_result(reached)
