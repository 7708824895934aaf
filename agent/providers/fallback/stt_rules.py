"""How patient the chain of recognisers is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

USUAL_PATIENCE_S: Final = 1.2


def usual_patience(text: str) -> float:
    """Seconds of silence that end a turn with these words, whatever they are."""
    return USUAL_PATIENCE_S


@dataclass(frozen=True, slots=True)
class ListeningRules:
    """Seconds, but for `attempts`: bad connections to one step in a row before the next is asked."""

    attempts: int = 2
    pause_s: float = 0.2
    rest_s: float = 15.0
    """A step that was given up is asked again after this, when its breaker allows it."""
    deaf_s: float = 3.0
    """Voiced audio without a word until a recogniser is suspected; doubles with every suspicion that was wrong."""
    answer_s: float = 1.5
    """Silence after a third of that, still without a word: whoever spoke so briefly waits for an answer."""
    patience: Callable[[str], float] = usual_patience
    """Silence of the caller after which a turn with these words is ended here, when its recogniser does not."""
    noise_s: float = 1.5
    """Beyond that patience without a new word a turn is over too, however loud the line is."""
    settle_s: float = 0.3
    """No turn is ended here while words have changed within so long: the recogniser lags behind the audio."""
    retold_s: float = 1.0
    """As `settle_s`, for a fresh connection that was told the turn again."""
    end_answer_s: float = 0.3
    """How long a recogniser that was asked to end its turn may take to do so."""
    last_answer_s: float = 2.2
    """As `answer_s` for the last step, which may only have begun when the pause was long enough to end a segment."""
    opinion_s: float = 8.0
    """How long the next step may take to hear words where the suspected one heard none."""


def local_rules(patience: Callable[[str], float]) -> ListeningRules:
    """For a recogniser on a processor of one's own: it hears words when they are over, and takes its time for them.

    Another step of the chain would run on the same processor, and be slower still.
    """
    return ListeningRules(patience=patience, deaf_s=8.0, answer_s=5.0, last_answer_s=6.0, end_answer_s=3.0)
