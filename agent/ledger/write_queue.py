"""The bounded queue between the calls and the database."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from itertools import islice
from typing import Final

from agent.ledger.rows import LedgerRow

_CHARGES_RESERVE: Final = 0.5  # share of the limit that charges may use on top of it: nobody's flood costs money
_SESSIONS_RESERVE: Final = 0.6  # the same for starts and ends of sessions
SESSION_ROWS: Final = 1_000  # of one session at once: about an hour of talk while the database is down


class WriteQueue:
    """Rows that wait to be committed, oldest first. Each row gets a number, in order, from 1.

    When it is full new rows are refused, so that what is stored has no holes in its past. No session may hold more than
    its share, and charges have room of their own: a flood of one session is never at the cost of another one's books.
    Starts and ends of sessions have still more: without its session a later row could not be stored at all.
    """

    def __init__(self, limit: int, session_rows: int = SESSION_ROWS) -> None:
        self._rows: deque[LedgerRow] = deque()
        self._session_rows = session_rows
        self._of_session: Counter[str] = Counter()
        self._limits = {
            "charges": int(limit * (1 + _CHARGES_RESERVE)),
            "sessions": int(limit * (1 + _SESSIONS_RESERVE)),
        }
        self._limit = limit
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
        """Appends a row and returns its number; None when there is no room for it, or its session has too many."""
        if len(self._rows) >= self._limits.get(row.table, self._limit):
            return None
        if row.session_id is not None:
            if row.table != "sessions" and self._of_session[row.session_id] >= self._session_rows:
                return None
            self._of_session[row.session_id] += 1
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
            session_id = self._rows.popleft().session_id
            if session_id is not None:
                self._of_session[session_id] -= 1
                if not self._of_session[session_id]:
                    del self._of_session[session_id]
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
