"""What hears of the provider calls of turns and notes: each call is charged when it ends, with its cause."""

from __future__ import annotations

from agent.core.calls import Call, ErrorKind, Fallback
from agent.session.degradation import Disclosure
from agent.session.dependencies import SessionDependencies
from agent.telemetry.events import CallFinished, Cause
from agent.telemetry.stages import Mark
from agent.telemetry.timeline import TurnRecord


class TurnRecorder:
    """Charges each provider call of a turn when the call ends, and tells the client at once of moves along a chain."""

    def __init__(self, parts: SessionDependencies, turn: int, disclosure: Disclosure) -> None:
        self._parts = parts
        self._turn = turn
        self._disclosure = disclosure

    def record(self, call: Call) -> None:
        self._parts.sink.handle(CallFinished(self._parts.info, self._turn, call, cause_of(call)))

    def fell_back(self, fallback: Fallback) -> None:
        self._disclosure.fell_back(fallback)


class NotesRecorder:
    """Charges notes to the session, under their own cause, and tells memory what they cost."""

    def __init__(self, parts: SessionDependencies) -> None:
        self._parts = parts

    def record(self, call: Call) -> None:
        before = self._parts.spending.usd
        self._parts.sink.handle(CallFinished(self._parts.info, None, call, Cause.SUMMARY))
        self._parts.memory.notes_cost(max(0.0, self._parts.spending.usd - before))


def waited_s(record: TurnRecord) -> float:
    """Seconds from the caller's last sound to the first of the reply, or to the turn's end where there was none."""
    spoke = record.marks.get(Mark.SPEECH_ENDED, record.ended_at)
    return max(0.0, record.marks.get(Mark.AUDIO_SENT, record.ended_at) - spoke)


def cause_of(call: Call) -> Cause:
    if call.spare:
        return Cause.HEDGE
    if call.outcome == "ok":
        return Cause.SERVED
    return Cause.RETRY if isinstance(call.outcome, ErrorKind) else Cause.INTERRUPTED
