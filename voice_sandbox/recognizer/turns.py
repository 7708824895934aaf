"""Turn-taking over what is heard: when a turn starts, when it may be over, and when it is.

A turn ends a sampled latency after the arrival of the last voiced sample, if silence lasted until then. What was heard
decides how sure that is: after a clip heard to its end the latency alone is waited for, after half a clip at least
700 ms. Time is passed in, in seconds of any monotonic clock, so that nothing here sleeps.

The real service moves only with the audio it gets. Here a client that stops sending ends its turn too: 500 ms without
a chunk count as silence.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from voice_sandbox.recognizer.early_end import DOCUMENTED, LEAST_WORDS, EarlyEnds
from voice_sandbox.recognizer.library import ClipLibrary
from voice_sandbox.recognizer.recognizer import StreamingRecogniser
from voice_sandbox.recognizer.words import RecognizedWord

LEAST_SILENCE_S: Final = 0.06
"""Silence that must have been received before any end, also where the sampled latency is shorter."""
UNSURE_SILENCE_S: Final = 0.7
"""Silence that ends a turn whose last clip was not heard to its end."""
STALLED_S: Final = 0.5
STEP_S: Final = 0.08
"""Audio between two looks at the words, as Flux does it."""
USUAL_THRESHOLD: Final = 0.7
_SLOWEST_S: Final = 0.5
_NOISE_SILENCE_S: Final = 0.5
_NOISE_LONGEST_S: Final = 5.0
_LONGEST_TURN_S: Final = 60.0
_VOICE_S: Final = 0.05


class TurnEventKind(StrEnum):
    VOICE = "voice"
    START = "start"
    EAGER = "eager"
    RESUMED = "resumed"
    END = "end"


@dataclass(frozen=True, slots=True)
class TurnEvent:
    """VOICE: something voiced for 50 ms, be it noise. START: the first word. EAGER: the turn may be over. RESUMED: it
    was not. END: it is, because of `trigger` (model, timeout, manual).
    """

    kind: TurnEventKind
    heard: RecognizedWord
    confidence: float = 0.0
    trigger: str = ""


@dataclass(slots=True)
class TurnRules:
    """What a client may set. `eager` None sends no EAGER; `end` 1.0 or `by_silence` False never ends by confidence.

    A confidence threshold up to 0.7 ends a turn after the sampled latency; above, up to 500 ms later.
    """

    eager: float | None = None
    end: float = USUAL_THRESHOLD
    timeout_s: float = 5.0
    least_silence_s: float = LEAST_SILENCE_S


def endless() -> TurnRules:
    """Rules by which no turn ends by itself."""
    return TurnRules(end=1.0, timeout_s=math.inf)


_NOTHING: Final = RecognizedWord((), complete=False)


class TurnTracker:
    """Turns of a connection that hears clips, and knows their words at once."""

    def __init__(
        self,
        library: ClipLibrary,
        rules: TurnRules,
        latency: Callable[[], float],
        early: EarlyEnds = DOCUMENTED,
        dice: random.Random | None = None,
    ) -> None:
        """`latency` gives the seconds from the end of speech to the end of the turn, once per turn."""
        self.rules = rules
        self._early = early
        self._dice = dice or random.Random(0)
        self._mistaken = False
        self.on_change: Callable[[], None] = _ignored
        self.recogniser = StreamingRecogniser(library)
        self.started = False
        self._latency = latency
        self._delay = 0.0
        self._eager: str | None = None
        self._voice_told = False
        self._last_step = 0.0
        self._last_audio = 0.0
        self._last_voiced = 0.0

    @property
    def ending(self) -> bool:
        """Never: its words are known at once."""
        return False

    @property
    def seconds(self) -> float:
        return self.recogniser.seconds

    @property
    def open(self) -> bool:
        return self.recogniser.open

    @property
    def opened_at(self) -> float:
        return self.recogniser.opened_at

    @property
    def heard(self) -> RecognizedWord:
        """The words of the turn so far."""
        return self.recogniser.heard()

    def audio(self, pcm: bytes, now: float) -> list[TurnEvent]:
        """Takes in a chunk (PCM s16le mono 16 kHz) that arrived at `now`."""
        events: list[TurnEvent] = []
        self._last_audio = now
        if self.recogniser.feed(pcm):
            self._last_voiced = now
            if self._eager is not None:
                events.append(self._resumed())
        recogniser = self.recogniser
        if recogniser.open and recogniser.seconds - self._last_step >= STEP_S - 1e-9:
            self._last_step = recogniser.seconds
            events.extend(self._look())
        return [*events, *self.check(now)] if recogniser.open else events

    def check(self, now: float) -> list[TurnEvent]:
        """What the passing of time alone decides at `now`."""
        if not self.started:
            self._drop_noise()
            return []
        if now + 1e-6 < self._earliest():
            return []
        heard = self.recogniser.heard()
        end_after, trigger = self._end_after(heard)
        elapsed = now - self._last_voiced + 1e-6
        events: list[TurnEvent] = []
        if self._eager is not None and self._eager != heard.text:
            events.append(self._resumed())
        if self.rules.eager is not None and self._eager is None and elapsed >= self._eager_after(end_after):
            self._eager = heard.text
            confidence = max(self.rules.eager, self.confidence(now))
            events.append(TurnEvent(TurnEventKind.EAGER, heard, confidence))
        too_long = self.recogniser.seconds - self.recogniser.opened_at > _LONGEST_TURN_S
        if elapsed >= end_after or too_long:
            events.append(self._end(heard, self.confidence(now), trigger))
        return events

    @property
    def deadline(self) -> float | None:
        """When `check` should be called if no audio arrives before; None while no turn is open."""
        if not self.started:
            return None
        if not self._quiet(math.inf):
            return self._last_audio + STALLED_S
        end_after, _ = self._end_after(self.recogniser.heard())
        wait = end_after
        if self.rules.eager is not None and self._eager is None:
            wait = min(wait, self._eager_after(end_after))
        earliest = 0.0 if self._heard_silence() else self._last_audio + STALLED_S
        return max(self._last_voiced + wait, earliest)

    def confidence(self, now: float) -> float:
        """How sure it is at `now` that nobody goes on speaking, 0 to 1; it reaches the threshold when the turn ends."""
        if not self.started:
            return 0.02
        end_after, _ = self._end_after(self.recogniser.heard())
        share = min(1.0, max(0.0, now - self._last_voiced) / end_after)
        return round(0.02 + (min(self.rules.end, 0.95) - 0.02) * share, 4)

    def force(self, now: float) -> list[TurnEvent]:
        """Ends the turn by order of the client; nothing happens where no word was heard."""
        heard = self.recogniser.heard()
        events: list[TurnEvent] = []
        if not self.started and heard.words:
            events.append(self._start(heard))
        if not self.started:
            return []
        if self._eager is not None and self._eager != heard.text:
            events.append(self._resumed())
        return [*events, self._end(heard, self.confidence(now), "manual")]

    def _look(self) -> list[TurnEvent]:
        recogniser = self.recogniser
        heard = recogniser.heard()
        events: list[TurnEvent] = []
        if not self._voice_told and recogniser.last_voiced - recogniser.opened_at >= _VOICE_S:
            self._voice_told = True
            events.append(TurnEvent(TurnEventKind.VOICE, heard))
        if heard.words and not self.started:
            events.append(self._start(heard))
        if self._mistaken and len(heard.words) >= LEAST_WORDS and not heard.complete:
            self._mistaken, self._eager = False, heard.text  # the next voice takes it back
            events.append(TurnEvent(TurnEventKind.EAGER, heard, self.rules.eager or 0.0))
        return events

    def _start(self, heard: RecognizedWord) -> TurnEvent:
        self.started = True
        self._delay = self._latency()
        self._mistaken = self.rules.eager is not None and self._early.mistaken(self._dice)
        return TurnEvent(TurnEventKind.START, heard, 0.02)

    def _resumed(self) -> TurnEvent:
        self._eager = None
        return TurnEvent(TurnEventKind.RESUMED, self.recogniser.heard(), 0.02)

    def _end(self, heard: RecognizedWord, confidence: float, trigger: str) -> TurnEvent:
        self.forget()
        return TurnEvent(TurnEventKind.END, heard, confidence, trigger)

    def close(self) -> None:
        """Nothing is held that would have to be given back."""

    def forget(self) -> None:
        """Drops what was heard so far; the next voice opens another turn."""
        self.recogniser.end_utterance()
        self.started = False
        self._eager = None
        self._voice_told = False

    def _drop_noise(self) -> None:
        """Forgets an utterance that turned out to be noise: silence after it, or no word for five seconds."""
        recogniser = self.recogniser
        over = recogniser.silence >= _NOISE_SILENCE_S
        over = over or recogniser.seconds - recogniser.opened_at > _NOISE_LONGEST_S
        if over and not recogniser.heard().words:
            self.forget()

    def _heard_silence(self) -> bool:
        return self.recogniser.silence >= LEAST_SILENCE_S - 1e-9

    def _quiet(self, now: float) -> bool:
        return self._heard_silence() or now - self._last_audio >= STALLED_S - 1e-6

    def _earliest(self) -> float:
        """Before this nothing can be decided, whatever was heard: saves looking at the words of running speech."""
        wait = max(self._delay, self.rules.least_silence_s, LEAST_SILENCE_S)
        if self.rules.eager is not None:
            wait = min(wait, self._eager_after(wait))
        earliest = self._last_voiced + wait
        return earliest if self._heard_silence() else max(earliest, self._last_audio + STALLED_S)

    def _end_after(self, heard: RecognizedWord) -> tuple[float, str]:
        """Seconds from the last voice to the end of the turn, and the trigger that will be named."""
        wait = max(self._delay, self.rules.least_silence_s, LEAST_SILENCE_S)
        if not heard.complete:
            wait = max(wait, UNSURE_SILENCE_S)
        if self.rules.end >= 1.0:
            wait = math.inf
        elif self.rules.end > USUAL_THRESHOLD:
            wait += (self.rules.end - USUAL_THRESHOLD) / (1.0 - USUAL_THRESHOLD) * _SLOWEST_S
        return (wait, "model") if wait <= self.rules.timeout_s else (self.rules.timeout_s, "timeout")

    def _eager_after(self, end_after: float) -> float:
        return max(LEAST_SILENCE_S, min(end_after, 60.0) - self._early.lead(self.rules.eager or 1.0))


def _ignored() -> None:
    pass
