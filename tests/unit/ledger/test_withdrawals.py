"""Which running calls end when their caller is forgotten or they are revoked, and which go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import event

from agent.billing.pricing import utc_now
from agent.ledger.ledger import Ledger
from agent.ledger.retention import forget, revoke
from agent.ledger.sink import LedgerSink
from agent.ledger.withdrawals import WithdrawalWatch
from agent.telemetry.events import SessionStarted
from agent.telemetry.exposition import Metrics
from tests.support.factories import session

WHO = "grace.hopper@example.org"


class Running:
    """The calls of one process: id, subject, when they began."""

    def __init__(self, *calls: tuple[str, str, datetime]) -> None:
        self.calls = calls
        self.ended: list[str] = []

    def end_where(self, wanted: Callable[[str, str, datetime], bool]) -> int:
        self.ended = [name for name, subject, began in self.calls if wanted(name, subject, began)]
        return len(self.ended)


async def test_calls_of_a_forgotten_caller_and_revoked_calls_end(database_url: str) -> None:
    async with Ledger(database_url, Metrics()) as ledger:
        await ledger.migrated.wait()
        now = utc_now()
        running = Running(
            ("stored-01", WHO, now),
            ("unstored-01", WHO, now),  # its start is still under way
            ("revoked-01", "ada", now),
            ("other-01", "bob", now),
            ("later-01", WHO, now + timedelta(minutes=1)),  # a new call is a new call
        )
        watch = WithdrawalWatch(ledger, running.end_where, lambda: len(running.calls))
        await watch.look()
        assert running.ended == []
        LedgerSink(ledger).handle(SessionStarted(session("stored-01", subject=WHO)))
        assert await ledger.flush(20)
        await forget(ledger.engine, WHO)
        await revoke(ledger.engine, "revoked-01")
        await watch.look()
        assert running.ended == ["stored-01", "unstored-01", "revoked-01"]


async def test_without_a_call_nothing_is_read_and_nothing_is_missed_later(database_url: str) -> None:
    async with Ledger(database_url, Metrics()) as ledger:
        await ledger.migrated.wait()
        running, asked = Running(), []
        event.listen(ledger.engine.sync_engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
        watch = WithdrawalWatch(ledger, running.end_where, lambda: len(running.calls))
        await watch.look()
        assert asked == []
        running.calls = (("begun-01", WHO, utc_now()),)
        await forget(ledger.engine, WHO)
        await watch.look()
        assert running.ended == ["begun-01"]
