"""A fair share of the ledger's queue for each session."""

from __future__ import annotations

from agent.ledger.rows import LedgerRow, TableName
from agent.ledger.write_queue import WriteQueue


def row(table: TableName, session: str | None, *, update: bool = False) -> LedgerRow:
    return LedgerRow(table, session, {}, update=update)


def test_no_session_takes_more_than_its_share() -> None:
    queue = WriteQueue(10_000, session_rows=100)
    taken = sum(queue.put(row("turns", "flood")) is not None for _ in range(5_000))
    assert taken == 100
    assert queue.put(row("turns", "innocent")) is not None
    queue.settle(50)
    assert sum(queue.put(row("turns", "flood")) is not None for _ in range(100)) == 50
    assert queue.put(row("sessions", "flood", update=True)) is not None  # its end is always stored


def test_a_charge_is_never_dropped_for_somebody_elses_flood() -> None:
    queue = WriteQueue(1_000, session_rows=100)
    for number in range(40):
        for _ in range(200):
            queue.put(row("turns", f"flood-{number}"))
            queue.put(row("fallbacks", f"flood-{number}"))
    assert queue.put(row("turns", "innocent")) is None  # the queue is full of others
    assert all(queue.put(row("charges", "innocent")) is not None for _ in range(20))
    assert queue.put(row("charges", None)) is not None
    assert queue.put(row("sessions", "innocent")) is not None


def test_the_shares_are_free_again_when_rows_are_written() -> None:
    queue = WriteQueue(10, session_rows=2)
    for name in "abc":
        assert queue.put(row("turns", name)) and queue.put(row("turns", name))
        assert queue.put(row("turns", name)) is None
    queue.settle(6)
    assert len(queue) == 0
    assert queue.put(row("turns", "a")) is not None
