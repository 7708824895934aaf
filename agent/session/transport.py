"""The seam between a session and whatever carries it: a WebSocket today, a telephone line tomorrow.

A transport opens or finds its session through the `Registry`, attaches itself, hands over audio and commands, and
detaches when its client is gone. The session talks back through `ClientTransport`. Codes and formats of the wire are
the transport's alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from agent.session.events import SessionEvent


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a client can do. What is not declared is not counted on."""

    browser_speech: bool = False  # it can speak a text itself (`SpeechRequested`)
    browser_recogniser: bool = False  # it can recognise speech itself (`ListeningRequested`)
    playback_reports: bool = False  # it sends `ReportPlayback`


class CloseReason(StrEnum):
    """Why a session lets go of a connection: how the session ended, or that it goes on elsewhere."""

    COMPLETED = "completed"
    VANISHED = "vanished"
    IDLE = "idle"
    TOO_LONG = "too_long"
    REPLACED = "replaced"
    DRAINED = "drained"
    REFUSED = "refused"
    COST_CAP = "cost_cap"
    FAILED = "failed"
    MOVED = "moved"
    CRASHED = "crashed"
    TAKEN_OVER = "taken_over"  # a newer connection carries the session from now on


class ClientTransport(Protocol):
    """One connection of a client. Only `drained` waits; nothing raises, also when the client is gone already."""

    @property
    def round_trip_s(self) -> float | None:
        """The round trip to the client in seconds; None until it was measured."""
        ...

    def send(self, event: SessionEvent) -> None:
        """Tells the client, after what was sent before."""
        ...

    def send_audio(self, pcm: bytes) -> None:
        """Sends PCM s16le mono 16 kHz of the open reply, after what was sent before."""
        ...

    def clear_audio(self) -> None:
        """Forgets audio that has not left yet."""
        ...

    async def drained(self) -> None:
        """Waits until everything that was sent has left, or the connection is closed."""
        ...

    def close(self, reason: CloseReason) -> None:
        """Lets what was sent leave and closes; the first reason counts."""
        ...
