"""Puts what happens in the service into the ledger's queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from agent.billing.prices import Charge
from agent.billing.pricing import utc_now
from agent.ledger import rows
from agent.ledger.ledger import Ledger
from agent.telemetry.events import Event, FellBack, Paid, SessionEnded, SessionStarted, TurnFinished
from agent.telemetry.timeline import TurnOutcome


class LedgerSink:
    """A sink, and the recorder of `PricingSink`, which prices the calls."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime] = utc_now) -> None:
        self._ledger = ledger
        self._clock = clock
        self._unbegun: dict[str, tuple[TurnFinished, int]] = {}  # session → its newest turn that never began, how many

    def record_charges(self, event: Paid, charges: Sequence[Charge], at: datetime) -> None:
        """Queues the charges of one call."""
        for row in rows.charges_of(event, charges, at):
            self._ledger.record(row)

    def handle(self, event: Event) -> None:
        """Queues sessions, turns and fallbacks; leaves the other events alone."""
        match event:
            case TurnFinished():
                self._turn(event)
            case SessionStarted():
                self._ledger.record(rows.session_started(event.session, self._clock()))
            case SessionEnded():
                self._keep_unbegun(event.session.session_id)
                self._ledger.record(rows.session_ended(event, self._clock()))
            case FellBack():
                self._ledger.record(rows.fell_back(event, self._clock()))
            case _:
                pass

    def _turn(self, event: TurnFinished) -> None:
        """Typed turns that follow each other before any of them begins leave one row, with their number."""
        session_id, record = event.session.session_id, event.record
        if record.outcome is TurnOutcome.SUPERSEDED and not record.spoken and not record.calls:
            _, count = self._unbegun.get(session_id, (event, 0))
            self._unbegun[session_id] = (event, count + 1)
            return
        self._keep_unbegun(session_id)
        self._ledger.record(rows.turn_finished(event.session, record, self._clock()))

    def _keep_unbegun(self, session_id: str) -> None:
        held = self._unbegun.pop(session_id, None)
        if held is not None:
            event, count = held
            self._ledger.record(rows.turn_finished(event.session, event.record, self._clock(), count))
