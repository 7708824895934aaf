"""Who is told of the provider calls of a session, and under which cause they are charged."""

from __future__ import annotations

from agent.core.calls import Call, ErrorKind, Fallback
from agent.session.degradation import Disclosure
from agent.session.dependencies import SessionDependencies
from agent.telemetry.events import CallFinished, Cause


class TurnCalls:
    """Charges each provider call of a turn when the call ends, and tells the client at once of moves along a chain."""

    def __init__(self, parts: SessionDependencies, turn: int, disclosure: Disclosure) -> None:
        self._parts = parts
        self._turn = turn
        self._disclosure = disclosure

    def record(self, call: Call) -> None:
        self._parts.sink.handle(CallFinished(self._parts.info, self._turn, call, _cause(call)))

    def fell_back(self, fallback: Fallback) -> None:
        self._disclosure.fell_back(fallback)


class NotesCalls:
    """Charges notes to the session, under their own cause, and tells memory what they cost."""

    def __init__(self, parts: SessionDependencies) -> None:
        self._parts = parts

    def record(self, call: Call) -> None:
        before = self._parts.spending.usd
        self._parts.sink.handle(CallFinished(self._parts.info, None, call, Cause.SUMMARY))
        self._parts.memory.notes_cost(max(0.0, self._parts.spending.usd - before))


def _cause(call: Call) -> Cause:
    if call.outcome == "ok":
        return Cause.SERVED
    return Cause.RETRY if isinstance(call.outcome, ErrorKind) else Cause.INTERRUPTED
