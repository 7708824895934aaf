"""How patient the chain of recognisers is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListeningRules:
    """Seconds, but for `attempts`: bad connections to one step in a row before the next is asked."""

    attempts: int = 2
    pause_s: float = 0.2
    rest_s: float = 15.0
    """A step that was given up is asked again after this, when its breaker allows it."""
    deaf_s: float = 3.0
    """Loud audio without a word until a recogniser is suspected; doubles with every suspicion that was wrong."""
    answer_s: float = 1.5
    """Silence after a third of that, still without a word: whoever spoke so briefly waits for an answer."""
    open_s: float = 2.0
    """Silence of the caller and of the recogniser in a turn that it has begun: it does not come to an end."""
    last_answer_s: float = 2.2
    """The same for the last step, which may only have begun when the pause was long enough to end a segment."""
    opinion_s: float = 8.0
    """How long the next step may take to hear words where the suspected one heard none."""
