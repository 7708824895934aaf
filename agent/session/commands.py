"""What a client asks of a session. A transport makes these from its messages; audio has a method of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from agent.core.errors import AgentError

MAX_TEXT: Final = 2_000  # characters of one typed turn

PlaybackState = Literal["started", "progress", "paused", "resumed", "cleared", "finished"]


class CommandError(AgentError):
    """A command makes no sense. `code` is a bounded word; the message says what is taken, and holds no text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class SayText:
    """A typed turn, or one that the client's own recogniser heard (`spoken`)."""

    text: str
    spoken: bool = False


@dataclass(frozen=True, slots=True)
class ReportPlayback:
    """What the client has really played of a reply.

    played_s: audio of this turn that was audible so far, in seconds. clause: where the client speaks itself, the clause
    that was begun or finished. ear_s: with `started`, seconds from the caller's end of speech to the first audible
    sample, by the client's own clock.
    """

    turn: int
    state: PlaybackState
    played_s: float = 0.0
    clause: int | None = None
    ear_s: float | None = None


@dataclass(frozen=True, slots=True)
class HangUp:
    """The caller is done."""


SessionCommand = SayText | ReportPlayback | HangUp
