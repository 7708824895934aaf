"""Puts what happens in the service into the ledger's queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from agent.billing.prices import Charge
from agent.billing.pricing import utc_now
from agent.ledger import rows
from agent.ledger.ledger import Ledger
from agent.telemetry.events import CallFinished, Event, FellBack, SessionEnded, SessionStarted, TurnFinished


class LedgerSink:
    """A sink, and the recorder of `PricingSink`, which prices the calls."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime] = utc_now) -> None:
        self._ledger = ledger
        self._clock = clock

    def record_charges(self, event: CallFinished, charges: Sequence[Charge], at: datetime) -> None:
        """Queues the charges of one call."""
        for row in rows.charges_of(event, charges, at):
            self._ledger.record(row)

    def handle(self, event: Event) -> None:
        """Queues sessions, turns and fallbacks; leaves the other events alone."""
        match event:
            case TurnFinished():
                self._ledger.record(rows.turn_finished(event.session, event.record, self._clock()))
            case SessionStarted():
                self._ledger.record(rows.session_started(event.session, self._clock()))
            case SessionEnded():
                self._ledger.record(rows.session_ended(event, self._clock()))
            case FellBack():
                self._ledger.record(rows.fell_back(event, self._clock()))
            case _:
                pass
