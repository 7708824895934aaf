"""One reply on its way to the caller: the wire messages of a turn, and what of it was played and heard."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.core import clock
from agent.telemetry.timeline import Mark, Timeline, TurnOutcome
from agent.transport.send_queue import Outbox
from agent.transport.voice_agent_v1.messages import (
    AudioClear,
    AudioEnd,
    AudioPause,
    AudioResume,
    AudioStart,
    PlaybackReport,
    ReplyText,
    ServerMessage,
    SpeechBrowser,
)
from agent.turn.clauses import Clause
from agent.turn.playback import Playback


@dataclass(slots=True)
class Reply:
    """The session's side of one turn; the turn sees it as its `Caller`."""

    text: str  # what the caller said
    timeline: Timeline
    playback: Playback
    outbox: Outbox | None  # None while the client is away
    cancelled_as: TurnOutcome | None = None
    running: bool = False  # its task has taken its first step
    ear_s: float | None = None  # voice-to-voice by the client's own clock
    _held: bool = field(default=False, init=False)

    @property
    def turn(self) -> int:
        return self.timeline.turn

    def clause(self, clause: Clause) -> None:
        self.playback.clause(clause.written.strip())
        self._send(ReplyText(turn=self.turn, clause=clause.index, text=clause.written.strip()))

    async def audio(self, pcm: bytes) -> None:
        first = not self.playback.begun
        if first:
            self._send(AudioStart(turn=self.turn))
        self._send(pcm)
        if first and self.outbox is not None:
            await self.outbox.written()
        self.playback.audio(len(pcm), clock.now())

    def speak_yourself(self, clause: Clause) -> None:
        self._send(SpeechBrowser(turn=self.turn, clause=clause.index, text=clause.spoken))
        self.playback.by_client(clause.spoken, clock.now())

    def complete(self) -> None:
        self.playback.complete(clock.now())
        self._send(AudioEnd(turn=self.turn, audio_ms=round(self.playback.sent_s * 1000, 1)))

    def pause(self, at: float) -> None:
        """Somebody speaks over the reply: the client stops playing and keeps its buffer."""
        self._held = True
        self.playback.pause(at)
        self._send(AudioPause(turn=self.turn))

    def resume(self, at: float) -> None:
        """It was noise: the client plays on."""
        if self._held:
            self._held = False
            self.playback.resume(at)
            self._send(AudioResume(turn=self.turn))

    def clear(self, at: float) -> None:
        """The caller took the turn: what the client has buffered is forgotten."""
        self.playback.pause(at)
        if self.outbox is not None:
            self.outbox.discard_audio()
        self._send(AudioClear(turn=self.turn, heard=self.playback.heard(at)))

    def report(self, message: PlaybackReport, at: float) -> None:
        """Takes what the client says it has played."""
        if message.clause is not None:
            self.playback.clause_report(message.clause, finished=message.event == "finished", at=at)
            return
        if message.event == "started":
            self.timeline.mark(Mark.PLAYBACK_STARTED, at)
        if message.event == "finished" and self.playback.sent_s > 0:
            self.playback.report(self.playback.sent_s, at, playing=True)
            return
        playing = message.event in ("started", "progress", "resumed")
        self.playback.report(message.played_ms / 1000.0, at, playing=playing)

    def _send(self, message: ServerMessage | bytes) -> None:
        if self.outbox is not None:
            self.outbox.send(message)
