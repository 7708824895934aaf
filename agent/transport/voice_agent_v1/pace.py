"""How fast a client may send: what is over its pace is dropped, and who goes on all the same is cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.core.audio import BYTES_PER_SECOND
from agent.core.pace import Rate, TokenBucket
from agent.transport.voice_agent_v1.errors import ProtocolError
from agent.transport.voice_agent_v1.messages import CloseCode, Error, Pong, ServerMessage, Text, WireMessage

TELL_EVERY_S: Final = 5.0  # one `error` for whatever was dropped meanwhile


TEXTS: Final = Rate(per_s=1.0, burst=15)
CONTROLS: Final = Rate(per_s=30.0, burst=150)  # pongs, reports of playback, and types that nobody knows
AUDIO: Final = Rate(per_s=1.2, burst=10.0)  # seconds: a phone that wakes up sends what it has recorded meanwhile
FRAMES: Final = Rate(per_s=250.0, burst=1_500.0)  # of audio, however small they are
PATIENCE: Final = Rate(per_s=2.0, burst=150.0)  # what may be dropped before the connection is closed; see `_over`


class Pacer:
    """The pace of one connection. `dropped` is told the kind of each thing that was over it."""

    def __init__(self, now: float, send: Callable[[ServerMessage], None], dropped: Callable[[str], None]) -> None:
        self._texts = TokenBucket(TEXTS, now)
        self._controls = TokenBucket(CONTROLS, now)
        self._audio = TokenBucket(AUDIO, now)
        self._frames = TokenBucket(FRAMES, now)
        self._patience = TokenBucket(PATIENCE, now)
        self._send = send
        self._dropped = dropped
        self._told_at = -TELL_EVERY_S

    def takes_audio(self, size: int, now: float) -> bool:
        """Whether a frame of so many bytes is taken. Raises ProtocolError for who never stops."""
        seconds = size / BYTES_PER_SECOND
        if self._frames.take(1.0, now) and self._audio.take(seconds, now):
            return True
        self._over("audio", 1.0 + 10 * seconds, now)
        return False

    def takes(self, message: WireMessage | None, now: float) -> bool:
        """Whether a message is taken; None is one of a type that nobody knows. Raises ProtocolError."""
        typed = isinstance(message, Text)
        if (self._texts if typed else self._controls).take(1.0, now):
            return True
        self._over("text" if typed else "control", 0.2 if isinstance(message, Pong) else 1.0, now)
        return False

    def _over(self, kind: str, weight: float, now: float) -> None:
        self._dropped(kind)
        if not self._patience.take(weight, now):
            text = f"too much {kind} was sent, and went on when it was dropped: slow down before you connect again"
            raise ProtocolError("too_fast", text, CloseCode.TOO_FAST)
        if now - self._told_at >= TELL_EVERY_S:
            self._told_at = now
            text = f"{kind} is sent faster than it is taken, and what is over that is dropped: slow down"
            self._send(Error(code="too_fast", message=text, fatal=False))
