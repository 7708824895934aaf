"""Bad lines: when a sample was said, by the caller's own clock, whatever the line did to its frame."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import pytest

from agent.turn.audio_clock import ANCHOR_S, MOST_CORRECTION_S, PAUSE_S, SAME_BURST_S, SampleClock

FRAME = 640
FRAME_S = 0.02


def _call(arrive: Callable[[int, float], float], frames: int, *, drift: float = 0.0) -> tuple[SampleClock, list[float]]:
    """A clock that was fed, and the time at which each frame was said. `arrive` maps that to the arrival."""
    clock, said, latest = SampleClock(32_000), [], 0.0
    for index in range(frames):
        said.append(100.0 + (index + 1) * FRAME_S * (1 + drift))
        latest = max(latest, arrive(index, said[-1]))  # TCP keeps the order
        clock.add(FRAME, latest)
    return clock, said


def _errors(clock: SampleClock, said: list[float], *, frames: range) -> list[float]:
    return [(clock.arrival((index + 1) * FRAME_S) or 0.0) - said[index] for index in frames]


@pytest.mark.parametrize("clump", [2, 5, 15, 25])
def test_frames_in_clumps_keep_the_time_at_which_they_were_said(clump: int) -> None:
    clock, said = _call(lambda index, at: 100.03 + (index // clump + 1) * clump * FRAME_S, 1000)
    assert max(map(abs, _errors(clock, said, frames=range(200, 1000)))) < 0.035  # the way of the fastest frame


def test_jitter_and_hold_ups_are_delay_and_not_speech() -> None:
    dice = random.Random(7)
    clock, said = _call(lambda index, at: at + 0.02 + dice.expovariate(1 / 0.08), 3000)
    errors = sorted(_errors(clock, said, frames=range(200, 3000)))
    assert errors[len(errors) // 2] < 0.06
    assert errors[-1] < 0.3


@pytest.mark.parametrize("drift", [-0.005, 0.005])
def test_a_clock_that_runs_wrong_is_followed_for_an_hour(drift: float) -> None:
    clock, said = _call(lambda index, at: at, 3600 * 50, drift=drift)
    last = 3600 * 50
    assert max(map(abs, _errors(clock, said, frames=range(last - 1000, last)))) < 0.012


def test_audio_that_never_came_is_no_delay() -> None:
    clock = SampleClock(32_000)
    for index in range(100):
        clock.add(FRAME, 10.0 + index * FRAME_S)
    for index in range(100):  # the microphone was off for 5 s
        clock.add(FRAME, 17.0 + index * FRAME_S)
    assert clock.arrival(2.02) == pytest.approx(17.0)


def test_a_client_that_sends_ahead_moves_the_figure_by_no_more_than_the_bound_and_never_flatters() -> None:
    clock = SampleClock(32_000)
    for _ in range(250):  # five seconds of audio at once
        clock.add(FRAME, 10.0)
    for index in range(100):
        clock.add(FRAME, 10.0 + index * FRAME_S)
    for place in (1.0, 3.0, 5.0, 6.0):
        arrived = 10.0 if place <= 5.0 else 10.0 + (place - 5.0)
        corrected = clock.arrival(place)
        assert corrected is not None
        assert arrived - MOST_CORRECTION_S - 0.03 <= corrected <= arrived


def test_a_client_that_holds_its_last_words_back_does_not_gain_by_it() -> None:
    """The wait begins when the words were said, not when the client deigned to send them."""
    clock, said = _call(lambda index, at: at + (0.5 if index >= 480 else 0.0), 500)
    assert _errors(clock, said, frames=range(499, 500))[0] == pytest.approx(0.0, abs=0.03)


def test_a_place_that_is_no_place_is_never_an_error() -> None:
    clock, _ = _call(lambda index, at: at, 100)
    assert clock.arrival(float("nan")) is None
    last = clock.arrival(2.0)
    assert [clock.arrival(place) for place in (float("inf"), 1e308, 900.0)] == [last] * 3
    assert [clock.arrival(place) for place in (-float("inf"), -5.0)] == [clock.arrival(0.0)] * 2


def _plainly(frames: list[tuple[int, float]], seconds: float) -> float:
    """What the page says, frame by frame; `frames` are (end in bytes, arrival)."""
    offset = max(1, round(min(seconds, frames[-1][0] / 32_000) * 32_000))
    index = next((number for number, (end, _) in enumerate(frames) if end >= offset), len(frames) - 1)
    arrived = frames[index][1]
    anchor = arrived - frames[index][0] / 32_000
    for number, (end, at) in enumerate(frames):
        since = frames[number : index + 1]
        paused = any(later[1] - one[1] >= PAUSE_S for one, later in pairwise(since))
        if arrived - ANCHOR_S <= at <= arrived + SAME_BURST_S and not paused:
            anchor = min(anchor, at - end / 32_000)
    said = min(frames[index][0] / 32_000, min(seconds, frames[-1][0] / 32_000) + FRAME_S)
    return min(arrived, max(anchor + said, arrived - MOST_CORRECTION_S))


@pytest.mark.parametrize("seed", range(20))
def test_any_line_gives_the_same_as_looking_at_each_frame(seed: int) -> None:
    dice, clock, frames, at = random.Random(seed), SampleClock(32_000), list[tuple[int, float]](), 100.0
    for _ in range(dice.choice((3, 300, 1500))):
        at += dice.choice((0.0, 0.0, 0.02, 0.02, 0.02, 0.05, 0.3, 1.2)) if dice.random() < 0.2 else 0.02
        size = dice.choice((640, 640, 640, 320, 6400))
        clock.add(size, at)
        frames.append((clock.total, at))
    newest = frames[-1][0] / 32_000
    for _ in range(30):
        place = dice.uniform(max(0.0, newest - 5), newest)
        assert clock.arrival(place) == pytest.approx(_plainly(frames, place), abs=1e-9)


def test_a_long_call_takes_a_tenth_of_a_megabyte() -> None:
    tracemalloc.start()
    clock = SampleClock(32_000)
    for number in range(20_000):
        clock.add(640, number * 0.02)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 100_000
