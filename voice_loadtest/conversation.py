"""One side of a conversation: what the server says becomes records and sound, what the caller does becomes messages.

No I/O and no tasks: the caller feeds it frames and ticks, and it calls `send` with the messages that are due.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from voice_loadtest.audio import SAMPLE_RATE, CallerRecording
from voice_loadtest.microphone import Microphone, Saying
from voice_loadtest.player import PlaybackEvent, Player, Playing
from voice_loadtest.protocol import GREETING, ServerEvent, decode
from voice_loadtest.records import CallerTurn, CallFault, CallRecord, SoundKind, Utterance
from voice_loadtest.script import TYPED

_MAX_FAULTS: Final = 100
_NOT_PROGRESS: Final = frozenset({"ping", "session.cost", "memory.view"})

OnTurn = Callable[[CallerTurn, CallRecord], None]


@dataclass(frozen=True, slots=True)
class CallLinks:
    """What a conversation is connected to. `send` takes a JSON message, `send_audio` a ready WebSocket frame."""

    clock: Callable[[], float]  # monotonic seconds
    send: Callable[[Mapping[str, Any]], None]
    send_audio: Callable[[bytes], None]
    changed: Callable[[], None]  # something happened that somebody may be waiting for
    on_turn: OnTurn | None = None  # a turn is over and measured
    sink: Callable[[bytes], None] | None = None  # PCM s16le mono 16 kHz, as it is played


class CallConversation:
    """The state of one call."""

    def __init__(self, links: CallLinks, *, playback_reports: bool, keep_audio: bool) -> None:
        self.record = CallRecord()
        self.player = Player(links.clock, self._on_playback, links.sink)
        self.player.keep = self.player.keep or keep_audio
        self.microphone = Microphone(links.send_audio, links.clock)
        self.progress_at = links.clock()
        self.given_up = False  # nobody waits any longer for a reply to the last utterance
        self._links = links
        self._playback_reports = playback_reports
        self._keep_audio = keep_audio
        self._turns: dict[int, CallerTurn] = {}
        self._replies: dict[int, Playing] = {}  # of turns that have begun to reply
        self._speaking: tuple[Utterance, Saying] | None = None
        self._receiving: Playing | None = None  # binary frames belong to this reply
        self._typed = ""  # the last typed turn
        self._filler_bytes = 0  # of the next audio that are no part of the reply
        self._filler_until = 0.0
        self._announced: set[int] = set()
        self._handlers: dict[str, Callable[[ServerEvent], None]] = {
            "session.ready": self.record.begun,
            "ping": lambda message: self._links.send({"type": "pong", "id": message.id}),
            "transcript.final": self._on_transcript,
            "reply.text": self._on_reply_text,
            "audio.start": self._on_audio_start,
            "filler": self._on_filler,
            "audio.end": self._on_audio_end,
            "audio.pause": self._on_pause,
            "audio.resume": self._on_resume,
            "audio.clear": self._on_clear,
            "speech.browser": self._on_speech,
            "degraded": self.record.degraded_by,
            "recovered": lambda message: self.record.degraded.append({"service": message.service, "recovered": True}),
            "turn.metrics": self._on_metrics,
            "session.cost": self.record.costs,
            "error": lambda message: self.fault(message.code, message.message, fatal=message.fatal),
            "session.end": self.record.ended_by,
        }

    # What the caller does

    def say(self, clip: CallerRecording, kind: SoundKind) -> Saying:
        """Begins to say a clip, or to make a noise."""
        utterance = Utterance(kind, clip.name)
        self.record.utterances.append(utterance)
        self.given_up = self.given_up and kind == "noise"
        saying = self.microphone.say(clip, self._on_voice)
        self._speaking = (utterance, saying)
        return saying

    def type(self, text: str) -> None:
        """Sends a typed turn."""
        self.record.utterances.append(Utterance("text", TYPED, ended_at=self._links.clock(), whole=True))
        self.given_up, self._typed = False, text
        self._links.send({"type": "text", "text": text})

    def type_again(self) -> None:
        """Sends the last typed turn once more, where the server made none of it."""
        said = self._last_said()
        if said is not None and said.kind == "text" and not said.turns and not self.given_up:
            self._links.send({"type": "text", "text": self._typed})

    def line_lost(self) -> None:
        """Forgets what was on its way: what the server still owes it says again."""
        self._receiving, self._filler_bytes = None, 0
        for number in [number for number, reply in self._replies.items() if not reply.over]:
            self.player.clear(number)
            del self._replies[number]

    def tick(self) -> None:
        """20 ms have passed: sends the microphone's next frame and moves the player on."""
        ended = self.microphone.tick()
        if self._speaking is not None:
            utterance, saying = self._speaking
            utterance.ended_at = saying.last_voiced_at
            if ended:
                utterance.whole = True
                self._speaking = None
                self._links.changed()
        if not self.player.idle and self.player.audible is not None:
            self.progress_at = self._links.clock()

    def fault(self, code: str, message: str, *, fatal: bool = False) -> None:
        if len(self.record.errors) < _MAX_FAULTS:
            self.record.errors.append(CallFault(code, message, fatal))

    # What somebody waits for

    @property
    def settled(self) -> bool:
        """The last thing said, or the greeting, has been heard to its end, or nobody waits for it any longer."""
        said = self._last_said()
        if self.given_up:
            return True
        if said is None:
            return self._greeted
        if not said.turns or not self.player.idle:
            return False
        last = self._turns[max(self._turns)]
        # a turn that the caller took over, by speaking on, has another one after it
        return last.finished or (last.measured and not last.cleared and last.outcome != "superseded")

    @property
    def _greeted(self) -> bool:
        """The agent's greeting was heard to its end, where it has one; who comes back is not greeted again."""
        greeting = self._turns.get(GREETING)
        if greeting is None:
            return not self.record.greets
        return greeting.finished or ((greeting.measured or self.record.resumed) and self.player.idle)

    @property
    def reply_began_at(self) -> float | None:
        """When the reply to the last thing said became audible; before anything was said, the greeting."""
        said = self._last_said()
        turns = [GREETING] if said is None else said.turns
        reply = self._replies.get(turns[-1]) if turns else None
        return reply.started_at if reply is not None else None

    @property
    def measured(self) -> bool:
        """The metrics of every turn have come."""
        return all(turn.measured for turn in self._turns.values())

    def _last_said(self) -> Utterance | None:
        return next((said for said in reversed(self.record.utterances) if said.kind != "noise"), None)

    # What the server says

    def receive_text(self, frame: str) -> None:
        """A text frame has arrived."""
        try:
            message = decode(frame)
        except msgspec.DecodeError:
            self.fault("not_a_message", "the server sent a text frame that is not a message of the protocol")
            return
        handler = self._handlers.get(message.type)
        if message.type not in _NOT_PROGRESS:
            self.progress_at = self._links.clock()
        if handler is not None:
            handler(message)
            self._links.changed()

    def receive_audio(self, pcm: bytes) -> None:
        """A binary frame has arrived: PCM s16le mono 16 kHz."""
        reply = self._receiving
        if reply is None:
            self.fault("stray_audio", "the server sent audio that belongs to no reply")
            return
        self.progress_at = now = self._links.clock()
        turn = self._turns[reply.turn]
        if self._filler_bytes > 0:
            self._filler_bytes -= len(pcm)
        else:
            turn.sounded = turn.sounded or pcm.count(0) < len(pcm)
            if turn.first_audio_at is None and pcm:
                turn.first_audio_at = max(now, self._filler_until)  # it is heard behind the filler
        self.player.feed(reply, pcm)
        turn.audio_received_ms = reply.audio_s * 1000
        self._links.changed()

    def _on_filler(self, message: ServerEvent) -> None:
        seconds = (message.audio_ms or 0.0) / 1000
        self._filler_bytes += round(seconds * SAMPLE_RATE) * 2
        self._filler_until = max(self._links.clock(), self._filler_until) + seconds

    def _turn(self, number: int | None, *, spoken: bool | None = None) -> CallerTurn:
        """The record of a turn; a new one belongs to the last thing of its kind that was said."""
        number = number if number is not None else 0
        turn = self._turns.get(number)
        if turn is None:
            kinds = ("text",) if spoken is False else ("speech", "noise") if spoken else ("text", "speech", "noise")
            kinds = kinds if number != GREETING else ()  # it answers nothing that was said
            begun = (
                said
                for said in reversed(self.record.utterances)
                if said.kind in kinds and (said.kind == "text" or said.first_voiced_at is not None)
            )
            utterance = next(begun, None)
            if spoken is None:
                spoken = number != GREETING and (utterance is None or utterance.kind != "text")
            turn = self._turns[number] = CallerTurn(number, utterance, spoken)
            if utterance is not None:
                utterance.turns.append(number)
            self.record.turns.append(turn)
        return turn

    def _reply(self, number: int | None) -> Playing:
        turn = self._turn(number)
        reply = self._replies.get(turn.turn or 0)
        if reply is None:
            reply = self._replies[turn.turn or 0] = self.player.open(turn.turn or 0)
        return reply

    def _on_transcript(self, message: ServerEvent) -> None:
        self._turn(message.turn, spoken=message.spoken is not False).transcript = message.text

    def _on_reply_text(self, message: ServerEvent) -> None:
        turn = self._turn(message.turn)
        turn.clauses[message.clause if message.clause is not None else len(turn.clauses)] = message.text
        if turn.first_text_at is None:
            turn.first_text_at = self._links.clock()

    def _on_audio_start(self, message: ServerEvent) -> None:
        self._receiving = self._reply(message.turn)

    def _on_audio_end(self, message: ServerEvent) -> None:
        self._turn(message.turn).audio_sent_ms = message.audio_ms
        self.player.complete(self._reply(message.turn))
        self._receiving = None

    def _on_pause(self, message: ServerEvent) -> None:
        if message.turn is not None and self.player.pause(message.turn):
            self._turn(message.turn).paused += 1
            self._stopped(message.turn)

    def _on_resume(self, message: ServerEvent) -> None:
        if message.turn is not None and self.player.resume(message.turn):
            self._turn(message.turn).resumed += 1

    def _on_clear(self, message: ServerEvent) -> None:
        turn = self._turn(message.turn)
        turn.cleared, turn.heard = True, message.heard
        if self._receiving is not None and self._receiving.turn == turn.turn:
            self._receiving = None
        if message.turn is not None and self.player.clear(message.turn) is not None:
            self._stopped(message.turn)
        self._announce(turn)

    def _stopped(self, turn: int) -> None:
        """The reply of a turn stopped sounding before its end: the barge-in of whoever spoke over it has worked."""
        sound = self.record.utterances[-1] if self.record.utterances else None
        if sound is None or sound.first_voiced_at is None or sound.over_reply != turn:
            return
        if sound.barge_in_ms is None:
            sound.barge_in_ms = (self._links.clock() - sound.first_voiced_at) * 1000

    def _on_speech(self, message: ServerEvent) -> None:
        turn = self._turn(message.turn)
        turn.own_clauses += 1
        if turn.first_audio_at is None:
            turn.first_audio_at = self._links.clock()
        self.player.speak(self._reply(message.turn), message.clause or 0, message.text)

    def _on_metrics(self, message: ServerEvent) -> None:
        turn = self._turn(message.turn, spoken=message.spoken)
        turn.measured = True
        turn.outcome, turn.model, turn.rule = message.outcome, message.model, message.rule
        turn.answered_by = message.answered_by
        turn.server_voice_to_voice_ms, turn.stages = message.voice_to_voice_ms, message.stages
        turn.over_budget, turn.trace_id = message.over_budget, message.trace_id
        reply = self._replies.get(turn.turn or 0)
        if reply is not None and not reply.over:
            self.player.complete(reply)  # replies that the caller speaks itself have no `audio.end`
        self._announce(turn)

    # What the microphone and the player say

    def _on_voice(self) -> None:
        if self._speaking is None:
            return
        utterance, saying = self._speaking
        utterance.first_voiced_at = saying.first_voiced_at
        audible = self.player.audible
        utterance.over_reply = audible.turn if audible is not None else None

    def _on_playback(self, event: PlaybackEvent, playing: Playing, clause: int | None, at: float) -> None:
        turn = self._turns[playing.turn]
        turn.played_ms, turn.gap_ms = playing.played_s * 1000, playing.gap_s * 1000
        if self._playback_reports:
            report: dict[str, Any] = {"type": "playback", "turn": playing.turn, "event": event}
            report["played_ms"] = round(playing.played_s * 1000, 1)
            if clause is not None:
                report["clause"] = clause
            if event == "started" and turn.voice_to_voice_ms is not None and clause in (None, 0):
                report["ear_ms"] = round(turn.voice_to_voice_ms, 1)
            self._links.send(report)
        if playing.over:
            self._on_over(turn, playing, finished=event == "finished")

    def _on_over(self, turn: CallerTurn, playing: Playing, *, finished: bool) -> None:
        if finished:
            turn.finished, turn.heard = True, turn.reply
        if self._keep_audio:
            self.record.audio.append(playing.heard_pcm)
        playing.pcm.clear()
        self._announce(turn)
        self._links.changed()

    def _announce(self, turn: CallerTurn) -> None:
        """Tells `on_turn` once about a turn that is measured and whose reply is over."""
        reply = self._replies.get(turn.turn or 0)
        done = turn.measured and (reply is None or reply.over)
        if done and turn.turn not in self._announced and self._links.on_turn is not None:
            self._announced.add(turn.turn or 0)
            self._links.on_turn(turn, self.record)

    def finish(self, script: Sequence[str] = ()) -> CallRecord:
        """The call is over: completes the records and announces the turns that never came to their end."""
        for number, reply in self._replies.items():
            turn = self._turns[number]
            turn.played_ms, turn.gap_ms = reply.played_s * 1000, reply.gap_s * 1000
            if not reply.over and self._keep_audio:
                self.record.audio.append(reply.heard_pcm)
        self.record.finish(script)
        for turn in self.record.turns:
            if (turn.turn is None or turn.turn not in self._announced) and self._links.on_turn is not None:
                self._links.on_turn(turn, self.record)
        return self.record
