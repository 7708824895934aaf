"""What a listener tells of a caller, and to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agent.core.calls import CallRecorder, ProviderError
from agent.turn.vad import VoiceStarted, VoiceStopped


class ListenRecorder(CallRecorder, Protocol):
    """Also hears of audio that could not wait any longer."""

    def dropped(self, frames: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Words:
    """Words of the turn so far. `sure` once the recogniser stands by them: it may take tentative ones back."""

    text: str
    sure: bool


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """The caller is done. Times are loop times; `ready_at` is when the text was known here."""

    text: str
    speech_ended: float
    ready_at: float


@dataclass(frozen=True, slots=True)
class LikelyEndOfTurn:
    """The caller is probably done with these words. Other `Words` take it back, and so does `TurnResumed`.

    `confidence` (0 to 1): how sure the recogniser is, where it says so. It is told again when it is surer.
    """

    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """The caller was not done: what was likely is taken back."""


@dataclass(frozen=True, slots=True)
class RecogniserLost:
    """The recogniser failed; the listener goes on trying to open a new stream. Told once until words come again."""

    error: ProviderError


ListenEvent = VoiceStarted | VoiceStopped | Words | LikelyEndOfTurn | TurnResumed | EndOfTurn | RecogniserLost
