"""The ledger: takes rows without waiting, commits them in batches, and never stops a call when the database is down."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.billing.pricing import utc_now
from agent.core.clock import now
from agent.ledger import rows, writer
from agent.ledger.database import create_engine, migrate
from agent.ledger.retention import prune
from agent.ledger.rows import TABLES, LedgerRow, TableName
from agent.ledger.tables import charges, memory_events
from agent.ledger.write_queue import WriteQueue
from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics

SPOOL_ROWS: Final = 50_000  # about 100 MB when every row is a turn; hours of a low-traffic service
BATCH_ROWS: Final = 500
FLUSH_S: Final = 2.0  # how long `turn.metrics` may wait for its turn's commit; nobody's voice waits for it
TOOL_FLUSH_S: Final = 0.5  # how long a tool that changes something waits until it is stored that it begins
DRAIN_S: Final = 5.0
LEASE_S: Final = 45.0
_COMMIT_S: Final = 10.0  # a database that takes longer for a batch is as good as down
_GATHER_S: Final = 0.2  # between the beginnings of two commits: one costs about as much for ten rows as for one
_LEAST_S: Final = 0.05  # the same where somebody waits for one
_FIRST_RETRY_S: Final = 0.1
_LAST_RETRY_S: Final = 10.0
_ASKED_AGAIN_S: Final = 1.0  # at most so often somebody else decides that it is time for another try
_PRUNE_EVERY_S: Final = 3600.0
_LOST_KEPT: Final = 1_000

_log = structlog.get_logger(__name__)


class Ledger:
    """The durable record. `async with` runs its writer; rows may be recorded before and while it runs.

    At the end the rows that wait are written, for at most `drain_s` seconds. With `retention_days` older rows are
    deleted once an hour. Reading methods raise SQLAlchemyError or OSError when the database cannot be reached.
    """

    def __init__(
        self,
        url: str,
        metrics: Metrics,
        *,
        retention_days: int | None = None,
        spool_rows: int = SPOOL_ROWS,
        drain_s: float = DRAIN_S,
        lease_s: float = LEASE_S,
        outbox: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Raises ConfigurationError when the URL cannot be used; a database that is down is waited for.

        A session whose owner gives no sign for `lease_s` seconds is anybody's. With `outbox` the ends of sessions are
        kept to be told to a webhook.
        """
        self.engine: AsyncEngine = create_engine(url)
        self.reachable = True
        """False from a failed write to the next good one."""
        self.owner = secrets.token_hex(8)
        """The name of this process: whose sessions are written here."""
        self.lease = timedelta(seconds=lease_s)
        self.outbox = outbox
        self.migrated = asyncio.Event()
        """Set once the schema is up to date: nothing can be read before."""
        self._metrics = metrics
        self._retention = None if retention_days is None else timedelta(days=retention_days)
        self._clock = clock
        self._drain_s = drain_s
        self._spool = WriteQueue(spool_rows)
        self._turns: dict[str, tuple[int, int | None]] = {}  # session → its newest turn and that row's number
        self._begun: dict[str, int] = {}  # open session that began here → its row's number
        self._lost: deque[int] = deque(maxlen=_LOST_KEPT)  # numbers of rows that left the queue without being stored
        self._closing = False
        self._retry_now = asyncio.Event()
        self._asked_again_at = -math.inf
        self._tasks: list[asyncio.Task[None]] = []
        self._committed_to = 0
        for table in TABLES:
            metrics.child(catalog.LEDGER_DROPPED, table)
            metrics.child(catalog.LEDGER_FENCED, table)

    async def __aenter__(self) -> Self:
        self._spool.wake()  # the schema is brought up to date before the first row comes
        self._tasks = [asyncio.create_task(self._write_on(), name="ledger-writer")]
        if self._retention is not None:
            self._tasks.append(asyncio.create_task(self._prune_on(self._retention), name="ledger-retention"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing = True
        self._spool.close()
        self._retry_now.set()
        try:
            await asyncio.wait(self._tasks[:1], timeout=self._drain_s)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._spool.give_up_waiting()
            for row in self._spool.oldest(len(self._spool)):
                self._metrics.add(catalog.LEDGER_DROPPED, row.table)
            await self.engine.dispose()

    # Recording: on the event loop, between two audio frames

    def record(self, row: LedgerRow) -> int | None:
        """Queues a row and returns its number; None when it had to be dropped, which is counted."""
        number = self._spool.put(row)
        if number is None:
            self._metrics.add(catalog.LEDGER_DROPPED, row.table)
        self._metrics.set(catalog.LEDGER_QUEUE, value=len(self._spool))
        if row.table == "turns" and row.session_id is not None:
            self._turns[row.session_id] = (row.values["turn"], number)
        elif row.update and row.session_id is not None:
            self._turns.pop(row.session_id, None)
            self._begun.pop(row.session_id, None)
        elif row.table == "sessions" and row.generation == 1 and row.session_id is not None and number is not None:
            self._begun[row.session_id] = number
        return number

    def unknown_elsewhere(self, session_id: str) -> bool:
        """Whether an open session began here and was never stored: no other process can have heard of it."""
        return self._begun.get(session_id, 0) > self._committed_to

    def record_memory(self, session_id: str, seq: int, event: bytes, generation: int = 1) -> None:
        """Appends an event of a conversation graph: one JSON document, numbered from 0 within its session."""
        self.record(rows.memory_event(session_id, seq, msgspec.Raw(event), self._clock(), generation))

    def record_tool(self, session_id: str, seq: int, event: bytes, generation: int = 1) -> None:
        """Appends an event of a session's tool log: one JSON document, numbered from 0 within its session."""
        self.record(rows.tool_event(session_id, seq, msgspec.Raw(event), self._clock(), generation))

    async def tools_committed(self) -> None:
        """Waits for what was recorded so far, for half a second at most; never raises."""
        await self.flush(TOOL_FLUSH_S)

    async def flush_turn(self, session_id: str, turn: int, timeout_s: float = FLUSH_S) -> bool:
        """Waits until a recorded turn of the session and all that was recorded before it are committed.

        False when that is not so: within `timeout_s`, at once while the database is known to be down, or because the
        turn's row was dropped. For a session that has ended it waits for everything that was recorded so far.
        """
        newest, number = self._turns.get(session_id, (turn, self._spool.last))
        return newest >= turn and number is not None and await self._settled(number, timeout_s, at_once=False)

    async def turn_committed(self, session_id: str, turn: int) -> None:
        """Waits for a turn's commit as `flush_turn` does; never raises. All that sessions know of a ledger."""
        await self.flush_turn(session_id, turn)

    async def flush(self, timeout_s: float = FLUSH_S) -> bool:
        """Waits until everything that was recorded so far is committed, at once; False as with `flush_turn`."""
        return await self._settled(self._spool.last, timeout_s, at_once=True)

    async def caught_up(self, timeout_s: float) -> bool:
        """Waits until nothing waits that was recorded so far: it is stored, or was dropped; False as with `flush`."""
        return await self._left_the_queue(self._spool.last, timeout_s, at_once=True)

    def try_again(self) -> None:
        """The database may be back: rows that wait are tried at once, at most once a second."""
        if not self.reachable and now() - self._asked_again_at >= _ASKED_AGAIN_S:
            self._asked_again_at = now()
            self._retry_now.set()

    async def _settled(self, number: int, timeout_s: float, *, at_once: bool) -> bool:
        return await self._left_the_queue(number, timeout_s, at_once=at_once) and number not in self._lost

    async def _left_the_queue(self, number: int, timeout_s: float, *, at_once: bool) -> bool:
        """`at_once`: somebody waits for it, and rows are not gathered for longer."""
        if number > self._committed_to:
            if not self.reachable:
                return False
            if at_once:
                self._retry_now.set()
        return await self._spool.settled(number, timeout_s)

    # Reading

    async def migrate(self) -> str:
        """Brings the schema up to date and returns its revision; the writer does so by itself."""
        revision = await migrate(self.engine)
        self.migrated.set()
        return revision

    async def memory_events(self, session_id: str) -> list[Any]:
        """The events of a session's conversation graph, decoded, in order."""
        statement = (
            select(memory_events.c.event).where(memory_events.c.session_id == session_id).order_by(memory_events.c.seq)
        )
        async with self.engine.connect() as connection:
            return list((await connection.execute(statement)).scalars())

    async def session_cost(self, session_id: str) -> int:
        """What a session has cost so far by its stored charges, in nano-dollars."""
        statement = select(func.coalesce(func.sum(charges.c.nano_usd), 0)).where(charges.c.session_id == session_id)
        async with self.engine.connect() as connection:
            return int((await connection.execute(statement)).scalar_one())

    # The writer

    async def _write_on(self) -> None:
        delay = _FIRST_RETRY_S
        began = -math.inf
        while True:
            await self._spool.wait()
            if len(self._spool) < BATCH_ROWS:
                await asyncio.sleep(max(0.0, began + _LEAST_S - now()))
                await self._pause(began + _GATHER_S - now())
            began = now()
            batch = self._spool.oldest(BATCH_ROWS)
            if not batch and self._closing:
                return
            try:
                await self._write(batch)
            except Exception as error:  # whatever it is, calls go on and the rows stay
                self._went_down(error)
                if self._closing and delay > _FIRST_RETRY_S:
                    return
                await self._pause(delay)
                delay = min(2 * delay, _LAST_RETRY_S)
            else:
                delay = _FIRST_RETRY_S
                self._came_up()

    async def _write(self, batch: list[LedgerRow]) -> None:
        """Commits a batch and takes it out of the queue. Raises whatever the database is to blame for."""
        if not self.migrated.is_set():
            await self.migrate()
        if not batch:
            return
        try:
            await self._commit(batch)
        except Exception as error:
            if not writer.is_bad_row(error):
                raise
            await self._write_singly(batch)

    async def _write_singly(self, batch: list[LedgerRow]) -> None:
        """A row of the batch cannot be stored: the others are, and it is dropped."""
        for row in batch:
            try:
                await self._commit([row])
            except Exception as error:
                if not writer.is_bad_row(error):
                    raise
                self._lost.append(self._committed_to + 1)
                self._drop(row.table, type(error).__name__)
                self._settle(1)

    async def _commit(self, batch: list[LedgerRow]) -> None:
        began = now()
        owner = writer.Owner(self.owner, utc_now() + self.lease, self.outbox)
        async with asyncio.timeout(_COMMIT_S), self.engine.begin() as connection:
            left_out = await writer.write(connection, batch, owner)
        self._metrics.observe(catalog.LEDGER_COMMIT, value=now() - began)
        for table, count in (+left_out.gone).items():
            self._drop(table, "session_gone", count)
        for table, count in (+left_out.fenced).items():
            self._metrics.add(catalog.LEDGER_FENCED, table, amount=count)
            _log.warning("ledger rows of a session that another process has", table=table, rows=count)
        self._settle(len(batch))

    def _settle(self, count: int) -> None:
        self._committed_to += count
        self._spool.settle(count)
        self._metrics.set(catalog.LEDGER_QUEUE, value=len(self._spool))

    def _drop(self, table: TableName, reason: str, count: int = 1) -> None:
        self._metrics.add(catalog.LEDGER_DROPPED, table, amount=count)
        _log.warning("ledger rows dropped", table=table, reason=reason, rows=count)

    def _went_down(self, error: Exception) -> None:
        self._metrics.add(catalog.LEDGER_FAILURES)
        if self.reachable:  # the error's text may quote a row, its class may not
            _log.warning("ledger cannot be written, rows wait in memory", error=type(error).__name__)
        self.reachable = False
        self._spool.give_up_waiting()

    def _came_up(self) -> None:
        if not self.reachable:
            _log.info("ledger is written again", waiting=len(self._spool))
        self.reachable = True

    async def _pause(self, seconds: float) -> None:
        """Waits, but not once the ledger closes."""
        if seconds <= 0 or self._closing:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._retry_now.wait()
        except TimeoutError:
            return
        self._retry_now.clear()

    async def _prune_on(self, retention: timedelta) -> None:
        while True:
            try:
                if self.migrated.is_set():
                    await prune(self.engine, self._clock() - retention)
            except Exception as error:
                _log.warning("ledger could not delete old rows", error=type(error).__name__)
            await asyncio.sleep(_PRUNE_EVERY_S if self.migrated.is_set() else 1.0)
