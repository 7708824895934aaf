"""Turns of a connection that understands everything: clips by matching, at once, any other speech by a model."""

from __future__ import annotations

from collections.abc import Callable

from voice_sandbox.recognizer.model_turns import ModelTurnTracker
from voice_sandbox.recognizer.turns import TurnEvent, TurnEventKind, TurnRules, TurnTracker
from voice_sandbox.recognizer.unknown import TEXT
from voice_sandbox.recognizer.words import RecognizedWord


class AnySpeechTurns:
    """A clip is heard by matching as long as all that is said is clips; whatever else there is, the model hears all.

    The model is not asked while a clip plays: the sample calls are as fast, and cost as little, as without it.
    """

    def __init__(self, clips: TurnTracker, model: ModelTurnTracker, close: Callable[[], None]) -> None:
        """Both trackers share their rules. `close` is called once the connection is over."""
        self._clips = clips
        self._model = model
        self.close = close

    @property
    def rules(self) -> TurnRules:
        return self._model.rules

    @rules.setter
    def rules(self, rules: TurnRules) -> None:
        self._model.rules = self._clips.rules = rules

    @property
    def on_change(self) -> Callable[[], None]:
        """Called when words have come that `check` should look at."""
        return self._model.on_change

    @on_change.setter
    def on_change(self, call: Callable[[], None]) -> None:
        self._model.on_change = call

    @property
    def seconds(self) -> float:
        return self._model.seconds

    @property
    def open(self) -> bool:
        return self._model.open or self._clips.started

    @property
    def opened_at(self) -> float:
        return self._model.opened_at if self._model.open else self._clips.opened_at

    @property
    def started(self) -> bool:
        return self._model.started or self._clip_heard

    @property
    def heard(self) -> RecognizedWord:
        """The words of the turn so far."""
        return self._clips.heard if self._clip_heard else self._model.heard

    @property
    def ending(self) -> bool:
        """Whether the turn was ended by order of the client, and its words are still to come."""
        return self._model.ending

    @property
    def deadline(self) -> float | None:
        times = [at for at in (self._clips.deadline, self._model.deadline) if at is not None]
        return min(times, default=None)

    @property
    def _clip_heard(self) -> bool:
        return self._clips.started and not self._model.started and _known(self._clips.heard)

    def audio(self, pcm: bytes, now: float) -> list[TurnEvent]:
        """Takes in a chunk (PCM s16le mono 16 kHz) that arrived at `now`."""
        clip_events = self._clips.audio(pcm, now)
        self._model.held = self._clip_heard
        model_events = self._model.audio(pcm, now)
        return self._either(clip_events, model_events, now)

    def check(self, now: float) -> list[TurnEvent]:
        """What the words that came, or the passing of time, decide at `now`."""
        clip_events = self._clips.check(now)
        self._model.held = self._clip_heard
        return self._either(clip_events, self._model.check(now), now)

    def confidence(self, now: float) -> float:
        return self._clips.confidence(now) if self._clip_heard else self._model.confidence(now)

    def force(self, now: float) -> list[TurnEvent]:
        """Ends the turn by order of the client; where the model is asked, its END comes later, see `ending`."""
        if self._clip_heard and self._clips.heard.complete:
            return self._either(self._clips.force(now), [], now)
        self._clips.forget()
        return self._model.force(now)

    def _either(self, clips: list[TurnEvent], model: list[TurnEvent], now: float) -> list[TurnEvent]:
        """The events of the one that hears this turn. A clip that ends makes the model forget it, and the other way."""
        events = [event for event in model if event.kind is TurnEventKind.VOICE]
        told = [event for event in clips if event.kind is not TurnEventKind.VOICE and _known(event.heard)]
        if self._model.started or not told:
            events = model
            if any(event.kind is TurnEventKind.END for event in model):
                self._clips.forget()
            return events
        for event in told:
            if event.kind is TurnEventKind.END and not event.heard.complete:
                self._model.go_on(event.heard)  # half a clip, or somebody who sounds like one: the model decides
                return [*events, *self._model.check(now)]
            events.append(event)
            if event.kind is TurnEventKind.END:
                self._model.forget()
        return events


def _known(heard: RecognizedWord) -> bool:
    """Whether words were heard, and every one of them in a clip."""
    return bool(heard.words) and TEXT.split()[0] not in [word.text for word in heard.words]
