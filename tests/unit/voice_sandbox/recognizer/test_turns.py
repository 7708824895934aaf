"""Turn-taking against a clock of the test's own: 20 ms of audio arrive every 20 ms, and nothing sleeps."""

from __future__ import annotations

import wave
from dataclasses import dataclass, field

import pytest

from voice_sandbox.recognizer.early_end import EarlyEnds
from voice_sandbox.recognizer.library import ClipLibrary
from voice_sandbox.recognizer.turns import TurnEvent, TurnEventKind, TurnRules, TurnTracker
from voice_sandbox.recognizer.unknown import TEXT
from voice_sandbox.state import BUNDLED_CLIPS

CHUNK_S = 0.02
CHUNK = 640
START, EAGER, RESUMED, END = TurnEventKind.START, TurnEventKind.EAGER, TurnEventKind.RESUMED, TurnEventKind.END


def clip(name: str) -> bytes:
    with wave.open(str(BUNDLED_CLIPS / name)) as file:
        return file.readframes(file.getnframes())


def silence(seconds: float) -> bytes:
    return bytes(int(seconds * 16_000) * 2)


@dataclass
class PlayedClip:
    """What happened, and when, while audio arrived in steps of 20 ms and the deadlines between them were kept."""

    tracker: TurnTracker
    now: float = 100.0
    last_voice: float = 0.0
    events: list[tuple[float, TurnEvent]] = field(default_factory=list[tuple[float, TurnEvent]])

    def play(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), CHUNK):
            self.wait(CHUNK_S)
            before = self.tracker.recogniser.last_voiced
            self._note(self.tracker.audio(pcm[start : start + CHUNK], self.now))
            if self.tracker.recogniser.last_voiced > before:
                self.last_voice = self.now

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (deadline := self.tracker.deadline) is not None and deadline < until:
            self.now = max(self.now, deadline)
            self._note(self.tracker.check(self.now))
        self.now = until

    def _note(self, events: list[TurnEvent]) -> None:
        self.events += [(self.now, event) for event in events if event.kind is not TurnEventKind.VOICE]

    @property
    def kinds(self) -> list[TurnEventKind]:
        return [event.kind for _, event in self.events]

    def the(self, kind: TurnEventKind) -> tuple[float, TurnEvent]:
        found = [(at, event) for at, event in self.events if event.kind is kind]
        assert len(found) == 1
        return found[0]


def played(library: ClipLibrary, delay: float = 0.28, **rules: float) -> PlayedClip:
    return PlayedClip(TurnTracker(library, TurnRules(**rules), lambda: delay))


@pytest.mark.parametrize("delay", [0.1, 0.28, 0.48])
def test_a_turn_ends_the_sampled_latency_after_the_last_voice_arrived(delay: float, bundled: ClipLibrary) -> None:
    run = played(bundled, delay)
    run.play(clip("room_04.wav") + silence(1.5))
    at, end = run.the(END)
    assert at - run.last_voice == pytest.approx(delay, abs=0.002)
    assert end.heard.text == "Actually, make it seven people."
    assert end.trigger == "model" and end.confidence >= 0.7


def test_without_latency_60_ms_of_silence_are_still_heard_first(bundled: ClipLibrary) -> None:
    run = played(bundled, 0.0)
    run.play(clip("room_04.wav") + silence(1))
    assert run.the(END)[0] - run.last_voice == pytest.approx(0.06, abs=0.021)


def test_a_pause_inside_a_clip_ends_nothing_however_short_the_latency(bundled: ClipLibrary) -> None:
    run = played(bundled, 0.0, eager=0.4)
    run.play(clip("topics_08.wav") + silence(1))  # "No, cancel that." - 400 ms of pause - "Goodbye."
    assert run.the(END)[1].heard.text == "No, cancel that. Goodbye."


def test_half_a_clip_is_waited_for(bundled: ClipLibrary) -> None:
    run = played(bundled, 0.1)
    run.play(clip("room_01.wav")[:32_000] + silence(2))
    at, end = run.the(END)
    assert at - run.last_voice == pytest.approx(0.7, abs=0.021)
    assert 0 < len(end.heard.words) < 8


def test_two_clips_with_a_gap_below_the_latency_are_one_turn(bundled: ClipLibrary) -> None:
    run = played(bundled, 0.4, eager=0.35)
    run.play(clip("room_02.wav") + silence(0.15) + clip("room_03.wav") + silence(1))
    assert run.the(START)[1].heard.words
    assert run.the(END)[1].heard.text == "Tomorrow at two thirty, please. For five people."
    assert run.kinds == [START, EAGER, RESUMED, EAGER, END]
    eager = [event.heard.text for _, event in run.events if event.kind is EAGER]
    assert eager == ["Tomorrow at two thirty, please.", "Tomorrow at two thirty, please. For five people."]


def test_two_clips_with_a_longer_gap_are_two_turns(bundled: ClipLibrary) -> None:
    run = played(bundled, 0.1)
    run.play(clip("room_03.wav") + silence(1) + clip("room_03.wav") + silence(1))
    assert run.kinds == [START, END, START, END]


def test_a_client_that_stops_sending_ends_its_turn(bundled: ClipLibrary) -> None:
    run = played(bundled)
    run.play(clip("room_03.wav")[:30_080])  # breaks off in the middle of a word
    run.wait(5)
    assert run.the(END)[0] - run.last_voice == pytest.approx(0.7, abs=0.002)


def test_a_threshold_of_one_waits_for_the_timeout(bundled: ClipLibrary) -> None:
    run = played(bundled, end=1.0, timeout_s=1.2)
    run.play(clip("room_03.wav") + silence(2))
    at, end = run.the(END)
    assert at - run.last_voice == pytest.approx(1.2, abs=0.021)
    assert end.trigger == "timeout"


def test_the_client_may_end_a_turn_but_not_an_absent_one(bundled: ClipLibrary) -> None:
    run = played(bundled)
    assert run.tracker.force(run.now) == []
    run.play(clip("room_01.wav")[:40_000])
    [end] = run.tracker.force(run.now)
    assert end.trigger == "manual" and end.heard.words
    assert run.tracker.force(run.now) == []


@pytest.mark.parametrize("name", ["noise_cough.wav", "noise_door.wav", "noise_keyboard.wav"])
def test_noise_is_no_turn_and_is_forgotten(name: str, bundled: ClipLibrary) -> None:
    run = played(bundled)
    run.play(silence(0.5) + clip(name) + silence(1))
    assert run.events == []
    assert not run.tracker.recogniser.open
    run.play(clip("room_03.wav") + silence(1))
    assert run.the(END)[1].heard.text == "For five people."


def test_unknown_speech_is_a_turn_of_its_own_words(bundled: ClipLibrary) -> None:
    run = played(ClipLibrary([]))
    run.play(clip("billing_03.wav") + silence(2))
    text = run.the(END)[1].heard.text
    assert text and text.replace(TEXT, "").strip() == ""


def test_what_is_told_early_depends_on_nothing_that_comes_later(bundled: ClipLibrary) -> None:
    """The same beginning gives the same events, whatever follows it."""
    beginning = clip("topics_05.wav")[:48_000]
    runs = [played(bundled), played(bundled)]
    for run, rest in zip(runs, (silence(1), clip("billing_01.wav")), strict=True):
        run.play(beginning)
        early = [(at, event.kind, event.heard.text) for at, event in run.events]
        run.play(rest)
        assert [(at, event.kind, event.heard.text) for at, event in run.events][: len(early)] == early
    assert runs[0].events[0] == runs[1].events[0]


@pytest.mark.parametrize(("threshold", "lead_s"), [(0.3, 0.25), (0.5, 0.15), (0.7, 0.05)])
def test_an_early_end_comes_as_early_as_is_documented(threshold: float, lead_s: float, bundled: ClipLibrary) -> None:
    run = played(bundled, 0.48, eager=threshold)
    run.play(clip("room_04.wav") + silence(1.5))
    assert run.the(END)[0] - run.the(EAGER)[0] == pytest.approx(lead_s, abs=0.021)


def test_an_early_end_too_many_is_taken_back_by_the_next_voice(bundled: ClipLibrary) -> None:
    early = EarlyEnds(lead_s=0.0, taken_back=1.0)
    run = PlayedClip(TurnTracker(bundled, TurnRules(eager=0.5), lambda: 0.28, early))
    run.play(clip("room_04.wav") + silence(1.5))
    assert run.kinds == [START, EAGER, RESUMED, EAGER, END]
    first, last = (event.heard.text for _, event in run.events if event.kind is EAGER)
    assert last == "Actually, make it seven people."
    assert last != first
