"""What becomes of what is done to answer sooner. Label values; the events that carry them are in `events`."""

from __future__ import annotations

from enum import StrEnum


class GuessOutcome(StrEnum):
    """What became of a reply that was begun before its turn was over."""

    TAKEN = "taken"
    RESUMED = "resumed"  # the caller went on
    CHANGED = "changed"  # the turn ended with other words, or the model would be asked something else
    FAILED = "failed"  # the model failed before the turn was over: it is asked again
    DROPPED = "dropped"  # the session or the connection ended first
    SWITCHED_OFF = "switched_off"  # a session wasted most of its guesses and makes no more


class VoiceGuessOutcome(StrEnum):
    """What became of a first clause that was spoken before its turn was over."""

    TAKEN = "taken"
    CHANGED = "changed"  # the reply began otherwise, or nobody was left to hear it
    DROPPED = "dropped"  # its guess was
    FAILED = "failed"


class HedgeOutcome(StrEnum):
    """What became of a call that was late: of its second call, or why there was none."""

    WON = "won"  # the second call was heard
    LOST = "lost"  # the first one answered after all
    FAILED = "failed"  # neither answered
    CANCELLED = "cancelled"  # the caller spoke or left, or the chain moved on, before one had answered
    OVER_BUDGET = "over_budget"  # none: the share of second calls is used up
    UNWELL = "unwell"  # none: the provider asks for patience, or its breaker is not closed
    BUSY = "busy"  # none: no place was free
    CEILING = "ceiling"  # none: a ceiling had no room for it
    SWITCHED_OFF = "switched_off"  # none: too many were in vain, and the governor allows none for a while


class Knob(StrEnum):
    """What a policy may do to answer sooner, and what a governor switches off."""

    EARLY_REPLIES = "early_replies"
    EARLY_VOICE = "early_voice"
    HEDGING = "hedging"
