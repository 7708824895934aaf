"""A virtual loudspeaker: audio that has arrived is played by the clock, and the caller is told what was audible when.

Nothing is computed while nothing happens: `advance` moves the play head to now, whoever calls it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from voice_loadtest.audio import BYTES_PER_SECOND, SAMPLE_RATE

CHARACTERS_PER_SECOND: Final = 15.0  # of a browser's speech synthesis, for clauses that the caller speaks itself
_PROGRESS_EVERY_S: Final = 0.25
_NEXT_TO_NOTHING_S: Final = 1e-6
_MAX_BUFFER_BYTES: Final = 120 * BYTES_PER_SECOND  # audio of one reply that is kept

PlaybackEvent = Literal["started", "progress", "paused", "resumed", "cleared", "finished"]


@dataclass(frozen=True, slots=True)
class OwnClause:
    """A clause that the caller speaks itself: its place on the reply's time axis, in seconds."""

    clause: int
    begins_s: float
    ends_s: float


@dataclass(slots=True)
class Playing:
    """One reply at the loudspeaker. Lengths are seconds of audio; moments are the clock's, in seconds."""

    turn: int
    received_s: float = 0.0
    played_s: float = 0.0
    gap_s: float = 0.0  # time without sound between the first sample and the last: the buffer had run dry
    complete: bool = False  # nothing more will arrive
    over: bool = False  # played to its end, or cleared
    started_at: float | None = None
    paused: bool = False
    audio_s: float = 0.0  # the part of `received_s` that came as audio
    pcm: bytearray = field(default_factory=bytearray)
    clauses: list[OwnClause] = field(default_factory=list[OwnClause])
    begun: int = 0  # clauses whose beginning was reported
    ended: int = 0
    reported_s: float = 0.0

    @property
    def waiting_s(self) -> float:
        """What has arrived and is not played yet."""
        return self.received_s - self.played_s

    @property
    def next_stop_s(self) -> float:
        """How far it can be played in one go: to the end of the caller's own clause, or of what has arrived."""
        return self.clauses[self.ended].ends_s if self.ended < len(self.clauses) else self.received_s

    @property
    def began_with_audio(self) -> bool:
        return not self.clauses or self.clauses[0].begins_s > 0

    @property
    def heard_pcm(self) -> bytes:
        """The audio that was played, as far as it was kept."""
        return bytes(self.pcm[: _offset(self.played_s)])


# event, reply, clause (for clauses that the caller speaks itself), when
Report = Callable[[PlaybackEvent, Playing, int | None, float], None]


class Player:
    """Plays replies one after another, in the order in which they began to arrive."""

    def __init__(self, clock: Callable[[], float], report: Report, sink: Callable[[bytes], None] | None = None) -> None:
        """`sink` gets the PCM (s16le mono 16 kHz) of every stretch as it is played."""
        self._clock = clock
        self._report = report
        self._sink = sink
        self._queue: deque[Playing] = deque()
        self._at = 0.0
        self.keep = sink is not None  # keep the audio of a reply; set by whoever saves it

    @property
    def audible(self) -> Playing | None:
        """The reply that sounds right now; None while there is none, it is paused or its buffer is empty."""
        self.advance()
        head = self._queue[0] if self._queue else None
        return head if head is not None and not head.paused and head.waiting_s > 0 else None

    @property
    def idle(self) -> bool:
        """Nothing is waiting to be played."""
        return not self._queue

    def open(self, turn: int) -> Playing:
        """The reply of a turn; a new one queues behind what plays."""
        self.advance()
        for playing in self._queue:
            if playing.turn == turn:
                return playing
        playing = Playing(turn)
        self._queue.append(playing)
        return playing

    def feed(self, playing: Playing, pcm: bytes) -> None:
        """Audio of a reply has arrived."""
        self.advance()
        if playing.over:
            return
        playing.received_s += len(pcm) / BYTES_PER_SECOND
        playing.audio_s += len(pcm) / BYTES_PER_SECOND
        if self.keep and len(playing.pcm) < _MAX_BUFFER_BYTES:
            playing.pcm += pcm
        self.advance()

    def speak(self, playing: Playing, clause: int, text: str) -> None:
        """A clause of a reply is to be spoken by the caller itself: it takes its characters' time."""
        self.advance()
        if playing.over:
            return
        begins = playing.received_s
        playing.received_s += max(1, len(text)) / CHARACTERS_PER_SECOND
        playing.clauses.append(OwnClause(clause, begins, playing.received_s))
        if self.keep:
            playing.pcm += bytes(max(0, _offset(playing.received_s) - len(playing.pcm)))
        self.advance()

    def complete(self, playing: Playing) -> None:
        """Nothing more will arrive for a reply."""
        playing.complete = True
        self.advance()

    def pause(self, turn: int) -> bool:
        """Stops at once and keeps the buffer. False when that turn does not play."""
        playing = self._find(turn)
        if playing is None or playing.paused:
            return False
        playing.paused = True
        self._report("paused", playing, None, self._at)
        return True

    def resume(self, turn: int) -> bool:
        playing = self._find(turn)
        if playing is None or not playing.paused:
            return False
        playing.paused = False
        self._report("resumed", playing, None, self._at)
        self.advance()
        return True

    def clear(self, turn: int) -> Playing | None:
        """Drops what is not played yet. None when that turn does not play any more."""
        playing = self._find(turn)
        if playing is None:
            return None
        playing.over = True
        self._queue.remove(playing)
        self._report("cleared", playing, None, self._at)
        return playing

    def _find(self, turn: int) -> Playing | None:
        self.advance()
        return next((playing for playing in self._queue if playing.turn == turn), None)

    def advance(self) -> None:
        """Moves the play head to now and reports what that passed."""
        now = self._clock()
        left = now - self._at  # seconds that are not accounted for yet
        self._at = now
        while self._queue and not self._queue[0].paused:
            head = self._queue[0]
            if head.started_at is None and head.received_s > 0:
                head.started_at = now - left
                if head.began_with_audio:
                    self._report("started", head, None, head.started_at)
            stop = head.next_stop_s
            to_s = head.played_s + left if left < stop - head.played_s - _NEXT_TO_NOTHING_S else stop
            left = max(0.0, left - (to_s - head.played_s))
            self._move(head, to_s, now - left)
            if head.waiting_s > 0 and to_s == stop:
                continue
            if head.waiting_s > 0:
                return
            if not head.complete:
                if head.started_at is not None:
                    head.gap_s += left
                return
            self._queue.popleft()
            head.over = True
            if head.audio_s > 0:
                self._report("finished", head, None, now - left)

    def _move(self, head: Playing, to_s: float, now: float) -> None:
        before = head.played_s
        head.played_s = to_s
        if self._sink is not None and head.played_s > before:
            self._sink(bytes(head.pcm[_offset(before) : _offset(head.played_s)]))
        while head.begun < len(head.clauses) and head.played_s > head.clauses[head.begun].begins_s:
            self._report("started", head, head.clauses[head.begun].clause, now)
            head.begun += 1
        while head.ended < len(head.clauses) and head.played_s >= head.clauses[head.ended].ends_s:
            self._report("finished", head, head.clauses[head.ended].clause, now)
            head.ended += 1
        if head.played_s - head.reported_s >= _PROGRESS_EVERY_S:
            head.reported_s = head.played_s
            self._report("progress", head, None, now)


def _offset(seconds: float) -> int:
    """Bytes of PCM, whole samples."""
    return int(seconds * SAMPLE_RATE + 0.5) * 2
