"""Turns of any speech, with a detector and a model that the test plays: 20 ms of audio arrive every 20 ms."""

from __future__ import annotations

import math

import pytest

from tests.support.speech_model import CHUNK, CHUNK_S, QUIET, VOICE, LevelDetector, SlowModel
from voice_sandbox.recognizer.any_speech_turns import AnySpeechTurns
from voice_sandbox.recognizer.library import ClipLibrary
from voice_sandbox.recognizer.model_turns import ModelTurnTracker, spread
from voice_sandbox.recognizer.turns import TurnEvent, TurnEventKind, TurnRules, TurnTracker
from voice_sandbox.state import BUNDLED_CLIPS

START, EAGER, RESUMED, END = TurnEventKind.START, TurnEventKind.EAGER, TurnEventKind.RESUMED, TurnEventKind.END


class Line:
    """A caller's line into a tracker, with the deadlines between the chunks kept."""

    def __init__(self, **rules: float) -> None:
        self.model = SlowModel()
        self.tracker = ModelTurnTracker(LevelDetector(), self.model, TurnRules(**rules))
        self.tracker.on_change = lambda: self._note(self.tracker.check(self.now))
        self.now = 100.0
        self.events: list[tuple[float, TurnEvent]] = []

    def voice(self, seconds: float) -> None:
        self._play(VOICE, seconds)

    def quiet(self, seconds: float) -> None:
        self._play(QUIET, seconds)

    def nothing(self, seconds: float) -> None:
        until, looks = self.now + seconds, 0
        while (deadline := self.tracker.deadline) is not None and deadline < until:
            looks += 1
            assert looks < 50, "a deadline that has come must move on"
            self.now = max(self.now, deadline)
            self._note(self.tracker.check(self.now))
        self.now = until

    def _play(self, chunk: bytes, seconds: float) -> None:
        for _ in range(round(seconds / CHUNK_S)):
            self.nothing(CHUNK_S)
            self._note(self.tracker.audio(chunk, self.now))

    def _note(self, events: list[TurnEvent]) -> None:
        self.events += [(self.now, event) for event in events if event.kind is not TurnEventKind.VOICE]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(event.kind.value, event.heard.text) for _, event in self.events]


def test_any_sentence_makes_a_turn_that_ends_600_ms_after_the_last_voice() -> None:
    line = Line()
    line.quiet(1)
    line.voice(1)
    spoken = line.now
    line.model.answer("how old")
    line.quiet(0.4)
    line.model.answer("How old is the bridge?")
    line.quiet(1)
    assert line.told == [("start", "how old"), ("end", "How old is the bridge?")]
    assert line.events[-1][0] - spoken == pytest.approx(0.6, abs=0.05)


def test_a_sentence_that_hardly_ends_is_waited_for_longer() -> None:
    line = Line()
    line.voice(1)
    spoken = line.now
    line.quiet(0.3)
    line.model.answer("I need a room on")
    line.quiet(1.5)
    assert line.events[-1][1].kind is END
    assert line.events[-1][0] - spoken == pytest.approx(1.2, abs=0.05)


def test_words_that_come_late_end_the_turn_when_they_come() -> None:
    line = Line()
    line.voice(1)
    line.quiet(3)
    assert line.told == []
    line.model.answer("Book a room.")
    assert line.told == [("start", "Book a room."), ("end", "Book a room.")]


def test_a_voice_that_goes_on_makes_the_answer_to_the_first_question_stale() -> None:
    line = Line(eager=0.5)
    line.voice(1)
    line.quiet(0.3)
    line.model.answer("Book a room")
    line.voice(0.5)
    line.quiet(0.3)
    line.model.answer("Book a room tomorrow.")
    line.quiet(1)
    assert [event.kind for _, event in line.events] == [START, EAGER, RESUMED, EAGER, END]
    assert line.told[-1] == ("end", "Book a room tomorrow.")


def test_an_answer_about_less_than_was_said_does_not_end_the_turn() -> None:
    line = Line()
    line.voice(1)
    line.quiet(0.3)
    first = len(line.model.asked) - 1
    line.voice(0.5)
    line.quiet(0.7)
    line.model.answer("Book", which=first)
    assert END not in [event.kind for _, event in line.events]
    line.model.answer("Book a room.")
    assert line.told[-1] == ("end", "Book a room.")


def test_noise_that_the_model_hears_no_words_in_is_no_turn() -> None:
    line = Line()
    line.voice(0.4)
    line.quiet(0.4)
    line.model.answer("")
    line.quiet(1)
    assert line.told == []
    assert not line.tracker.open


def test_a_client_that_stops_sending_ends_its_turn_too() -> None:
    line = Line()
    line.voice(1)
    line.nothing(1)
    line.model.answer("Book a room.")
    line.nothing(1)
    assert line.told[-1] == ("end", "Book a room.")


def test_an_order_to_end_is_told_when_its_words_have_come() -> None:
    line = Line()
    line.voice(1)
    assert line.tracker.force(line.now) == []
    assert line.tracker.ending
    line.model.answer("Book a room.")
    assert line.told == [("start", "Book a room."), ("end", "Book a room.")]
    assert line.events[-1][1].trigger == "manual"
    assert not line.tracker.ending


def test_an_order_to_end_what_had_no_words_is_answered_too() -> None:
    line = Line()
    line.voice(1)
    line.tracker.force(line.now)
    line.model.answer("")
    assert line.told == [("end", "")]


def test_a_turn_that_must_not_end_does_not() -> None:
    line = Line(end=1.0, timeout_s=math.inf)
    line.voice(1)
    line.quiet(0.3)
    line.model.answer("Book a room.")
    line.quiet(20)
    line.nothing(20)
    assert line.told == [("start", "Book a room.")]


def test_a_model_that_has_too_much_to_do_is_asked_again() -> None:
    line = Line()
    line.model.full = True
    line.voice(1)
    line.quiet(0.5)
    line.nothing(3)
    assert line.model.asked == []
    line.model.full = False
    line.quiet(0.5)
    line.model.answer("Book a room.")
    line.quiet(0.5)
    assert line.told[-1] == ("end", "Book a room.")


def test_a_voice_without_end_is_cut_after_30_s() -> None:
    line = Line()
    line.voice(31)
    assert max(seconds for seconds, _, _ in line.model.asked) < 31
    line.model.answer("And on it goes.")
    assert line.told[-1] == ("end", "And on it goes.")


def test_words_lie_between_the_first_voice_and_the_last() -> None:
    words = spread("Book a room.", 1.0, 2.0)
    assert [word.text for word in words] == ["Book", "a", "room."]
    assert (words[0].start, words[-1].end) == (1.0, 2.0)
    assert spread("", 1.0, 2.0) == ()


# Beside the clips


def read(name: str) -> bytes:
    return (BUNDLED_CLIPS / name).read_bytes()[44:]


def both(library: ClipLibrary) -> tuple[AnySpeechTurns, SlowModel]:
    model, rules = SlowModel(), TurnRules()
    tracker = ModelTurnTracker(LevelDetector(), model, rules)
    return AnySpeechTurns(TurnTracker(library, rules, lambda: 0.28), tracker, lambda: None), model


def play(turns: AnySpeechTurns, pcm: bytes, now: float = 0.0) -> list[TurnEvent]:
    events: list[TurnEvent] = []
    for start in range(0, len(pcm), CHUNK):
        now += CHUNK_S
        events += turns.audio(pcm[start : start + CHUNK], now)
    return [event for event in events if event.kind is not TurnEventKind.VOICE]


def test_a_clip_is_heard_by_matching_and_the_model_is_not_asked_for_its_end(bundled: ClipLibrary) -> None:
    turns, model = both(bundled)
    events = play(turns, bytes(16_000) + read("room_01.wav") + bytes(48_000))
    assert [event.kind for event in events] == [START, END]
    assert events[-1].heard.text == "Hi, I'd like to book a meeting room."
    assert len(model.asked) <= 1  # at most before the first word was matched
    assert not turns.open


def test_half_a_clip_is_left_to_the_model(bundled: ClipLibrary) -> None:
    turns, model = both(bundled)
    clip = read("room_01.wav")
    events = play(turns, bytes(16_000) + clip[: len(clip) // 2] + bytes(48_000))
    assert [event.kind for event in events] == [START]
    model.answer("Hi, I'd like to")
    assert [event.kind for event in turns.check(9.0)] == [END]
    assert turns.heard.text == ""
