"""Turn-taking for any speech: a voice detector says when somebody speaks, a speech model says what.

While somebody speaks the model is asked now and then for the words so far; 200 ms after the last voice it is asked for
all of them. The turn ends when its words have come and 600 ms without a voice have passed, or 1.2 s after words that
hardly end a sentence. Nothing here waits: words that come later call `on_change`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final

from voice_sandbox.recognizer.features import RATE
from voice_sandbox.recognizer.speech_model import SpeechModel
from voice_sandbox.recognizer.turns import STALLED_S, USUAL_THRESHOLD, TurnEvent, TurnEventKind, TurnRules
from voice_sandbox.recognizer.voice_detector import WINDOW, SpeechDetector
from voice_sandbox.recognizer.voicing import VoicedSpan
from voice_sandbox.recognizer.words import RecognizedWord

END_SILENCE_S: Final = 0.6
OPEN_SILENCE_S: Final = 1.2
ASK_SILENCE_S: Final = 0.2
LONGEST_TURN_S: Final = 30.0
"""A turn of this length ends although the voice goes on: the model takes no more at once."""
_WINDOW_S: Final = WINDOW / RATE
_VOICE: Final = 0.5
_STILL_VOICE: Final = 0.35
_LEAD_S: Final = 0.5
_LEAD_BYTES: Final = int(_LEAD_S * RATE) * 2
_TOLD_S: Final = 0.09
_FIRST_LOOK_S: Final = 0.7
_LOOK_EVERY_S: Final = 1.0
_REST: Final = 2.0  # looks leave the processor free for as long again as they took
_NOISE_SILENCE_S: Final = 0.5
_RETRY_S: Final = 0.25
_SLOWEST_S: Final = 0.5
_OPEN_ENDED: Final = re.compile(
    r"\b(and|or|but|so|because|the|a|an|to|of|for|at|on|in|with|from|my|your|is|are|was|um|uh|er)[\s.,…]*$", re.I
)
_NOTHING: Final = RecognizedWord((), complete=False)


class ModelTurnTracker:
    """One connection's turns. Feed `audio`, and call `check` when `deadline` has come or `on_change` was called.

    Keeps at most 30 s of audio, and at most two stretches of it at the model at a time.
    """

    def __init__(self, detector: SpeechDetector, transcriber: SpeechModel, rules: TurnRules) -> None:
        self.rules = rules
        self.on_change: Callable[[], None] = _ignored
        self.started = False
        self.held = False
        """While true the model is not asked, and no event but VOICE is told."""
        self.detector = detector
        self._transcriber = transcriber
        self._audio = bytearray()
        self._bytes = 0
        self._windows = 0
        self._run = 0
        self._utterance = 0
        self._last_audio = 0.0
        self._last_voiced = 0.0
        self._retry_at = -math.inf
        self._took = 0.0
        self._reset()

    def _reset(self) -> None:
        self.open = False
        self.opened_at = 0.0
        self.heard = _NOTHING
        self.started = False
        self._voiced_until = 0.0
        self._voice_told = self._eager = self._forced = False
        self._asked_at = 0.0
        self._asking: float | None = None
        """Up to which voice the model is being asked for the last words; -1 for words on the way."""
        self._answered: float | None = None
        self._utterance += 1

    @property
    def seconds(self) -> float:
        """Audio received on this stream, in seconds: the clock of all word times."""
        return self._bytes / 2 / RATE

    @property
    def ending(self) -> bool:
        """Whether the turn was ended by order of the client, and its words are still to come."""
        return self._forced

    def audio(self, pcm: bytes, now: float) -> list[TurnEvent]:
        """Takes in a chunk (PCM s16le mono 16 kHz) that arrived at `now`."""
        self._bytes += len(pcm)
        self._audio += pcm
        self._last_audio = now
        events: list[TurnEvent] = []
        for probability in self.detector.probabilities(pcm):
            self._windows += 1
            if self._judge(probability, now) and self._eager:
                self._eager = False
                events.append(TurnEvent(TurnEventKind.RESUMED, self.heard, 0.02))
        if not self.open:
            del self._audio[:-_LEAD_BYTES]
            return events
        return [*events, *self.check(now)]

    def check(self, now: float) -> list[TurnEvent]:
        """What the words that came, or the passing of time, decide at `now`."""
        events: list[TurnEvent] = []
        if not self.open:
            return events
        if not self._voice_told and self._voiced_until - self.opened_at >= _TOLD_S:
            self._voice_told = True
            events.append(TurnEvent(TurnEventKind.VOICE, self.heard))
        if self.held:
            return events
        over = self._forced or self._silence(now) >= ASK_SILENCE_S or self.seconds - self.opened_at > LONGEST_TURN_S
        self._ask(now, over=over)
        if self.heard.words and not self.started:
            self.started = True
            events.append(TurnEvent(TurnEventKind.START, self.heard, 0.02))
        if over and self._answered == self._voiced_until:
            events.extend(self._decide(now))
        return events

    @property
    def deadline(self) -> float | None:
        """When `check` should be called if no audio arrives before; None while that could decide nothing."""
        if not self.open or self.held or self._asking == self._voiced_until:
            return None
        wait = ASK_SILENCE_S
        if self._answered == self._voiced_until:
            wait = self._end_after()[0] if self.heard.words else _NOISE_SILENCE_S
        at = max(self._last_audio + STALLED_S, self._last_voiced + wait, self._retry_at)
        return None if math.isinf(at) else at

    def confidence(self, now: float) -> float:
        """How sure it is at `now` that nobody goes on speaking, 0 to 1; it reaches the threshold when the turn ends."""
        if not self.started:
            return 0.02
        share = min(1.0, self._silence(now) / self._end_after()[0])
        return round(0.02 + (min(self.rules.end, 0.95) - 0.02) * share, 4)

    def force(self, now: float) -> list[TurnEvent]:
        """Ends the turn by order of the client, when the words of all audio so far have come; see `ending`."""
        if not self.open:
            return []
        self._forced, self.held = True, False
        return self.check(now)

    def go_on(self, heard: RecognizedWord) -> None:
        """Takes over a turn whose start was told already; `heard` stands until the model has heard more."""
        self.held, self.started, self.heard = False, True, heard

    def forget(self) -> None:
        """Drops what was heard so far; the next voice opens another turn."""
        self._audio.clear()
        self._run = 0
        self._reset()

    def _judge(self, probability: float, now: float) -> bool:
        """Notes one window; True when it holds a voice. Two of them in a row open a turn."""
        voiced = probability >= (_STILL_VOICE if self.open else _VOICE)
        self._run = self._run + 1 if voiced else 0
        if not voiced or (not self.open and self._run < 2):
            return False
        end = self._windows * _WINDOW_S
        if not self.open:
            self.open = True
            self.opened_at = self._asked_at = end - 2 * _WINDOW_S
        self._voiced_until = end
        self._last_voiced = now - max(0.0, self.seconds - end)
        return True

    def _silence(self, now: float) -> float:
        """Seconds without a voice: of audio, or of time where no audio comes."""
        stalled = now - self._last_audio >= STALLED_S - 1e-6
        return now - self._last_voiced if stalled else self.seconds - self._voiced_until

    def _ask(self, now: float, *, over: bool) -> None:
        if self._asking == self._voiced_until or self._answered == self._voiced_until or now < self._retry_at:
            return
        if not over:
            due = self._asked_at + max(_LOOK_EVERY_S if self.started else _FIRST_LOOK_S, _REST * self._took)
            if self._asking is not None or self.seconds < due or self.seconds > self._voiced_until + ASK_SILENCE_S:
                return
        mark, number = self._voiced_until if over else -1.0, self._utterance

        def done(text: str) -> None:
            if number == self._utterance:
                self._take(text, mark)

        if self._transcriber.submit(bytes(self._audio), done, final=over):
            self._asking, self._asked_at = mark, self.seconds
            self._took = 0.0
        elif over:
            self._retry_at = now + _RETRY_S
        else:
            self._asked_at = self.seconds

    def _take(self, text: str, mark: float) -> None:
        if self._asking != mark:
            return  # the voice went on, and was asked about again
        self._asking = None
        self._took = self.seconds - self._asked_at
        if mark >= 0:
            self._answered = mark
        if text:
            self.heard = RecognizedWord(spread(text, self.opened_at, self._voiced_until), complete=mark >= 0)
        self.on_change()

    def _decide(self, now: float) -> list[TurnEvent]:
        """The turn may be over: nobody speaks, and all words have come."""
        silence = self._silence(now)
        if not self.heard.words:
            if self._forced or silence >= _NOISE_SILENCE_S:
                forced = self._forced
                self.forget()
                return [TurnEvent(TurnEventKind.END, _NOTHING, 0.02, "manual")] if forced else []
            return []
        events: list[TurnEvent] = []
        if self.rules.eager is not None and not self._eager and not self._forced:
            self._eager = True
            events.append(TurnEvent(TurnEventKind.EAGER, self.heard, max(self.rules.eager, self.confidence(now))))
        end_after, trigger = self._end_after()
        too_long = self.seconds - self.opened_at > LONGEST_TURN_S
        if self._forced or too_long or silence >= end_after - 1e-9:
            trigger = "manual" if self._forced else trigger
            events.append(TurnEvent(TurnEventKind.END, self.heard, self.confidence(now), trigger))
            self.forget()
        return events

    def _end_after(self) -> tuple[float, str]:
        """Seconds without a voice that end the turn, and the trigger that will be named."""
        wait = OPEN_SILENCE_S if _OPEN_ENDED.search(self.heard.text) else END_SILENCE_S
        wait = max(wait, self.rules.least_silence_s)
        if self.rules.end >= 1.0:
            wait = math.inf
        elif self.rules.end > USUAL_THRESHOLD:
            wait += (self.rules.end - USUAL_THRESHOLD) / (1.0 - USUAL_THRESHOLD) * _SLOWEST_S
        return (wait, "model") if wait <= self.rules.timeout_s else (self.rules.timeout_s, "timeout")


def spread(text: str, start: float, end: float) -> tuple[VoicedSpan, ...]:
    """The words of a text laid over [start, end] seconds in proportion to their letters: the model gives no times."""
    texts = text.split()
    letters = [max(1, len(re.sub(r"\W", "", word))) for word in texts]
    total, at, words = sum(letters), start, list[VoicedSpan]()
    for word, count in zip(texts, letters, strict=True):
        until = at + (end - start) * count / total
        words.append(VoicedSpan(word, round(at, 2), round(until, 2)))
        at = until
    return tuple(words)


def _ignored() -> None:
    pass
