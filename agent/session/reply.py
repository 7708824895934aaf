"""One reply on its way to the caller: what the client is told of a turn, and what of it was played and heard."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.core import clock
from agent.core.audio import duration_s
from agent.session.commands import ReportPlayback
from agent.session.events import (
    ClauseStarted,
    FillerSent,
    ReplyCleared,
    ReplyCompleted,
    ReplyPaused,
    ReplyResumed,
    ReplyStarted,
    SessionEvent,
    SpeechRequested,
)
from agent.session.transport import ClientTransport
from agent.telemetry.stages import Mark
from agent.telemetry.timeline import Timeline, TurnOutcome
from agent.turn.clauses import Clause
from agent.turn.playback import Playback


@dataclass(slots=True)
class Reply:
    """The session's side of one turn; the turn sees it as its `Caller`."""

    text: str  # what the caller said
    timeline: Timeline
    playback: Playback
    client: ClientTransport | None  # None while the client is away
    cancelled_as: TurnOutcome | None = None
    running: bool = False  # its task has taken its first step
    says: str | None = None  # a fixed sentence in the place of an answer
    farewell: bool = False  # the service ends the call with it
    over_at: float | None = None  # when its turn was over
    acknowledged: bool = False  # the caller said "uh-huh" or the like while it played
    echoes: bool = False  # what it answers was the loudspeaker's echo of the reply before
    ear_s: float | None = None  # voice-to-voice by the client's own clock
    _held: bool = field(default=False, init=False)

    @property
    def turn(self) -> int:
        return self.timeline.turn

    def clause(self, clause: Clause) -> None:
        self.playback.clause(clause.written.strip(), clause.spoken.strip())
        self._send(ClauseStarted(self.turn, clause.index, clause.written.strip()))

    async def audio(self, pcm: bytes) -> None:
        if not self.playback.begun:
            self._send(ReplyStarted(self.turn))
        await self._sound(pcm, first=not self.playback.answered)
        self.playback.audio(len(pcm), clock.now())

    async def filler(self, text: str, pcm: bytes) -> None:
        first = not self.playback.begun
        if first:
            self._send(ReplyStarted(self.turn))
        self._send(FillerSent(self.turn, text, duration_s(len(pcm))))
        await self._sound(pcm, first=first)
        self.playback.filler(len(pcm), clock.now())

    async def _sound(self, pcm: bytes, *, first: bool) -> None:
        """Sends a piece; the first one returns when it was written to the socket."""
        if self.client is not None:
            self.client.send_audio(pcm)
            if first:
                await self.client.drained()

    def speak_yourself(self, clause: Clause) -> None:
        self._send(SpeechRequested(self.turn, clause.index, clause.spoken))
        self.playback.by_client(clause.spoken, clock.now())

    def complete(self) -> None:
        self.playback.complete(clock.now())
        self._send(ReplyCompleted(self.turn, self.playback.sent_s))

    def pause(self, at: float) -> None:
        """Somebody speaks over the reply: the client stops playing and keeps its buffer."""
        self._held = True
        self.playback.pause(at)
        self._send(ReplyPaused(self.turn))

    def resume(self, at: float) -> None:
        """It was noise: the client plays on."""
        if self._held:
            self._held = False
            self.playback.resume(at)
            self._send(ReplyResumed(self.turn))

    def clear(self, at: float) -> None:
        """The caller took the turn: what the client has buffered is forgotten."""
        self.playback.pause(at)
        if self.client is not None:
            self.client.clear_audio()
        self._send(ReplyCleared(self.turn, self.playback.heard(at)))

    def report(self, report: ReportPlayback, at: float) -> None:
        """Takes what the client says it has played."""
        if report.clause is not None:
            self.playback.clause_report(report.clause, finished=report.state == "finished", at=at)
            return
        if report.state == "started" and self.playback.answered:
            self.timeline.mark(Mark.PLAYBACK_STARTED, at)
        if report.state == "finished" and self.playback.sent_s > 0:
            self.playback.report(self.playback.sent_s, at, playing=True)
            return
        playing = report.state in ("started", "progress", "resumed")
        self.playback.report(report.played_s, at, playing=playing)

    def _send(self, event: SessionEvent) -> None:
        if self.client is not None:
            self.client.send(event)
