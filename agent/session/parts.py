"""What one session is made of. `app.py` wires these; nothing else builds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.budgets import Budgets
from agent.providers.base import LanguageModel, SpeechToText, TextToSpeech
from agent.telemetry.events import SessionInfo, Sink
from agent.turn.history import Conversation
from agent.turn.turn import Apology


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds."""

    start_s: float  # from the upgrade to `start`
    idle_s: float  # without a word from either side
    session_s: float
    grace_s: float  # for a client that lost its connection
    barge_in_word_s: float  # from a voice over a reply to its first recognised word
    stt_idle_s: float  # without a voice until the recogniser's stream is closed


@dataclass(frozen=True, slots=True)
class Choice:
    """Which model answers, and which rule said so."""

    model: str
    rule: str


class Router(Protocol):
    """The routing rule of the session's policy."""

    def __call__(self, text: str, recent: Sequence[str]) -> Choice: ...


class Commits(Protocol):
    """The durable side of a turn: `turn.metrics` is sent after it."""

    async def turn_committed(self, session_id: str, turn: int) -> None:
        """Returns when the turn's rows are stored, or when that cannot be waited for; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class SessionParts:
    """Everything a session needs."""

    info: SessionInfo
    stt: SpeechToText
    models: Mapping[str, LanguageModel]  # by the names that the router uses
    tts: TextToSpeech
    route: Router
    conversation: Conversation
    system_prompt: str
    context_tokens: int
    prompt_cache: bool
    apology: Apology
    budgets: Budgets
    limits: Limits
    sink: Sink
    commits: Commits
