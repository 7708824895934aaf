"""What a connection needs of its turns, whoever hears them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from voice_sandbox.recognizer.early_end import DOCUMENTED, EarlyEnds
from voice_sandbox.recognizer.turns import TurnEvent, TurnRules
from voice_sandbox.recognizer.words import RecognizedWord


class SpokenTurns(Protocol):
    """One connection's turns. Feed `audio`, and call `check` when `deadline` has come or `on_change` was called."""

    @property
    def rules(self) -> TurnRules:
        """What the client has set."""
        ...

    @rules.setter
    def rules(self, rules: TurnRules) -> None: ...

    @property
    def on_change(self) -> Callable[[], None]:
        """Called when words came late, and `check` has something to tell."""
        ...

    @on_change.setter
    def on_change(self, call: Callable[[], None]) -> None: ...

    @property
    def seconds(self) -> float:
        """Audio received on this stream, in seconds: the clock of all word times."""
        ...

    @property
    def open(self) -> bool:
        """Whether something voiced was received since the last turn ended."""
        ...

    @property
    def opened_at(self) -> float:
        """Stream time in seconds of the first voice of the open turn."""
        ...

    @property
    def started(self) -> bool:
        """Whether a word was heard since the last turn ended."""
        ...

    @property
    def heard(self) -> RecognizedWord:
        """The words of the turn so far."""
        ...

    @property
    def ending(self) -> bool:
        """Whether the turn was ended by order of the client, and its END is still to come from `check`."""
        ...

    @property
    def deadline(self) -> float | None:
        """When `check` should be called if no audio arrives before; None while no turn is open."""
        ...

    def audio(self, pcm: bytes, now: float) -> list[TurnEvent]:
        """Takes in a chunk (PCM s16le mono 16 kHz) that arrived at `now`."""
        ...

    def check(self, now: float) -> list[TurnEvent]:
        """What the passing of time, or words that came late, decide at `now`."""
        ...

    def confidence(self, now: float) -> float:
        """How sure it is at `now` that nobody goes on speaking, 0 to 1."""
        ...

    def force(self, now: float) -> list[TurnEvent]:
        """Ends the turn by order of the client."""
        ...

    def close(self) -> None:
        """The connection is over."""
        ...


class MakeTurns(Protocol):
    """Makes the turns of one connection."""

    def __call__(
        self,
        rules: TurnRules,
        latency: Callable[[], float],
        early: EarlyEnds = DOCUMENTED,
        dice: random.Random | None = None,
    ) -> SpokenTurns:
        """`latency` draws the seconds from the end of speech to the end of the turn; `early` and `dice` guess it."""
        ...
