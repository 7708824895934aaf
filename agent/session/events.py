"""What a session tells its client. A transport turns these into messages of its protocol; no event knows any wire.

Times are in seconds. `turn` counts the turns of the session from 1, `clause` the clauses of a reply from 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.core.calls import Service
from agent.telemetry.events import SessionOutcome
from agent.telemetry.timeline import TurnRecord


@dataclass(frozen=True, slots=True)
class TranscriptUpdated:
    """The words of the open turn so far."""

    text: str


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The caller is done: this is what was said, and a reply is owed."""

    turn: int
    text: str
    spoken: bool


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """The audio that follows is the reply of this turn."""

    turn: int


@dataclass(frozen=True, slots=True)
class FillerSent:
    """The next `audio_s` seconds of audio are a piece of `text`, which says no more than that a reply will come."""

    turn: int
    text: str
    audio_s: float


@dataclass(frozen=True, slots=True)
class ClauseStarted:
    """One clause of the reply, before its audio."""

    turn: int
    clause: int
    text: str


@dataclass(frozen=True, slots=True)
class SpeechRequested:
    """The client is asked to speak this clause itself."""

    turn: int
    clause: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyCompleted:
    """All audio of the reply was sent."""

    turn: int
    audio_s: float


@dataclass(frozen=True, slots=True)
class ReplyPaused:
    """Somebody speaks: the client stops playing and keeps what it has buffered."""

    turn: int


@dataclass(frozen=True, slots=True)
class ReplyResumed:
    """It was noise: the client plays on."""

    turn: int


@dataclass(frozen=True, slots=True)
class ReplyCleared:
    """The caller took the turn: what is buffered is forgotten. `heard` is the part that counts as heard."""

    turn: int
    heard: str


@dataclass(frozen=True, slots=True)
class ListeningRequested:
    """No recogniser is left, or it is simulated: the client is asked to recognise speech itself.

    `reason` is a bounded word: a kind of error, or `simulated`.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class WordsMissed:
    """The caller has typed marks alone, to which nobody can reply."""


@dataclass(frozen=True, slots=True)
class TypingRequested:
    """No recogniser is left, and the client has none: the caller is asked to type."""


@dataclass(frozen=True, slots=True)
class ServiceDegraded:
    """A later place of a chain serves now. `place` counts from 1; `reason` is a bounded word."""

    service: Service
    place: int
    reason: str
    notice: str


@dataclass(frozen=True, slots=True)
class ServiceRecovered:
    """The first place of a chain serves again."""

    service: Service


@dataclass(frozen=True, slots=True)
class EchoNoticed:
    """The caller's loudspeaker comes back through the microphone. Told once."""


@dataclass(frozen=True, slots=True)
class TurnMeasured:
    """Where the time of a finished turn went; it is stored by now."""

    record: TurnRecord


@dataclass(frozen=True, slots=True)
class CostUpdated:
    """What the session has cost so far, in dollars."""

    usd: float
    by_service: Mapping[str, float]
    tokens: int


@dataclass(frozen=True, slots=True)
class MemoryUpdated:
    """The topics and states of the conversation, as plain data."""

    graph: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class EndingSoon:
    """Most of what the session may cost is spent: it will end at `limit_usd` dollars."""

    limit_usd: float


@dataclass(frozen=True, slots=True)
class TextShown:
    """The caller should see this text: a reference, an address."""

    text: str


@dataclass(frozen=True, slots=True)
class TransferRequested:
    """The caller wants a person: the client connects them, and tells the person `summary`."""

    summary: str


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """The session is over; nothing follows."""

    outcome: SessionOutcome
    turns: int


SessionEvent = (
    TranscriptUpdated
    | TurnStarted
    | ReplyStarted
    | FillerSent
    | ClauseStarted
    | SpeechRequested
    | ReplyCompleted
    | ReplyPaused
    | ReplyResumed
    | ReplyCleared
    | ListeningRequested
    | TypingRequested
    | WordsMissed
    | ServiceDegraded
    | ServiceRecovered
    | EchoNoticed
    | TurnMeasured
    | CostUpdated
    | MemoryUpdated
    | EndingSoon
    | TextShown
    | TransferRequested
    | SessionClosed
)
