"""What is told of a finished turn, and to whom: the sinks, the client, and the small model that takes notes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent.core.calls import Service
from agent.memory import NotesRequest
from agent.session.degradation import Disclosure
from agent.session.dependencies import SessionDependencies
from agent.session.events import CostUpdated, SessionEvent, TurnMeasured
from agent.session.turn_recorders import NotesRecorder, waited_s
from agent.telemetry.events import DeadAir, FellBack, NotesTaken, TurnFinished
from agent.telemetry.timeline import TurnRecord


class TurnReports:
    """The reports of one session's turns. Its tasks run in `group`; its methods never wait."""

    def __init__(
        self,
        parts: SessionDependencies,
        group: asyncio.TaskGroup,
        send: Callable[[SessionEvent], None],
        disclosure: Disclosure,
    ) -> None:
        self._parts, self._group, self._send, self._disclosure = parts, group, send, disclosure
        self._notes: asyncio.Task[None] | None = None
        self.last: asyncio.Task[None] | None = None
        """The report of the newest turn, which its client waits for."""

    def finished(self, record: TurnRecord) -> None:
        """The client is told once the turn is stored; notes are taken while the caller listens or speaks."""
        self.last = self._group.create_task(self._report(record))
        self._take_notes()

    def stop(self) -> None:
        """The session ends: notes that are not taken yet are not."""
        if self._notes is not None:
            self._notes.cancel()

    def record(self, record: TurnRecord, gap_s: float) -> None:
        """Tells the sinks. `gap_s`: silence within the reply, in seconds."""
        info, sink = self._parts.info, self._parts.sink
        for fallback in record.fallbacks:
            sink.handle(FellBack(info, fallback))
        moved: set[Service] = {fallback.service for fallback in record.fallbacks}
        served: set[Service] = {call.service for call in record.calls if call.outcome == "ok"}
        for service in served - moved:
            self._disclosure.recovered(service)
        if record.owed:
            sink.handle(DeadAir(info, waited_s(record) + gap_s))
        sink.handle(TurnFinished(info, record))

    async def _report(self, record: TurnRecord) -> None:
        parts = self._parts
        await parts.ledger.turn_committed(parts.info.session_id, record.turn)
        self._send(TurnMeasured(record))
        self._send(parts.memory.view())
        if parts.show_cost:
            spent = parts.spending
            self._send(CostUpdated(spent.usd, spent.by_service, spent.tokens))

    def _take_notes(self) -> None:
        """Has the new turns noted, one request at a time, while the caller listens or speaks."""
        parts = self._parts
        request = parts.memory.notes_due(parts.spending.usd)
        if request is None or (self._notes is not None and not self._notes.done()):
            return
        self._notes = self._group.create_task(self._note(request))

    async def _note(self, request: NotesRequest) -> None:
        parts = self._parts
        taken = await parts.memory.take_notes(request, parts.note_taker, NotesRecorder(parts))
        if taken is not None:
            parts.sink.handle(NotesTaken(parts.info, *taken))
